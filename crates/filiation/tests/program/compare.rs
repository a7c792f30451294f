//! `filiation compare` on four micro models with a known history, and its options.

use crate::{BASE, FINETUNED, INDEPENDENT, PERMUTED, Run, command, filiation, finish};
use insta::assert_snapshot;
use serde_json::Value;

/// Conclusion, relations and shared fraction.
fn verdict(reference: &str, suspect: &str) -> (String, Vec<String>, f64) {
    let json = filiation(&["compare", "--quiet", "--format", "json", reference, suspect]).json();
    let verdict = &json["verdicts"][0];
    let relation = verdict["relation"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    (verdict["conclusion"].as_str().unwrap().to_owned(), relation, verdict["scope"]["sharedFraction"].as_f64().unwrap())
}

#[test]
fn a_model_is_identical_with_itself() {
    assert_eq!(verdict(BASE, BASE), ("supports-derivation".into(), vec!["identical".into()], 1.0));
}

#[test]
fn a_finetune_is_derived_and_called_so() {
    assert_eq!(verdict(BASE, FINETUNED), ("supports-derivation".into(), vec!["finetune".into()], 1.0));
}

/// Trained from another seed on the same data in the same order.
#[test]
fn another_seed_of_the_same_recipe_is_independent() {
    assert_eq!(verdict(BASE, INDEPENDENT), ("supports-independence".into(), vec![], 0.0));
}

/// The hidden units of every MLP are in another order; everything else is the reference's. That order is found and undone.
#[test]
fn permuted_mlp_units_are_found_and_called_so() {
    assert_eq!(verdict(BASE, PERMUTED), ("supports-derivation".into(), vec!["permuted".into()], 1.0));
}

#[test]
fn swapping_the_sides_keeps_the_conclusion() {
    for suspect in [FINETUNED, INDEPENDENT, PERMUTED] {
        let ((there, relation, _), (back, relation_back, _)) = (verdict(BASE, suspect), verdict(suspect, BASE));
        assert_eq!((there, relation), (back, relation_back), "{suspect}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, threads: &str| -> (Run, String, String) {
        let report = folder.path().join(name);
        let run = filiation(&["compare", "--format", "json", "--threads", threads, "--report", report.to_str().unwrap(), BASE, FINETUNED]);
        let read = |file: &str| std::fs::read_to_string(report.join(file)).unwrap();
        (run, read("report.json"), read("report.html"))
    };
    let first = run("1", "1");
    assert_eq!(first.0.stdout, first.1, "the file is what stdout got");
    for (name, threads) in [("1 again", "1"), ("2", "2"), ("7", "7"), ("7 again", "7")] {
        assert!(run(name, threads) == first, "{name}");
    }
}

#[test]
fn another_seed_keeps_the_conclusion_and_is_in_the_report() {
    let json = filiation(&["compare", "--quiet", "--format", "json", "--seed", "18446744073709551615", BASE, FINETUNED]).json();
    assert_eq!(json["case"]["seed"], Value::from(u64::MAX));
    assert_eq!(json["verdicts"][0]["conclusion"], "supports-derivation");
}

#[test]
fn a_report_is_two_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("new/report");
    let run = filiation(&["compare", "--quiet", "--report", report.to_str().unwrap(), BASE, FINETUNED]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let mut names: Vec<String> = report.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["report.html", "report.json"]);
    let page = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
    assert!(page.trim_end().ends_with("</html>"));
    assert!(run.stdout.contains("report.html"), "the text says where the page is");
}

#[test]
fn a_report_folder_that_cannot_be_made_stops_the_run_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let run = filiation(&["compare", "--report", file.to_str().unwrap(), BASE, FINETUNED]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.starts_with(&format!("error: cannot create `{}`: ", file.display())), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "no phase began: {}", run.stderr);
}

#[test]
fn fail_on_turns_one_conclusion_into_exit_code_3() {
    let code = |conclusion: &str, suspect: &str| filiation(&["compare", "--quiet", "--fail-on", conclusion, BASE, suspect]).code;
    assert_eq!(code("derivation", FINETUNED), 3);
    assert_eq!(code("derivation", INDEPENDENT), 0);
    assert_eq!(code("inconclusive", FINETUNED), 0);
    // Four units can be in 24 orders: no test can decide.
    let folder = tempfile::tempdir().unwrap();
    let tiny = |name: &str, values: [u8; 64]| {
        let header = br#"{"w":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}"#;
        let path = folder.path().join(name);
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &values].concat()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, other) =
        (tiny("one", std::array::from_fn(|i| (i * 37 % 64) as u8)), tiny("other", std::array::from_fn(|i| (i * 53 % 61) as u8)));
    for (conclusion, expected) in [("inconclusive", 3), ("derivation", 0)] {
        let run = filiation(&["compare", "--quiet", "--fail-on", conclusion, &one, &other]);
        assert_eq!((run.code, run.stderr.as_str()), (expected, ""), "{}", run.stdout);
        assert!(run.stdout.starts_with("Inconclusive\n"), "{}", run.stdout);
    }
    assert_eq!(filiation(&["compare", "--quiet", BASE, FINETUNED]).code, 0, "a conclusion is no exit code unless asked for");
}

