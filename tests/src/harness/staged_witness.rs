//! A witness in this process (C2SP tlog-witness), which behaves as a test wants it to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use countersign_ledger::checkpoint::{Cosigner, SignedCheckpoint};
use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::TreeSize;
use countersign_ledger::note::Vkey;
use countersign_ledger::witness::{AddCheckpoint, Held, SIZE_MEDIA_TYPE, Submitted, WitnessRefusal};

use super::people::key;
use super::world::vkey;

/// How a witness behaves.
#[derive(Debug, Clone, Default)]
pub enum Manner {
    /// As it should.
    #[default]
    Honest,
    /// It closes every connection.
    Down,
    /// It answers when the manner is another one.
    Mute,
    /// It answers with this status and body.
    Says(u16, String),
    /// Its answer has no end.
    Endless,
    /// It cosigns, with its clock so many seconds off.
    Off(i64),
    /// It cosigns with the key of this name, under its own key id.
    Key(String),
    /// It cosigns another checkpoint.
    Another,
    /// It says that it has seen so many entries.
    Claims(u64),
}

#[derive(Debug)]
struct Seen {
    manner: Manner,
    held: Held,
    /// The old sizes and sizes that it was asked for.
    asked: Vec<(u64, u64)>,
}

/// A witness of test ledgers.
#[derive(Debug, Clone)]
pub struct TestWitness {
    /// Where it is asked.
    pub url: String,
    name: String,
    cosigner: Arc<Cosigner>,
    shared: Arc<(Mutex<Seen>, Condvar)>,
}

impl TestWitness {
    /// Starts one, honest, on a free port of the loopback interface. It ends with the process.
    ///
    /// # Panics
    /// When there is no port or no thread.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key_name = format!("{name}.example").parse().expect("a key name");
        let cosigner = Arc::new(Cosigner::new(key_name, key(&format!("witness {name}"))));
        let seen = Seen { manner: Manner::Honest, held: Held::nothing(), asked: Vec::new() };
        let witness =
            Self { url, name: name.to_owned(), cosigner, shared: Arc::new((Mutex::new(seen), Condvar::new())) };
        let listening = witness.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let witness = listening.clone();
                thread::spawn(move || witness.serve(stream));
            }
        });
        witness
    }

    /// Its line of a trust file.
    #[must_use]
    pub fn line(&self) -> String {
        format!("witness {} {} {}\n", self.name, self.vkey(), self.url)
    }

    /// Its verifier key.
    #[must_use]
    pub fn vkey(&self) -> Vkey {
        self.cosigner.vkey().clone()
    }

    /// Has it behave in another manner from now on.
    pub fn behave(&self, manner: Manner) {
        self.lock().manner = manner;
        self.shared.1.notify_all();
    }

    /// Has it forget what it saw of the log since `held`, as if restored from a backup.
    pub fn restore(&self, held: Held) {
        self.lock().held = held;
    }

    /// Has it believe that it saw another tree of this size.
    pub fn saw_another(&self, size: u64) {
        self.restore(Held { size: TreeSize(size), root: NodeHash::from_bytes([9; 32]) });
    }

    /// What it cosigned last.
    #[must_use]
    pub fn held(&self) -> Held {
        self.lock().held
    }

    /// What it was asked so far: old sizes and sizes.
    #[must_use]
    pub fn asked(&self) -> Vec<(u64, u64)> {
        self.lock().asked.clone()
    }

    /// Waits until it was asked more than `before` times.
    ///
    /// # Panics
    /// When that takes a minute.
    pub fn asked_beyond(&self, before: usize) {
        let patience = std::time::Duration::from_secs(60);
        let (_seen, time) =
            self.shared.1.wait_timeout_while(self.lock(), patience, |seen| seen.asked.len() <= before).expect("a lock");
        assert!(!time.timed_out(), "nobody asked the witness {}", self.name);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared.0.lock().expect("a lock")
    }

    fn serve(&self, mut stream: TcpStream) {
        if matches!(self.lock().manner, Manner::Down) {
            return;
        }
        let Some(body) = read_request(&mut stream) else { return };
        let Ok(request) = AddCheckpoint::from_bytes(&body) else { return };
        let checkpoint: SignedCheckpoint =
            body_note(&body).parse().expect("a ledger sends checkpoints of the form of SPEC §7");
        let size = checkpoint.checkpoint().size.0;
        {
            let mut seen = self.lock();
            seen.asked.push((request.old().0, size));
            self.shared.1.notify_all();
            while matches!(seen.manner, Manner::Mute) {
                seen = self.shared.1.wait(seen).expect("a lock");
            }
        }
        let (status, media, body) = self.answer(request, &checkpoint);
        if let Manner::Endless = self.lock().manner {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n");
            // until the other side has had enough
            while stream.write_all(&[b'a'; 4096]).is_ok() {}
            return;
        }
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all((head + &body).as_bytes());
    }

    fn answer(&self, request: AddCheckpoint, checkpoint: &SignedCheckpoint) -> (u16, &'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        let mut seen = self.lock();
        let manner = seen.manner.clone();
        match &manner {
            Manner::Says(status, body) => return (*status, TEXT, body.clone()),
            Manner::Claims(size) => return (409, SIZE_MEDIA_TYPE, format!("{size}\n")),
            _ => {}
        }
        let submitted: Result<Submitted, WitnessRefusal> =
            request.authenticate(&[vkey("log").parse().expect("the log's key")]);
        let judged = submitted.and_then(|submitted| submitted.extends(&seen.held).map(|()| submitted));
        let submitted = match judged {
            Ok(submitted) => submitted,
            Err(refusal @ (WitnessRefusal::Conflict { .. } | WitnessRefusal::TwoRoots { .. })) => {
                return (refusal.http_status(), SIZE_MEDIA_TYPE, format!("{}\n", seen.held.size));
            }
            Err(refusal) => return (refusal.http_status(), TEXT, refusal.to_string()),
        };
        seen.held = Held::from(submitted.checkpoint().checkpoint());
        let now = jiff::Timestamp::now().as_second();
        let off = if let Manner::Off(seconds) = manner { seconds } else { 0 };
        let time = u64::try_from(now + off).expect("a time after 1970");
        let line = match &manner {
            Manner::Another => {
                let mut other = checkpoint.checkpoint().clone();
                other.root = NodeHash::from_bytes([3; 32]);
                let signer = countersign_ledger::note::NoteSigner::new((&other.origin).into(), key("log"));
                self.cosigner.cosign(&other.sign(&[signer]).expect("a checkpoint"), time)
            }
            Manner::Key(name) => {
                let forger = Cosigner::new(self.vkey().name().clone(), key(name));
                let line = forger.cosign(checkpoint, time).expect("a cosignature");
                let bytes = line.bytes().to_vec();
                let line = countersign_ledger::note::NoteSignature::new(line.name().clone(), self.vkey().id(), bytes);
                Ok(line.expect("a line"))
            }
            _ => self.cosigner.cosign(checkpoint, time),
        };
        (200, TEXT, format!("{}\n", line.expect("a cosignature")))
    }
}

/// The checkpoint of a request.
fn body_note(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.split_once("\n\n").map(|(_, note)| note.to_owned()).unwrap_or_default()
}

/// Reads an HTTP/1.1 request with a length, and returns its body.
fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        assert!(head.starts_with("post /add-checkpoint http/1.1"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        let length: usize = length.trim().parse().ok()?;
        while bytes.len() < end + 4 + length {
            let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
            bytes.extend_from_slice(&buffer[..read]);
        }
        return Some(bytes[end + 4..].to_vec());
    }
}
