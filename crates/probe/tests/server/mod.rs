//! A server that answers from a script or by a rule, one connection a request.

use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is done with the next request.
#[derive(Clone)]
pub(crate) enum Do {
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// Reads the request and closes.
    HangUp,
    /// Promises more than it sends.
    HalfBody,
    /// Sends until nobody reads.
    Endless,
}

impl Do {
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: String::new(), body: body.into() }
    }

    pub(crate) fn retry_after(status: u16, seconds: &str) -> Self {
        Self::Answer { status, headers: format!("Retry-After: {seconds}\r\n"), body: "{\"error\": {\"message\": \"slow down\"}}".into() }
    }
}

/// An answer of `/completions`.
pub(crate) fn completion(text: &str, tokens: u64) -> Do {
    let body =
        json!({"choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": "stop"}], "usage": {"total_tokens": tokens}});
    Do::status(200, &body.to_string())
}

/// The same with the prompt's words as tokens, each with minus its length as its log-probability, and one generated token.
pub(crate) fn echo(text: &str) -> Do {
    let mut tokens: Vec<String> = Vec::new();
    for character in text.chars() {
        match tokens.last_mut() {
            Some(token) if !matches!(character, ' ' | '\n') && token != "\n" => token.push(character),
            _ => tokens.push(character.into()),
        }
    }
    tokens.push("User".into());
    let logprobs: Vec<_> = tokens.iter().enumerate().map(|(i, token)| (i > 0).then(|| -(token.chars().count() as f64))).collect();
    let offsets: Vec<usize> = tokens
        .iter()
        .scan(0, |at, token| {
            let own = *at;
            *at += token.chars().count();
            Some(own)
        })
        .collect();
    let logprobs = json!({"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets, "top_logprobs": null});
    let body = json!({"choices": [{"text": format!("{text}User"), "logprobs": logprobs, "finish_reason": "length"}],
        "usage": {"prompt_tokens": tokens.len() - 1, "completion_tokens": 1, "total_tokens": tokens.len()}});
    Do::status(200, &body.to_string())
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves the script and then nothing more.
    pub(crate) fn begin(script: Vec<Do>) -> Self {
        let mut script = script.into_iter();
        Self::answering(move |_| script.next().unwrap_or_else(|| Do::status(418, "the script is at its end")))
    }

    /// Answers every request; its thread ends with the test's process.
    pub(crate) fn answering(mut rule: impl FnMut(&Request) -> Do + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                let what = rule(&request);
                seen.lock().unwrap().push(request);
                answer(&mut stream, what);
            }
        });
        Self { url, requests }
    }

    /// An address where nothing listens.
    pub(crate) fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request { head, body: String::from_utf8(body).unwrap() }
}

/// A reader that went away is what some of these are for.
fn answer(stream: &mut TcpStream, what: Do) {
    let mut send = |text: &str| stream.write_all(text.as_bytes()).is_ok();
    match what {
        Do::Answer { status, headers, body } => {
            let length = body.len();
            send(&format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"));
        }
        Do::HangUp => (),
        Do::HalfBody => {
            send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{\"choices\": [{\"te");
        }
        Do::Endless => {
            send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"choices\": [\"");
            while send(&"a".repeat(1 << 16)) {}
        }
    }
}