#[test]
fn one_method_alone_runs_and_the_others_are_said_not_to() {
    let args = ["compare", "--quiet", "--format", "json", "--method", "weights.edits", "--method", "weights.tensor-identity", BASE, BASE];
    let json = filiation(&args).json();
    let ids =
        |key: &str| -> Vec<String> { json[key].as_array().unwrap().iter().map(|f| f["method"].as_str().unwrap().to_owned()).collect() };
    assert_eq!(ids("findings"), ["weights.tensor-identity", "weights.edits"], "in the registry's order");
    assert!(ids("notRun").contains(&"weights.haar-bound".to_owned()), "{:?}", ids("notRun"));
}

#[test]
fn a_control_stands_beside_every_number() {
    let json = filiation(&["compare", "--quiet", "--format", "json", "--control", INDEPENDENT, BASE, FINETUNED]).json();
    assert_eq!(json["case"]["controls"][0]["path"], INDEPENDENT);
    for finding in json["findings"].as_array().unwrap() {
        let controls = finding["controls"].as_array().unwrap();
        assert_eq!((controls.len(), &controls[0]["model"]), (1, &Value::from(INDEPENDENT)), "{}", finding["method"]);
    }
    let alignment = json["findings"].as_array().unwrap().iter().find(|f| f["method"] == "weights.unit-alignment").unwrap();
    assert!(alignment["statistic"].as_f64().unwrap() > 0.9 && alignment["controls"][0]["statistic"].as_f64().unwrap() < 0.1);
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let run = filiation(&["compare", BASE, INDEPENDENT]);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    assert_snapshot!(without_decimals(&run.to_string()), @r"
    exit code 0
    --- stdout
    Supports independence over derivation
    The evidence supports independent training over undisguised derivation: none of
    the suspect's trained matrices corresponds to one of the reference's (100 % of
    its trained parameters could be compared), and they agree no more than
    independently trained models do (p ≤ #).

    p-value    ≤ # (bound; weights.unit-alignment)
    likelihood log10 LR −# (−# to −#, capped at −# by 203 validation
               lineages): the similarities are clearly more probable if the two were
               trained independently than if they share training.

    reference  testdata/models/base (602,976 parameters)
    suspect    testdata/models/independent (602,976 parameters)

     method                          statistic  p-value  kind   outcome
     weights.tensor-identity                 0        –  –      observed
     weights.unit-alignment             #   ≤ #  bound  observed
     weights.matrix-match               #        1  bound  observed
     weights.haar-bound                  #        1  bound  observed
     activations.attention                   –        –  –      not applicable
     activations.attention-residual          –        –  –      not applicable
     activations.unit-matching               –        –  –      not applicable
     activations.cka                         –        –  –      not applicable
     logits.residual                         –        –  –      not applicable
     logits.image                            –        –  –      not applicable
     weights.edits                           –        –  –      not applicable
     tokenizer.overlap                       1        –  –      observed

    weights.unit-matching           # no conclusion: no controls
      synthetic copies, not models: at most #, p = # (exact)
    weights.head-matching           # no conclusion: no controls
      synthetic copies, not models: at most #, p = # (exact)
    weights.embedding-gram          # no conclusion: no controls
    weights.image-angles            # no conclusion: no controls
      no conclusion: no controls were given
      activations.attention, activations.attention-residual,
      activations.unit-matching, activations.cka, logits.residual, logits.image: the
      reference was not run on prompts: `--run never` was given
      weights.edits: no tensor of the suspect corresponds to one of the reference,
      so there is nothing to describe
    --- stderr
    digests of the reference, # MiB
    digests of the suspect, # MiB
    comparing tensors, suspect, # MiB
    matching units, suspect
    methods, suspect
    ");
}

/// Statistics are tested where they are made; here the page is.
fn without_decimals(text: &str) -> String {
    let is_decimal = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() || c == '.' {
            word.push(c);
            continue;
        }
        let number = word.trim_end_matches('.');
        if is_decimal(number) {
            out.push('#');
            out.push_str(&word[number.len()..]);
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    out
}

#[test]
fn quiet_leaves_stderr_empty_and_changes_no_result() {
    let (loud, quiet) = (filiation(&["compare", BASE, FINETUNED]), filiation(&["compare", "--quiet", BASE, FINETUNED]));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    assert_eq!(quiet.stdout, loud.stdout);
}

#[test]
fn no_escape_sequence_reaches_a_pipe() {
    let mut colourful = command(&["compare", BASE, FINETUNED]);
    colourful.env("NO_COLOR", "1");
    for run in [finish(colourful), filiation(&["compare", BASE, FINETUNED])] {
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
    }
}

#[test]
fn calls_without_sense_end_with_exit_code_2_and_advice() {
    let error = |args: &[&str]| {
        let run = filiation(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        run.stderr
    };
    assert_snapshot!(error(&["compare", "--method", "weights.unit-alignement", BASE, BASE]), @r"
    error: method: found `weights.unit-alignement`, expected one of the ids that `filiation methods` lists

    hint: did you mean `weights.unit-alignment`?
    ");
    assert_snapshot!(error(&["compare", "--threads", "0", BASE, BASE]), @"error: threads: found 0, expected 1 to 4096");
    assert!(error(&["compare", BASE]).contains("<SUSPECT>"));
    assert!(error(&["compare", "--fail-on", "theft", BASE, BASE]).contains("[possible values: derivation, inconclusive]"));
    assert!(error(&["comparre"]).contains("'compare'"));
}

#[test]
fn what_is_no_model_ends_with_exit_code_1() {
    let error = |path: &str| {
        let run = filiation(&["compare", "--quiet", BASE, path]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{path}");
        run.stderr
    };
    assert_snapshot!(error("no-such-file"), @"error: cannot open `no-such-file`: No such file or directory (os error 2)");
    assert_snapshot!(error("org/model"), @r"
    error: `org/model`: model: found no such path and no `/nonexistent/.cache/huggingface/hub/models--org--model/refs/main`, expected a file, a folder, or a Hub id that is in the Hub cache

    hint: fetch it first, for example with `hf download org/model`; this version uses no network
    ");
    assert_snapshot!(error("testdata/models/base/config.json"), @r"
    error: `testdata/models/base/config.json`: file: found JSON text, expected safetensors, GGUF, PyTorch zip, ONNX, npz or CTranslate2

    hint: pass the weights, or the folder that holds them; a configuration says nothing about weights
    ");
}

/// An adapter shares no shape with a model, which must not be taken for independence.
#[test]
fn an_adapter_is_refused_with_the_way_to_compare_it() {
    let folder = tempfile::tempdir().unwrap();
    let header = br#"{"base_model.model.layers.0.q_proj.lora_A.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), r#"{"base_model_name_or_path":"org/base"}"#).unwrap();
    let path = folder.path().to_str().unwrap();
    let run = filiation(&["compare", BASE, path]);
    assert_eq!(run.code, 1);
    assert_snapshot!(run.stderr.replace(path, "adapter"), @r"
    error: `adapter`: model: found an adapter: low-rank changes to another model's weights, expected the weights themselves

    hint: merge it into its base model (its card names `org/base`) with the library that made it, then compare the result
    ");
    assert_eq!(filiation(&["inspect", "--quiet", path]).code, 0, "it can be looked at");
}

#[test]
fn a_hub_id_is_read_from_the_cache() {
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--org--model");
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::create_dir_all(repository.join("snapshots/0123abcd")).unwrap();
    std::fs::write(repository.join("refs/main"), "0123abcd\n").unwrap();
    std::fs::copy(crate::root().join(BASE).join("model.safetensors"), repository.join("snapshots/0123abcd/model.safetensors")).unwrap();
    let mut command = command(&["compare", "--quiet", "--format", "json", BASE, "org/model"]);
    command.env("HF_HUB_CACHE", cache.path());
    let json = finish(command).json();
    assert_eq!(json["verdicts"][0]["relation"], serde_json::json!(["identical"]));
    assert!(json["case"]["suspect"]["path"].as_str().unwrap().ends_with("snapshots/0123abcd"), "the commit that was read is in the report");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let mut full = command(&["methods"]);
    let output = full.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write `stdout`: "));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(command(&["methods"]).stdout(writer).output().unwrap().status.code(), Some(0));
}
