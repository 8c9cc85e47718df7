//! Small HTTP servers: a witness that holds what C2SP tlog-witness says, and a proxy that changes what passes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use countersign_ledger::note::Vkey;
use countersign_ledger::witness::{AddCheckpoint, Held, WitnessRefusal};

/// What is answered: status, media type, body.
pub(super) type Answer = (u16, &'static str, Vec<u8>);

/// Serves with a function until the test ends; returns the address.
pub(super) fn serve(answer: impl Fn(&str, &str, &[u8]) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || one(connection, &*answer));
        }
    });
    url
}

fn one(connection: TcpStream, answer: &dyn Fn(&str, &str, &[u8]) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            assert_eq!(name.len(), 14);
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, media, body) = answer(&method, &path, &body);
    let mut connection = connection;
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(&body).ok()
}

/// A witness of one log. What it cosigns with is of no matter here.
pub(super) fn witness(log_key: Vkey) -> String {
    let held = Mutex::new(Held::nothing());
    serve(move |method, path, body| {
        assert_eq!((method, path), ("POST", "/add-checkpoint"));
        let mut held = held.lock().unwrap();
        let submitted = AddCheckpoint::from_bytes(body).unwrap().authenticate(std::slice::from_ref(&log_key));
        let judged = submitted.and_then(|submitted| submitted.extends(&held).map(|()| submitted));
        match judged {
            Ok(submitted) => {
                *held = submitted.checkpoint().checkpoint().into();
                (200, "text/plain", b"cosigned\n".to_vec())
            }
            Err(refusal @ (WitnessRefusal::Conflict { .. } | WitnessRefusal::TwoRoots { .. })) => {
                (refusal.http_status(), "text/x.tlog.size", format!("{}\n", held.size).into_bytes())
            }
            Err(refusal) => (refusal.http_status(), "text/plain", refusal.to_string().into_bytes()),
        }
    })
}
