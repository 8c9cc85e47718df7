//! A ledger behind a real server process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::binaries;
use super::draft::{Draft, draft};
use super::http::{Answer, Http};
use super::people::{PARTIES, case_opened, key, party_body};
use super::world::{GOVERNANCE, ORIGIN};

/// A data folder with a ledger in it, and the governance keys beside it.
#[derive(Debug)]
pub struct DataFolder {
    root: tempfile::TempDir,
}

impl DataFolder {
    /// Begins a ledger in a new folder, with the public command.
    ///
    /// # Panics
    /// When it does not begin.
    #[must_use]
    pub fn new() -> Self {
        Self::on(tempfile::tempdir().expect("a temporary folder"))
    }

    /// As [`DataFolder::new`], below a folder that is there.
    ///
    /// # Panics
    /// When it does not begin.
    #[must_use]
    pub fn on(root: tempfile::TempDir) -> Self {
        let folder = Self { root };
        std::fs::create_dir(folder.path()).expect("a data folder");
        write_key(&folder.path().join("log-key.pem"), "log");
        let mut init = Command::new(binaries::countersign());
        init.args(["init", "--origin", ORIGIN, "--threshold", "2", "--data"]).arg(folder.path());
        for name in GOVERNANCE {
            let file = folder.root.path().join(format!("{name}.pem"));
            write_key(&file, name);
            init.arg("--governance-key").arg(file);
        }
        run(init);
        folder
    }

    /// The data folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A free place beside the data folder.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes the private key of a name to a file beside the data folder.
    #[must_use]
    pub fn key_file(&self, name: &str) -> PathBuf {
        let path = self.beside(&format!("{}.pem", name.replace('/', "-")));
        write_key(&path, name);
        path
    }

    /// The command that serves it on a free port of the loopback interface.
    #[must_use]
    pub fn serve(&self) -> Command {
        self.serve_at("127.0.0.1:0")
    }

    /// The command that serves it at an address.
    #[must_use]
    pub fn serve_at(&self, address: &str) -> Command {
        let mut command = Command::new(binaries::countersign());
        command.args(["serve", "--json", "--listen", address, "--data"]).arg(self.path());
        command
    }
}

impl Default for DataFolder {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the private key of a name, unencrypted and for its owner only.
///
/// # Panics
/// When it cannot be written.
pub fn write_key(path: &Path, name: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let pem = key(name).to_pem(None).expect("a key as PEM");
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a key file");
    std::io::Write::write_all(&mut file, pem.as_bytes()).expect("a key file");
}

/// Runs a command that must succeed.
///
/// # Panics
/// When it does not.
pub fn run(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("the command runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

/// A server process. Killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Option<JoinHandle<String>>,
    /// What it is to be asked through.
    pub http: Http,
    /// Where it listens.
    pub url: String,
    /// Its ledger's id; of a witness, its vkey.
    pub ledger: String,
}

impl Server {
    /// Starts a server and waits until it says that it listens.
    ///
    /// # Panics
    /// When it ends instead.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self::of(child)
    }

    /// As [`Server::start`], of a process that runs already, with its output piped.
    ///
    /// # Panics
    /// When it ends without having said where it listens.
    #[must_use]
    pub fn of(mut child: Child) -> Self {
        let mut stderr = child.stderr.take().expect("its log is piped");
        let log = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("its output is text");
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait();
            panic!("the server did not start: {line}{status:?}\n{}", log.join().unwrap_or_default());
        };
        let url = said["listening"].as_str().expect("it says where it listens").to_owned();
        let ledger = said["ledger"].as_str().or_else(|| said["witness"].as_str());
        let ledger = ledger.expect("it says which ledger it serves, or which witness it is").to_owned();
        Self { child, log: Some(log), http: Http::new(&url), url, ledger }
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process as a power cut would, and waits until it is gone.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks the process to stop, and returns how it ended and what it logged.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn stop(self) -> (ExitStatus, String) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.pid().to_string()]);
        run(kill);
        self.wait()
    }

    /// Waits until the process ends by itself, and returns how it ended and what it logged.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("a child can be waited for");
        let log = self.log.take().map(|log| log.join().expect("the log is read"));
        (status, log.unwrap_or_default())
    }

    /// The head of a stream; JSON `null` when it has not started.
    ///
    /// # Panics
    /// When the server does not answer; so for every method here.
    #[must_use]
    pub fn head(&self, subject: &str, case: Option<&str>) -> Value {
        let path = format!("/v1/streams/{}/{subject}?limit=1", case.unwrap_or("-"));
        let answer = self.http.get(&path).expect("an answer");
        match answer.status {
            404 => Value::Null,
            _ => answer.json()["head"]["event"].clone(),
        }
    }

    /// Signs a draft for now.
    #[must_use]
    pub fn payload(&self, draft: &Draft) -> Value {
        let after = self.head(&draft.subject, draft.case.as_deref());
        draft.payload(&Value::from(self.ledger.clone()), &after, &jiff::Timestamp::now().strftime("%FT%TZ").to_string())
    }

    /// Sends one event.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, submission: &str) -> Result<Answer, ureq::Error> {
        self.http.post("/v1/events", "application/json", submission.as_bytes())
    }

    /// Signs a draft and has it recorded.
    ///
    /// # Panics
    /// When it is not.
    pub fn say(&self, draft: &Draft, keys: &[&str]) -> Answer {
        let envelope = super::draft::sign(&self.payload(draft), keys);
        let answer = self.post(&envelope.canonical()).expect("an answer");
        assert_eq!(answer.status, 201, "{}: {}", draft.kind, answer.text());
        answer
    }

    /// Records the parties and the case that [`super::World::found`] does.
    pub fn found(&self) {
        for (party, capacities) in PARTIES {
            let own = format!("{party}/0");
            let body = party_body(party, capacities, &[&own]);
            let enrolled = draft("party.enrolled", &format!("party/{party}"), None, "governance", body);
            self.say(&enrolled, &["gov0", "gov1", &own]);
        }
        self.say(&case_opened("us-dsca.x1"), &["us-dsca/0", "xa-mod/0"]);
    }

    /// The whole ledger as a bundle.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let answer = self.http.get("/v1/bundle").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.body
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
