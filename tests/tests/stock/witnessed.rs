//! A ledger that has a real witness: both are processes of the public commands.

use countersign_tests::harness::world::vkey;
use countersign_tests::harness::{DataFolder, Server, Witness, WitnessFolder};

/// The name of the witness.
pub const WITNESS: &str = "witness.example/w1";

/// The ledger, its witness, and what they keep.
pub struct Witnessed {
    /// The ledger's server.
    pub server: Server,
    /// The witness's vkey.
    pub witness: String,
    _process: Witness,
    _folders: (DataFolder, WitnessFolder),
}

impl Witnessed {
    /// Begins a ledger, and a witness that follows it.
    pub fn start() -> Self {
        let cosigner = WitnessFolder::new(WITNESS);
        cosigner.done(&["add-ledger", "--log", &vkey("log")]);
        let process = cosigner.start(&[]);
        let folder = DataFolder::new();
        let trust = folder.beside("trust.policy");
        let said = format!("log {}\nwitness w1 {} {}\nquorum w1\n", vkey("log"), cosigner.vkey, process.0.url);
        std::fs::write(&trust, said).unwrap();
        let mut serve = folder.serve();
        serve.arg("--witnesses").arg(&trust).args(["--witness-every", "50ms", "--witness-wait", "60s"]);
        let server = Server::start(serve);
        Self { server, witness: cosigner.vkey.clone(), _process: process, _folders: (folder, cosigner) }
    }

    /// The checkpoint that the witness cosigned, over at least so many entries. Waits until it has.
    pub fn checkpoint(&self, size: u64) -> Vec<u8> {
        let answer = self.server.http.get(&format!("/v1/checkpoint/witnessed?size={size}")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.body
    }
}
