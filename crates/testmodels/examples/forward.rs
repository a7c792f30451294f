//! Writes every family's network of seed 1 and what [`testmodels::forward`] says about the tokens 5, 17, 300, 17, 42, 599, 8, 120, 3 and 61 into
//! the folder that is named: `FAMILY/` and `FAMILY/forward.json`. testdata/scripts/check_forward.py compares.

use std::path::Path;
use testmodels::{Dtype, FAMILIES, VARIANTS, family, forward, save_in};

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let network = family(name, 1);
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        save_in(&network, Dtype::F32, &folder);
        let logits = forward(&network, &[5, 17, 300, 17, 42, 599, 8, 120, 3, 61]);
        std::fs::write(folder.join("forward.json"), serde_json::json!(logits).to_string()).expect("a file");
    }
}
