//! A log that says whatever a test wants, as C2SP tlog-tiles serves it: forged ledgers, and servers that mean harm.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::forge::tree::{self, Hash};

/// What is served.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The entry lines; they may be any bytes.
    pub lines: Vec<Vec<u8>>,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// What is done otherwise.
    pub mischief: Mischief,
}

/// What a server does that it should not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    #[default]
    None,
    /// Answers are endless.
    Endless,
    /// One byte comes, and then another, and no end.
    Dripping,
    /// Tiles and bundles lack their last part.
    Short,
    /// The last entry's bytes are others than the tree has.
    OtherBytes,
    /// Tiles of hashes are those of another tree.
    OtherTiles,
    /// It says that it cannot answer now.
    Unavailable,
    /// It answers so many requests, and no more.
    StallsAfter(usize),
}

/// The server. It listens as long as it lives; its threads end with the process.
#[derive(Debug)]
pub struct LogServer {
    /// Where it listens.
    pub url: String,
    shown: Arc<Mutex<Shown>>,
    /// How many requests came.
    asked: Arc<(Mutex<usize>, Condvar)>,
}

impl LogServer {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(shown: Shown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shown = Arc::new(Mutex::new(shown));
        let asked = Arc::new((Mutex::new(0), Condvar::new()));
        let (served, counted) = (Arc::clone(&shown), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shown = served.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (count, more) = &*counted;
                let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                more.notify_all();
                let at = *count;
                drop(count);
                // whoever asked may go away
                std::thread::spawn(move || serve(stream, &shown, at));
            }
        });
        Self { url, shown, asked }
    }

    /// Waits until so many requests came since the start.
    ///
    /// # Panics
    /// When a minute passes without.
    pub fn wait_for(&self, requests: usize) {
        let (count, more) = &*self.asked;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = more.wait_timeout_while(count, Duration::from_secs(60), |count| *count < requests);
        assert!(!waited.expect("no thread panicked").1.timed_out(), "fewer than {requests} requests came");
    }

    /// Serves something else from now on.
    pub fn show(&self, shown: Shown) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

fn serve(mut stream: TcpStream, shown: &Shown, at: usize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |status: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    match shown.mischief {
        Mischief::Endless => {
            stream.write_all((head("200 OK") + "\r\n").as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 65_536])?;
            }
        }
        Mischief::Dripping => {
            stream.write_all((head("200 OK") + "\r\n").as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Mischief::StallsAfter(most) if at > most => {
            // until whoever asked goes away
            return reader.read_line(&mut line).map(drop);
        }
        Mischief::Unavailable => {
            let head = head("503 Service Unavailable");
            return stream.write_all((head + "content-length: 0\r\n\r\n").as_bytes());
        }
        _ => {}
    }
    let answer = match body(path, shown) {
        Some(body) => [format!("{}content-length: {}\r\n\r\n", head("200 OK"), body.len()).into_bytes(), body].concat(),
        None => format!("{}content-length: 0\r\n\r\n", head("404 Not Found")).into_bytes(),
    };
    stream.write_all(&answer)
}

/// What stands at a path of tlog-tiles.
fn body(path: &str, shown: &Shown) -> Option<Vec<u8>> {
    if path == "/checkpoint" {
        return Some(shown.checkpoint.clone().into_bytes());
    }
    let mut parts = path.strip_prefix("/tile/")?.split('/');
    let level = parts.next()?;
    let (mut index, mut width) = (0, 256);
    for part in parts {
        // a group of three digits, or `p/W` after the last
        let (digits, partial) = part.trim_start_matches('x').split_once(".p").map_or((part, false), |(d, _)| (d, true));
        let digits = digits.trim_start_matches('x');
        if width == 0 {
            width = digits.parse().ok()?;
            continue;
        }
        index = index * 1000 + digits.parse::<usize>().ok()?;
        width = if partial { 0 } else { width };
    }
    let mut body = if level == "entries" { entries(index, width, shown)? } else { tile(level, index, width, shown)? };
    if shown.mischief == Mischief::Short {
        body.truncate(body.len() - 1);
    }
    Some(body)
}

fn entries(index: usize, width: usize, shown: &Shown) -> Option<Vec<u8>> {
    let mut lines = shown.lines.get(index * 256..index * 256 + width)?.to_vec();
    if shown.mischief == Mischief::OtherBytes {
        let last = lines.last_mut()?;
        *last = String::from_utf8_lossy(last).replacen("000Z", "001Z", 1).into_bytes();
    }
    let lengths = |line: &Vec<u8>| Some([&u16::try_from(line.len()).ok()?.to_be_bytes()[..], line].concat());
    lines.iter().map(lengths).collect::<Option<Vec<_>>>().map(|lines| lines.concat())
}

fn tile(level: &str, index: usize, width: usize, shown: &Shown) -> Option<Vec<u8>> {
    let span = 256usize.checked_pow(level.parse().ok()?)?;
    let mut leaves: Vec<Hash> = shown.lines.iter().map(|line| tree::leaf_hash(line)).collect();
    if shown.mischief == Mischief::OtherTiles {
        leaves[0] = [7; 32];
    }
    let hash = |at: usize| {
        let start = (index * 256 + at).checked_mul(span)?;
        Some(tree::root(leaves.get(start..start.checked_add(span)?)?))
    };
    (0..width).map(hash).collect::<Option<Vec<_>>>().map(|hashes| hashes.concat())
}
