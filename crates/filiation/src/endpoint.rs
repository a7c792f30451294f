//! Endpoints as arguments name them: told apart from paths, opened with all that they need, asked in words.

use crate::Error;
use crate::cli::endpoint::EndpointArgs;
use crate::cli::probe::Way;
use crate::progress::Progress;
use forward::Chat;
use probe::{Ask, Budget, Endpoint, Mode, Pace, ProbeError, Reply, Session, SystemClock};
use serde_json::Value;

/// Whether an argument is an address and no path.
pub(crate) fn is_url(argument: &str) -> bool {
    argument.starts_with("http://") || argument.starts_with("https://")
}

/// Options of endpoints make no sense with weights: the first that was given is refused. `whom` is what the argument stands for.
pub(crate) fn refuse_options(args: &EndpointArgs, whom: &str) -> Result<(), Error> {
    let options = [
        ("--name", args.name.is_some()),
        ("--budget-requests", args.budget_requests.is_some()),
        ("--budget-tokens", args.budget_tokens.is_some()),
        ("--transcript", args.transcript.is_some()),
        ("--rate", args.rate.is_some()),
    ];
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(without_endpoint(option, whom)),
        None => Ok(()),
    }
}

/// An option of endpoints beside something on this machine.
pub(crate) fn without_endpoint(option: &str, whom: &str) -> Error {
    Error::Usage { message: format!("`{option}`: found a {whom} on this machine, expected an endpoint's URL"), hint: None }
}

/// Opens a session with all that the options say; `asked` is what the transcript says it is asked for.
pub(crate) fn session(url: &str, args: &EndpointArgs, whom: &str, asked: Value) -> Result<Session, Error> {
    let missing = |option: &str| Error::Usage {
        message: format!("`{option}`: found none, expected one with a {whom} that is an endpoint"),
        hint: Some(
            "an endpoint is asked by its model's `--name`, within `--budget-requests` and `--budget-tokens`, into a `--transcript`".into(),
        ),
    };
    let name = args.name.as_deref().ok_or_else(|| missing("--name"))?;
    let requests = args.budget_requests.ok_or_else(|| missing("--budget-requests"))?;
    let tokens = args.budget_tokens.ok_or_else(|| missing("--budget-tokens"))?;
    let transcript = args.transcript.as_deref().ok_or_else(|| missing("--transcript"))?;
    let endpoint = Endpoint::from_environment(url, name)?;
    let pace = Pace { per_minute: rate(args.rate)?, seed: 0 };
    Ok(Session::open(endpoint, Budget { requests, tokens }, pace, asked, transcript, Box::new(SystemClock::new()))?)
}

/// Requests a minute as given.
pub(crate) fn rate(given: Option<f64>) -> Result<Option<f64>, Error> {
    match given.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
        Some(rate) => Err(Error::Usage { message: format!("rate: found {rate}, expected requests a minute above 0"), hint: None }),
        None => Ok(given),
    }
}

/// The way as given; a user's message unless the text is to be sent as it is.
pub(crate) fn mode(way: Option<Way>) -> Mode {
    match way {
        Some(Way::Completions) => Mode::Completions,
        Some(Way::Chat) | None => Mode::Chat,
    }
}

/// Asks a question and gives the reply without marks: those that the server sets, or those of `chat` round a text that is sent as it is.
pub(crate) fn reply(session: &mut Session, id: &str, prompt: &str, chat: &Chat, ask: &Ask) -> Result<Reply, ProbeError> {
    match ask.mode {
        Mode::Chat => session.reply(id, prompt, ask),
        Mode::Completions => {
            let ask = Ask { stop: Some(chat.end().to_owned()).filter(|end| !end.is_empty()), ..ask.clone() };
            let reply = session.reply(id, &chat.asked(prompt), &ask)?;
            Ok(Reply { text: chat.answer(&reply.text).to_owned(), ..reply })
        }
    }
}

/// A token without the mark of a space before it, which every server shows in its own way.
pub(crate) fn bare(token: &str) -> &str {
    token.trim_start_matches(['\u{2581}', '\u{120}']).trim()
}

/// A number as its shortest decimal, as people write it and as a service was sent it: .7 and not .699999988079071.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Says on stderr what was spent, and the digest that names what was answered.
pub(crate) fn note_transcript(session: &mut Session, progress: &Progress) -> Result<(), Error> {
    let (spent, digest) = (session.spent(), session.digest()?);
    progress.note(&format!("{} requests and {} tokens are spent; SHA-256 of the transcript {digest}", spent.requests, spent.tokens));
    Ok(())
}
