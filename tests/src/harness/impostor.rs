//! A server that answers what it is told to, for tests of those who believe no server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::forge::tree::{Hash, consistency, inclusion, leaf_hash, root};

/// What it serves.
#[derive(Debug, Default)]
struct Shown {
    lines: Vec<String>,
    proofs: Vec<Hash>,
}

/// A server of entry lines, and of proofs over leaves that need not be those lines'. Its thread ends with the process.
#[derive(Debug)]
pub struct Impostor {
    /// Where it listens.
    pub url: String,
    shown: Arc<Mutex<Shown>>,
}

impl Impostor {
    /// Starts one that shows nothing.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shown = Arc::<Mutex<Shown>>::default();
        let serving = Arc::clone(&shown);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // a client that goes away is no matter
                let _ = answer(&stream, &serving.lock().expect("no test panics while it holds this"));
            }
        });
        Self { url, shown }
    }

    /// Shows these lines from now on, and proofs over the tree of `signed`.
    ///
    /// # Panics
    /// Never.
    pub fn show(&self, lines: &[String], signed: &[String]) {
        let proofs = signed.iter().map(|line| leaf_hash(line.as_bytes())).collect();
        *self.shown.lock().expect("no test panics while it holds this") = Shown { lines: lines.to_vec(), proofs };
    }
}

/// As long as this lives, nothing is answered.
#[derive(Debug)]
pub struct Held<'a>(#[allow(dead_code, reason = "it is held, not read")] MutexGuard<'a, Shown>);

impl Impostor {
    /// Answers nothing as long as what this returns lives.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn hold(&self) -> Held<'_> {
        Held(self.shown.lock().expect("no test panics while it holds this"))
    }
}

impl Default for Impostor {
    fn default() -> Self {
        Self::new()
    }
}

/// The checkpoint's root over lines.
#[must_use]
pub fn root_of(lines: &[String]) -> Hash {
    root(&lines.iter().map(|line| leaf_hash(line.as_bytes())).collect::<Vec<_>>())
}

fn answer(mut stream: &TcpStream, shown: &Shown) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let value = |name: &str| {
        let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|value| value.parse::<usize>().ok()).unwrap_or(0)
    };
    let json = |hashes: Vec<Hash>, rest: String| {
        let hashes: Vec<String> = hashes.iter().map(|hash| format!("{:?}", STANDARD.encode(hash))).collect();
        Some(format!("{{{rest},\"hashes\":[{}]}}", hashes.join(",")))
    };
    let leaves = |size: usize| shown.proofs.get(..size);
    let body = match path.split('?').next().unwrap_or_default() {
        "/v1/entries" => {
            let lines = shown.lines.iter().skip(value("from")).take(value("limit"));
            Some(lines.map(|line| format!("{line}\n")).collect())
        }
        "/v1/proofs/inclusion" => {
            leaves(value("size")).filter(|leaves| value("seq") < leaves.len()).and_then(|leaves| {
                let (seq, size) = (value("seq"), leaves.len());
                let leaf = hex::encode(leaves[seq]);
                json(inclusion(seq, leaves), format!("\"seq\":{seq},\"size\":{size},\"leaf_hash\":\"{leaf}\""))
            })
        }
        "/v1/proofs/consistency" => leaves(value("new")).and_then(|leaves| {
            let old = value("old");
            json(consistency(old, leaves), format!("\"old\":{old},\"new\":{}", leaves.len()))
        }),
        _ => None,
    };
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
