//! `countersign serve` as a process: what it says, where it listens, how it ends.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, Said};
use serde_json::Value;

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status().unwrap().success());
    }

    /// Waits for the end, at most `seconds`, and returns the status and what is left of stdout and stderr.
    fn end(&mut self, seconds: u64) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let status = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("the server does not end"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let (mut out, mut err) = (String::new(), String::new());
        if let Some(mut stdout) = self.0.stdout.take() {
            stdout.read_to_string(&mut out).unwrap();
        }
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut err).unwrap();
        }
        (status.code(), out, err)
    }
}

/// Starts a server and returns the first line that it says.
fn start(folder: &Folder, more: &[&str], env: &[(&str, &str)]) -> (Process, String) {
    let arguments: Vec<&str> = ["serve", "--data", "data"].iter().chain(more).copied().collect();
    let mut command = folder.command(&arguments);
    let child = command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let mut line = String::new();
    let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    process.0.stdout = Some(stdout.into_inner());
    (process, line)
}

fn address(line: &str) -> String {
    let url = line.trim_end().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
    assert!(line.ends_with('\n'));
    url.to_owned()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: test-7\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn folder() -> (Folder, String) {
    let folder = Folder::new();
    let ledger = folder.init("data");
    (folder, ledger)
}

#[test]
fn says_one_line_logs_elsewhere_and_ends_when_told() {
    let (folder, ledger) = folder();
    for signal in ["TERM", "INT"] {
        let (mut process, line) = start(&folder, &["--listen", "127.0.0.1:0"], &[]);
        let address = address(&line);
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
        assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/v1/ledger").contains(&ledger));
        assert!(get(&address, "/nothing?secret=1").starts_with("HTTP/1.1 404"));
        process.signal(signal);
        let (status, out, err) = process.end(20);
        assert_eq!((status, out.as_str()), (Some(0), ""), "{err}");
        assert!(err.contains("test-7") && err.contains("/nothing") && err.contains("not_found"), "{err}");
        assert!(err.contains("stopped"), "{err}");
        assert!(!err.contains("secret") && !err.contains("/healthz"), "{err}");
    }
}

#[test]
fn says_it_in_json() {
    let (folder, ledger) = folder();
    let more = ["--listen", "127.0.0.1:0", "--json", "--log-format", "json"];
    let (mut process, line) = start(&folder, &more, &[("COUNTERSIGN_LOG", "debug")]);
    let said: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["ledger"], ledger);
    let address = said["listening"].as_str().unwrap().strip_prefix("http://").unwrap();
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
    process.signal("TERM");
    let (status, _, err) = process.end(20);
    assert_eq!(status, Some(0));
    let lines: Vec<Value> = err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!((&answered["status"], &answered["span"]["path"]), (&Value::from(200), &Value::from("/healthz")));
    assert_eq!((&answered["span"]["id"], &answered["span"]["method"]), (&Value::from("test-7"), &Value::from("GET")));
}

#[test]
fn other_machines_need_tls_or_a_proxy() {
    let (folder, _) = folder();
    for open in ["0.0.0.0:0", "[::]:0"] {
        let said = folder.run(&["serve", "--data", "data", "--listen", open]).fails(2, "no tls");
        assert!(said.stderr.contains("hint: give --tls-cert"), "{}", said.stderr);
    }
    let (_process, line) = start(&folder, &["--listen", "0.0.0.0:0", "--behind-proxy"], &[]);
    assert!(line.starts_with("listening on http://0.0.0.0:"), "{line:?}");
}

#[test]
fn speaks_tls() {
    let (folder, ledger) = folder();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("cert.pem", &pair.cert.pem());
    folder.write("key.pem", &pair.signing_key.serialize_pem());
    folder.write("none.pem", "nothing\n");
    let tls = ["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let (process, line) = start(&folder, &tls, &[]);
    let url = line.trim_end().strip_prefix("listening on ").unwrap();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let status = folder.run(&["status", "--server", url, "--ca-cert", "cert.pem", "--ledger", &ledger, "--yes"]).ok();
    assert!(status.contains(&ledger), "{status}");
    let said = folder.run(&["status", "--server", url, "--ledger", &ledger]);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.stderr.contains("certificate"), "{said:?}");
    // plain HTTP is not answered, and does no harm
    let mut plain = TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    drop(process);
    for (cert, key) in
        [("none.pem", "key.pem"), ("cert.pem", "none.pem"), ("gone.pem", "key.pem"), ("key.pem", "cert.pem")]
    {
        let arguments = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        folder.run(&arguments).fails(2, ".pem holds no ");
    }
}

#[test]
fn what_cannot_be_is_told() {
    let (folder, _) = folder();
    folder.run(&["serve", "--data", "none"]).fails(2, "there is no ledger in none");
    let (_process, line) = start(&folder, &["--listen", "127.0.0.1:0"], &[]);
    let address = address(&line);
    let said = folder.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]).fails(2, "in use");
    assert!(said.stderr.contains("hint: "), "{}", said.stderr);
    let other = Folder::new();
    other.init("data");
    other.run(&["serve", "--data", "data", "--listen", &address]).fails(2, "cannot listen on");
    // a wrong passphrase, none, and the right one
    let locked = Folder::new();
    locked.init("data");
    let key = locked.path("data").join("log-key.pem");
    let pem = fs::read_to_string(&key).unwrap();
    let plain = countersign_ledger::keys::SigningKey::from_pem(&pem, None).unwrap();
    fs::write(&key, plain.to_pem(Some(b"correct horse")).unwrap().as_bytes()).unwrap();
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    let said: Said = locked.run(&serve).fails(2, "passphrase");
    assert!(said.stderr.contains("--passphrase-file"), "{}", said.stderr);
    locked.write("wrong", "battery\n");
    locked.run(&[&serve[..], &["--passphrase-file", "wrong"]].concat()).fails(2, "does not open");
    locked.write("right", "correct horse\n");
    let (_process, line) = start(&locked, &["--listen", "127.0.0.1:0", "--passphrase-file", "right"], &[]);
    assert!(line.starts_with("listening on "), "{line:?}");
}
