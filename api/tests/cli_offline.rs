//! The command line where it needs no server: as data in `cmd/*.trycmd`, and with OpenSSL's keys.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};

use common::{Folder, Said};

/// Help texts, offline commands with fixed inputs, and mistakes.
#[test]
fn commands_say_what_they_said() {
    let cases = trycmd::TestCases::new();
    cases.env("XDG_STATE_HOME", "state").env("COUNTERSIGN_SERVER", "http://127.0.0.1:1").case("tests/cmd/*.trycmd");
    if cfg!(not(feature = "server")) {
        cases.skip("tests/cmd/help.trycmd");
    }
}

fn openssl(folder: &Folder, arguments: &[&str]) -> bool {
    let status = Command::new("openssl")
        .args(arguments)
        .current_dir(folder.dir.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Keys made by OpenSSL are read, plain and encrypted, and OpenSSL reads ours.
#[test]
fn keys_go_both_ways_with_openssl() {
    let folder = Folder::new();
    if !openssl(&folder, &["genpkey", "-algorithm", "ed25519", "-out", "plain.pem"]) {
        eprintln!("no openssl with ed25519 here: nothing to compare with");
        return;
    }
    folder.write("pass", "correct horse\n");
    let topk8 = ["pkcs8", "-topk8", "-in", "plain.pem", "-passout", "file:pass", "-out"];
    assert!(openssl(&folder, &[&topk8[..], &["pbkdf2.pem"]].concat()));
    assert!(openssl(&folder, &[&topk8[..], &["scrypt.pem", "-scrypt"]].concat()));
    assert!(openssl(&folder, &["pkey", "-in", "plain.pem", "-pubout", "-out", "plain.pub"]));
    let keyid = Said::field(&folder.run(&["key", "show", "plain.pem"]).ok(), "keyid");
    for name in ["pbkdf2.pem", "scrypt.pem"] {
        let shown = folder.run(&["key", "show", name, "--passphrase-file", "pass"]).ok();
        assert_eq!(Said::field(&shown, "keyid"), keyid, "{name}");
    }
    assert_eq!(Said::field(&folder.run(&["key", "show", "plain.pub"]).ok(), "keyid"), keyid);

    for (name, how) in [("ours.pem", "--no-passphrase"), ("secret.pem", "--passphrase-file=pass")] {
        folder.run(&["key", "new", name, how]).ok();
        let public = format!("{name}.pub");
        assert!(
            openssl(&folder, &["pkey", "-in", name, "-passin", "file:pass", "-pubout", "-out", "theirs.pub"]),
            "{name}"
        );
        assert_eq!(
            std::fs::read_to_string(folder.path("theirs.pub")).unwrap(),
            std::fs::read_to_string(folder.path(&public)).unwrap(),
            "{name}"
        );
        assert_eq!(
            folder.run(&["key", "show", "--pem", &public]).ok(),
            std::fs::read_to_string(folder.path(&public)).unwrap()
        );
    }
}

/// A private key file is its owner's alone, and nothing is overwritten.
#[test]
fn key_files_are_private_and_never_overwritten() {
    let folder = Folder::new();
    folder.keys(&["a.pem"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(folder.path("a.pem").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = std::fs::read(folder.path("a.pem")).unwrap();
    folder.run(&["key", "new", "a.pem", "--no-passphrase"]).fails(2, "a.pem exists already");
    assert_eq!(std::fs::read(folder.path("a.pem")).unwrap(), before);
    folder.write("wrong", "wrong\n");
    folder.write("right", "right\n");
    folder.run(&["key", "new", "b.pem", "--passphrase-file", "right"]).ok();
    folder.run(&["key", "show", "b.pem.pub", "--passphrase-file", "wrong"]).ok();
    folder
        .run(&["event", "sign", "none.json", "--key", "b.pem", "--passphrase-file", "wrong"])
        .fails(2, "cannot read none.json");
    folder.write("draft.json", include_str!("cmd/offline.in/draft.event.json"));
    folder
        .run(&["event", "sign", "draft.json", "--key", "b.pem", "--passphrase-file", "wrong", "--yes"])
        .fails(2, "the passphrase in wrong does not open b.pem");
    folder
        .run(&["event", "sign", "draft.json", "--key", "b.pem", "--yes"])
        .fails(2, "b.pem is encrypted and needs its passphrase");
    folder.run(&["event", "sign", "draft.json", "--key", "draft.json", "--yes"]).fails(2, "is no ed25519 private key");
    let before = std::fs::read(folder.path("draft.json")).unwrap();
    folder.run(&["event", "sign", "draft.json", "--key", "a.pem", "--key", "a.pem", "--yes"]).fails(2, "given twice");
    assert_eq!(std::fs::read(folder.path("draft.json")).unwrap(), before);
    folder
        .run(&[
            "event",
            "sign",
            "draft.json",
            "--key",
            "a.pem",
            "--key",
            "b.pem",
            "--passphrase-file",
            "right",
            "--yes",
        ])
        .ok();
}

/// A terminal of util-linux's `script`, with somebody who types.
#[cfg(target_os = "linux")]
struct Terminal {
    child: std::process::Child,
    screen: std::sync::mpsc::Receiver<u8>,
    seen: String,
}

#[cfg(target_os = "linux")]
impl Terminal {
    fn new(folder: &Folder, command: &str) -> Option<Self> {
        let mut child = Command::new("script")
            .args(["-q", "-e", "-c", &format!("{} {command}", common::BIN), "/dev/null"])
            .current_dir(folder.dir.path())
            .env_remove("COUNTERSIGN_PASSPHRASE_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut stdout = child.stdout.take()?;
        let (send, screen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while std::io::Read::read_exact(&mut stdout, &mut byte).is_ok() && send.send(byte[0]).is_ok() {}
        });
        Some(Self { child, screen, seen: String::new() })
    }

    /// Waits until the screen shows a text, and types a line.
    fn answer(&mut self, prompt: &str, line: &str) {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(prompt) {
            let byte = self.screen.recv_timeout(std::time::Duration::from_secs(60));
            bytes.push(byte.unwrap_or_else(|_| panic!("no {prompt:?} in {:?}", String::from_utf8_lossy(&bytes))));
        }
        self.seen.push_str(&String::from_utf8_lossy(&bytes));
        // the prompt stands before the terminal is ready for the answer
        std::thread::sleep(std::time::Duration::from_millis(200));
        std::io::Write::write_all(self.child.stdin.as_mut().unwrap(), format!("{line}\n").as_bytes()).unwrap();
    }

    /// Returns the status and everything that the screen showed.
    fn end(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        let rest: Vec<u8> = self.screen.iter().collect();
        (status.code().unwrap_or(-1), self.seen + &String::from_utf8_lossy(&rest))
    }
}

/// A passphrase typed wrong is asked for again; the question is asked after everything was shown.
#[test]
#[cfg(target_os = "linux")]
fn a_passphrase_typed_wrong_is_asked_for_again() {
    let folder = Folder::new();
    folder.write("pass", "right\n");
    folder.run(&["key", "new", "k.pem", "--passphrase-file", "pass"]).ok();
    let draft = include_str!("cmd/offline.in/draft.event.json");
    folder.write("draft.json", draft);
    let open = || Terminal::new(&folder, "event sign draft.json --key k.pem");
    let Some(mut terminal) = open() else {
        eprintln!("no `script` here: no terminal to type on");
        return;
    };
    terminal.answer("passphrase for k.pem: ", "wrong");
    terminal.answer("passphrase for k.pem: ", "right");
    terminal.answer("[y/N] ", "no");
    let (status, screen) = terminal.end();
    assert_eq!(status, 1, "{screen}");
    assert!(screen.contains("that passphrase does not open this key"), "{screen}");
    assert!(screen.contains("you said no: nothing was done"), "{screen}");
    assert!(!screen.contains("right\r\n"), "the passphrase is shown: {screen}");
    assert_eq!(std::fs::read_to_string(folder.path("draft.json")).unwrap(), draft);

    let mut terminal = open().unwrap();
    for _ in 0..3 {
        terminal.answer("passphrase for k.pem: ", "wrong");
    }
    let (status, screen) = terminal.end();
    assert_eq!(status, 2, "{screen}");

    let mut terminal = open().unwrap();
    terminal.answer("passphrase for k.pem: ", "right");
    terminal.answer("[y/N] ", "y");
    let (status, screen) = terminal.end();
    assert_eq!(status, 0, "{screen}");
    assert!(screen.contains("/body/claim = \"for sale \\u{202e} at a market\""), "{screen}");
    assert!(std::fs::read_to_string(folder.path("draft.json")).unwrap().contains("\"sig\""));

    let mut terminal = Terminal::new(&folder, "key new new.pem").unwrap();
    terminal.answer("new passphrase: ", "one");
    terminal.answer("the same again: ", "two");
    let (status, screen) = terminal.end();
    assert_eq!(status, 2, "{screen}");
    assert!(screen.contains("the two passphrases differ"), "{screen}");
    assert!(!folder.path("new.pem").exists());
}

/// Stdout may be closed at any time.
#[test]
fn a_closed_stdout_is_quiet() {
    let folder = Folder::new();
    let mut child =
        folder.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
