//! `cargo xtask bench replies`: how many dialogues an hour a small teacher answers.

use super::{checkpoint, machine, note};
use crate::{Error, cache, say};
use clap::Args;
use forward::{Options, Request, Sampler};
use sources::Model;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Who answers; else a random llama of a million parameters.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Dialogues.
    #[arg(long, value_name = "N", default_value_t = 8_192)]
    dialogues: usize,
    /// Tokens of a prompt.
    #[arg(long, value_name = "N", default_value_t = 30)]
    prompt: usize,
    /// Tokens of a reply.
    #[arg(long, value_name = "N", default_value_t = 40)]
    reply: usize,
    /// Runs, of which each is shown.
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeats: usize,
    /// Threads.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
}

pub(super) fn run(args: &Bench) -> Result<(), Error> {
    let folder = cache()?.join("bench");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let path = match &args.model {
        Some(path) => path.clone(),
        None => checkpoint::make(&checkpoint::MICRO, &folder)?.reference,
    };
    let model = Model::open(&path).map_err(Error::failed)?;
    let sampler = Sampler::read(&model).map_err(Error::failed)?.map_err(Error::failed)?;
    // Real replies end at a token that ends them; here all have the same length.
    let options = Options { temperature: 1.0, top_p: None, max_tokens: args.reply, stop: Vec::new(), watermark: None };
    let vocabulary = sampler.vocabulary();
    let prompts: Vec<Vec<u32>> =
        (0..args.dialogues).map(|i| (0..args.prompt).map(|j| ((i * 131 + j * j * 17 + 5) % vocabulary) as u32).collect()).collect();
    let requests: Vec<Request<'_>> = prompts.iter().zip(0..).map(|(prompt, seed)| Request { prompt, seed }).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build().map_err(Error::failed)?;
    say(&format!(
        "{} parameters, {} dialogues of {} and {} tokens, {} threads; {}",
        model.parameters(),
        args.dialogues,
        args.prompt,
        args.reply,
        args.threads,
        machine::describe()
    ));
    for _ in 0..args.repeats {
        let start = Instant::now();
        let replies = pool.install(|| sampler.reply(&requests, &options, &|_| ())).map_err(Error::failed)?;
        let seconds = start.elapsed().as_secs_f64();
        let speed = replies.len() as f64 / seconds;
        note(&format!("drawn: {} tokens", replies.iter().map(|reply| reply.tokens.len()).sum::<usize>()));
        let load = machine::load().unwrap_or(0.0);
        say(&format!("{speed:.0} dialogues a second, {:.0} an hour, in {seconds:.1} s; load {load:.1}", speed * 3600.0));
    }
    Ok(())
}
