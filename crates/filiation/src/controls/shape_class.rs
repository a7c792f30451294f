//! Models of one shape, whatever their family is called: those that can stand beside each other as controls.

use sources::{Binding, Space};

/// `hidden-96_blocks-4_units-256`: width of the residual stream, blocks, MLP units of a block, and experts where there are any.
///
/// Stacks are joined by `+`; a number that all of them share stands once. Units that differ from block to block are written as the least
/// and the most, `units-200to256`. `None` where the family tells neither a width nor blocks.
pub(crate) fn of(binding: &Binding) -> Option<String> {
    let mut widths = Vec::new();
    let mut units = Vec::new();
    for &(stack, _) in &binding.layers {
        let axes = || axes(binding);
        widths.push(axes().find(|(space, _)| *space == Space::Residual(stack))?.1.to_string());
        let of_stack = || axes().filter(move |(space, _)| matches!(space, Space::MlpUnits { stack: s, .. } if *s == stack)).map(|(_, n)| n);
        match of_stack().min().zip(of_stack().max()) {
            Some((least, most)) if least == most => units.push(least.to_string()),
            Some((least, most)) => units.push(format!("{least}to{most}")),
            None => {}
        }
    }
    if widths.is_empty() {
        return None;
    }
    let blocks: Vec<String> = binding.layers.iter().map(|(_, n)| n.to_string()).collect();
    let mut class = format!("hidden-{}_blocks-{}", joined(widths), blocks.join("+"));
    if !units.is_empty() {
        class.push_str(&format!("_units-{}", joined(units)));
    }
    let experts = |(space, _): (Space, usize)| match space {
        Space::MlpUnits { expert: Some(expert), .. } => Some(expert.saturating_add(1)),
        _ => None,
    };
    if let Some(n) = axes(binding).filter_map(experts).max() {
        class.push_str(&format!("_experts-{n}"));
    }
    Some(class)
}

/// What the axes of all weights are indexed by, and how long they are.
fn axes(binding: &Binding) -> impl Iterator<Item = (Space, usize)> {
    binding.weights.iter().flat_map(|weight| {
        let [rows, columns] = weight.axes;
        [(rows.space, weight.rows / rows.unit.max(1)), (columns.space, weight.cols / columns.unit.max(1))]
    })
}

fn joined(mut numbers: Vec<String>) -> String {
    if numbers.iter().all(|n| *n == numbers[0]) {
        numbers.truncate(1);
    }
    numbers.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sources::{Axis, Part, Role, Rows, Slot, Stack, View, Weight};

    /// An MLP's up matrix.
    fn up(stack: Stack, layer: usize, expert: Option<usize>, units: usize, hidden: usize) -> Weight {
        let axis = |space| Axis { space, unit: 1 };
        Weight {
            slot: Some(Slot { stack, layer: Some(layer), expert, role: Role::MlpUp, part: Part::Weight }),
            name: "up".into(),
            rows: units,
            cols: hidden,
            axes: [axis(Space::MlpUnits { stack, layer, expert }), axis(Space::Residual(stack))],
            view: View { tensor: 0, transposed: false, rows: Rows::All, offset: 0 },
            rank: 2,
        }
    }

    fn class(layers: &[(Stack, usize)], weights: Vec<Weight>) -> Option<String> {
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models/base");
        let binding = sources::Model::open(&base).unwrap().binding.unwrap();
        of(&Binding { layers: layers.to_vec(), weights, ..binding })
    }

    #[test]
    fn a_class_tells_widths_blocks_units_and_experts() {
        use Stack::{Decoder, Encoder, Single};
        let plain = vec![up(Single, 0, None, 256, 96), up(Single, 1, None, 256, 96)];
        assert_eq!(class(&[(Single, 2)], plain).unwrap(), "hidden-96_blocks-2_units-256");
        let uneven = vec![up(Single, 0, None, 256, 96), up(Single, 1, None, 200, 96)];
        assert_eq!(class(&[(Single, 2)], uneven).unwrap(), "hidden-96_blocks-2_units-200to256");
        let mixture = (0..8).map(|expert| up(Single, 0, Some(expert), 128, 96)).collect();
        assert_eq!(class(&[(Single, 1)], mixture).unwrap(), "hidden-96_blocks-1_units-128_experts-8");
        let stacks = [(Encoder, 6), (Decoder, 2)];
        let equal = vec![up(Encoder, 0, None, 2048, 512), up(Decoder, 0, None, 2048, 512)];
        assert_eq!(class(&stacks, equal).unwrap(), "hidden-512_blocks-6+2_units-2048");
        let unlike = vec![up(Encoder, 0, None, 2048, 512), up(Decoder, 0, None, 1024, 256)];
        assert_eq!(class(&stacks, unlike).unwrap(), "hidden-512+256_blocks-6+2_units-2048+1024");
        assert_eq!((class(&[], vec![]), class(&[(Single, 1)], vec![])), (None, None));
    }
}
