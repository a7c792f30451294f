//! The MLP of a block: one for all tokens, or several of which each token takes a few.

use crate::activation;
use crate::computation::Experts;
use crate::product::Linear;
use sources::form::Activation;

/// One MLP.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mlp {
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// Activations before the nonlinearity, and after it.
#[derive(Default)]
pub(crate) struct MlpBuffers {
    gate: Vec<f32>,
    up: Vec<f32>,
}

impl Mlp {
    /// What the MLP writes for tokens, from what it reads: `[tokens, hidden]` each. `tell` gets gate and up before the nonlinearity.
    pub(crate) fn apply(
        &self,
        activation: Activation,
        x: &[f32],
        buffers: &mut MlpBuffers,
        y: &mut Vec<f32>,
        tell: impl FnOnce(Option<&[f32]>, &[f32]),
    ) {
        let MlpBuffers { gate, up } = buffers;
        self.up.apply(x, up);
        match &self.gate {
            Some(matrix) => {
                matrix.apply(x, gate);
                tell(Some(gate), up);
                activation::apply(activation, gate);
                up.iter_mut().zip(gate).for_each(|(up, gate)| *up *= *gate);
            }
            None => {
                tell(None, up);
                activation::apply(activation, up);
            }
        }
        self.down.apply(up, y);
    }
}

/// Which tokens each expert takes, and how much of what it writes counts: by expert, tokens ascending.
pub(crate) fn routes(experts: Experts, scores: &[f32], n_experts: usize) -> Vec<Vec<(usize, f32)>> {
    let mut routes = vec![Vec::new(); n_experts];
    for (token, scores) in scores.chunks_exact(n_experts.max(1)).enumerate() {
        let mut order: Vec<usize> = (0..n_experts).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let largest = order.first().map_or(0.0, |&first| scores[first]);
        let power = |&expert: &usize| f64::from(scores[expert] - largest).exp();
        let counted = if experts.normalised { &order[..experts.chosen.min(n_experts)] } else { &order };
        let total: f64 = counted.iter().map(power).sum();
        for expert in &order[..experts.chosen.min(n_experts)] {
            routes[*expert].push((token, (power(expert) / total) as f32));
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_its_best_experts_with_shares_that_sum_to_one() {
        let chosen = |normalised| routes(Experts { chosen: 2, normalised }, &[0.0, 3.0, 1.0, 2.0, -1.0, 2.0], 3);
        let among_themselves = chosen(true);
        let of = |token: usize| -> Vec<(usize, f32)> {
            let found = |(expert, list): (usize, &Vec<(usize, f32)>)| Some((expert, list.iter().find(|(t, _)| *t == token)?.1));
            among_themselves.iter().enumerate().filter_map(found).collect()
        };
        assert_eq!(of(0).iter().map(|(expert, _)| *expert).collect::<Vec<_>>(), [1, 2]);
        assert!((of(0)[0].1 - 1.0 / (1.0 + (-2f32).exp())).abs() < 1e-6);
        assert!((of(0).iter().map(|(_, share)| share).sum::<f32>() - 1.0).abs() < 1e-6);
        // Equal scores go to the first expert.
        assert_eq!(of(1), [(0, 0.5), (2, 0.5)]);
        let of_all: f32 = chosen(false).iter().flatten().filter(|(token, _)| *token == 0).map(|(_, share)| share).sum();
        assert!(of_all < 1.0 && of_all > 0.9);
    }
}
