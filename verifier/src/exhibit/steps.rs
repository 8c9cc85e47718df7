//! The steps to check an exhibit by hand: a script for `sh` that needs only `openssl` (3.0 or newer), `sha256sum` and
//! what POSIX has. All data is inside, in base64 and hex, so that it can be copied out of a printed page; nothing
//! that an entry says stands in it as text.

use std::fmt::{self, Write};

use super::{Exhibit, Signer};
use crate::event::PAYLOAD_TYPE;
use crate::note::VKey;
use crate::scalar::base64_text;

/// Base64 characters on a line: what `openssl base64 -d` takes.
const WIDTH: usize = 64;
/// What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Exhibit {
    /// The script. It ends with status 0 only if every step holds.
    pub fn steps(&self) -> String {
        let mut out = String::new();
        // writing to a String cannot fail
        let _ = self.write_steps(&mut out);
        out
    }

    fn write_steps(&self, out: &mut String) -> fmt::Result {
        let seq = self.at.seq;
        writeln!(out, "# Rechecks entry {seq} by hand: save these lines as recheck.sh and run: sh recheck.sh")?;
        writeln!(out, "# Stops at the first step that does not hold. Needs openssl 3.0 or newer, and sha256sum.")?;
        writeln!(out, "set -eu")?;
        writeln!(out, "cd \"$(mktemp -d)\"")?;
        writeln!(out, "echo \"working in $PWD\"")?;
        self.write_entry(out)?;
        for (at, signer) in self.signers.iter().enumerate() {
            write_signature(out, at + 1, self.signers.len(), signer)?;
        }
        self.write_disclosures(out)?;
        self.write_way(out)?;
        self.write_checkpoint(out)?;
        writeln!(out)?;
        writeln!(out, "echo 'every step holds'")
    }

    fn write_entry(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n# Step 1. The entry: one line of JSON, byte for byte as the ledger has it.")?;
        inline(out, &self.line, "entry.json")?;
        writeln!(
            out,
            "\n# Step 2. The statement is inside it. What the parties signed is the statement behind a short"
        )?;
        writeln!(out, "# prefix (DSSE PAE: type and length). Its SHA-256 is the event hash.")?;
        writeln!(
            out,
            "printf '%s\\n' \"$(sed 's/.*\"payload\":\"\\([^\"]*\\)\".*/\\1/' entry.json | fold -w {WIDTH})\" \
             | openssl base64 -d > payload.json"
        )?;
        writeln!(
            out,
            "printf 'DSSEv1 {} {PAYLOAD_TYPE} %s ' \"$(wc -c < payload.json | tr -d ' ')\" > pae.bin",
            PAYLOAD_TYPE.len()
        )?;
        writeln!(out, "cat payload.json >> pae.bin")?;
        compare(out, &self.event.to_string(), "pae.bin")
    }

    fn write_disclosures(&self, out: &mut String) -> fmt::Result {
        if self.shown.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n# Step 4. The values put back: the statement holds the SHA-256 of each (in base64url).")?;
        for shown in &self.shown {
            let Some(string) = self.disclosures.get(shown.number) else { continue };
            let name = format!("disclosure-{}", shown.number + 1);
            let container = match shown.inside {
                None => "payload.json".to_owned(),
                Some(number) => format!("disclosure-{}.json", number + 1),
            };
            writeln!(out, "tr -d '\\n' > {name}.txt <<'END.'")?;
            folded(out, string)?;
            writeln!(out, "END.")?;
            // base64url without padding, as openssl wants it
            let padding = "=".repeat((4 - string.len() % 4) % 4);
            writeln!(
                out,
                "printf '%s\\n' \"$( {{ tr '_-' '/+' < {name}.txt; printf '%s' '{padding}'; }} | fold -w {WIDTH})\" \
                 | openssl base64 -d > {name}.json"
            )?;
            writeln!(
                out,
                "digest=\"$(openssl dgst -sha256 -binary {name}.txt | openssl base64 -A | tr '/+' '_-' | tr -d '=')\""
            )?;
            writeln!(out, "grep -qF -e \"\\\"$digest\\\"\" {container}")?;
            writeln!(out, "echo \"{name}: its digest $digest stands in {container}\"")?;
        }
        Ok(())
    }

    fn write_way(&self, out: &mut String) -> fmt::Result {
        let (seq, size) = (self.at.seq, self.checkpoint.size);
        writeln!(out, "\n# Step 5. The leaf hash: SHA-256 of a zero byte and the entry (RFC 6962).")?;
        writeln!(out, "{{ printf '\\000'; cat entry.json; }} > leaf.bin")?;
        compare(out, &self.leaf.to_string(), "leaf.bin")?;
        writeln!(out, "openssl dgst -sha256 -binary -out node-0.bin leaf.bin")?;
        let Some(way) = &self.way else {
            writeln!(out, "\n# Step 6. Leaves are missing in this file: no way leads from the entry to the root.")?;
            return writeln!(out, "echo 'the place of the entry in the tree cannot be shown'; exit 1");
        };
        let count = way.len();
        writeln!(
            out,
            "\n# Step 6. The way from leaf {seq} to the root of the tree of {size} leaves, {count} levels up."
        )?;
        writeln!(out, "# Each node: SHA-256 of a one byte, the left hash and the right hash.")?;
        for (at, step) in way.iter().enumerate() {
            let (n, node) = (at + 1, at);
            let side = if step.left { "left" } else { "right" };
            writeln!(out, "# level {n} of {count}: the neighbour stands on the {side}")?;
            inline(out, step.sibling.as_bytes(), &format!("sibling-{n}.bin"))?;
            let order = if step.left {
                format!("sibling-{n}.bin node-{node}.bin")
            } else {
                format!("node-{node}.bin sibling-{n}.bin")
            };
            writeln!(out, "{{ printf '\\001'; cat {order}; }} > level-{n}.bin")?;
            compare(out, &step.node.to_string(), &format!("level-{n}.bin"))?;
            writeln!(out, "openssl dgst -sha256 -binary -out node-{n}.bin level-{n}.bin")?;
        }
        Ok(())
    }

    fn write_checkpoint(&self, out: &mut String) -> fmt::Result {
        let note = &self.checkpoint.note;
        let lines = note.text.matches('\n').count();
        writeln!(out, "\n# Step 7. The checkpoint: name of the ledger, number of entries, root in base64.")?;
        inline(out, note_text(self).as_bytes(), "checkpoint.note")?;
        writeln!(out, "head -n {lines} checkpoint.note > checkpoint.txt")?;
        writeln!(out, "test \"$(sed -n 2p checkpoint.txt)\" = {}", self.checkpoint.size)?;
        if let Some(way) = &self.way {
            writeln!(
                out,
                "test \"$(sed -n 3p checkpoint.txt)\" = \"$(openssl base64 -A -in node-{}.bin)\"",
                way.len()
            )?;
            writeln!(out, "echo 'checkpoint.txt: its root is where the way led to'")?;
        }
        writeln!(out, "\n# Step 8. The ledger's signature on the checkpoint, by the log key in force.")?;
        let Some((line, public, key)) = self.log_key.as_ref().and_then(|key| signature_line(self, key)) else {
            return writeln!(out, "echo 'the log key in force did not sign the checkpoint'; exit 1");
        };
        writeln!(out, "# key id {}; the signature is what follows the first four bytes", crate::note::id_text(key.id))?;
        pem(out, &public, "log.pem")?;
        writeln!(
            out,
            "sed -n {}p checkpoint.note | sed 's/.* //' | openssl base64 -d -A | tail -c 64 > checkpoint.sig",
            lines + 2 + line
        )?;
        verify(out, "log.pem", "checkpoint.txt", "checkpoint.sig")
    }
}

/// The whole note again: text, an empty line, signature lines.
fn note_text(exhibit: &Exhibit) -> String {
    let note = &exhibit.checkpoint.note;
    let mut out = format!("{}\n", note.text);
    for signature in &note.signatures {
        let bytes = [&signature.id[..], &signature.bytes].concat();
        out += &format!("\u{2014} {} {}\n", signature.name, base64_text(&bytes));
    }
    out
}

/// Which signature line of the checkpoint is by a key, and the key's bytes.
fn signature_line<'k>(exhibit: &Exhibit, key: &'k VKey) -> Option<(usize, [u8; 32], &'k VKey)> {
    let public = key.public_key()?;
    let lines = &exhibit.checkpoint.note.signatures;
    let line = lines.iter().position(|line| line.name == key.name && line.id == key.id)?;
    Some((line, *public.as_bytes(), key))
}

fn write_signature(out: &mut String, number: usize, count: usize, signer: &Signer) -> fmt::Result {
    let keyid = signer.keyid;
    writeln!(out, "\n# Step 3, signature {number} of {count}: by key {keyid}")?;
    let Some(origin) = &signer.origin else {
        return writeln!(out, "echo 'no entry of the file introduced this key'; exit 1");
    };
    writeln!(out, "# introduced by entry {}; its name is the SHA-256 of its 32 bytes", origin.introduced.seq)?;
    let file = format!("key-{number}");
    pem(out, origin.public.as_bytes(), &format!("{file}.pem"))?;
    writeln!(out, "openssl pkey -pubin -in {file}.pem -outform DER | tail -c 32 > {file}.bin")?;
    compare(out, &keyid.to_string(), &format!("{file}.bin"))?;
    writeln!(
        out,
        "sed 's/.*\"keyid\":\"{keyid}\",\"sig\":\"\\([^\"]*\\)\".*/\\1/' entry.json | openssl base64 -d -A > {file}.sig"
    )?;
    verify(out, &format!("{file}.pem"), "pae.bin", &format!("{file}.sig"))
}

fn verify(out: &mut String, key: &str, message: &str, signature: &str) -> fmt::Result {
    writeln!(out, "openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {message} -sigfile {signature}")
}

fn pem(out: &mut String, key: &[u8; 32], file: &str) -> fmt::Result {
    let der = [&DER_PREFIX[..], key].concat();
    writeln!(out, "cat > {file} <<'END.'")?;
    writeln!(out, "-----BEGIN PUBLIC KEY-----")?;
    writeln!(out, "{}", base64_text(&der))?;
    writeln!(out, "-----END PUBLIC KEY-----")?;
    writeln!(out, "END.")
}

fn compare(out: &mut String, hash: &str, file: &str) -> fmt::Result {
    writeln!(out, "echo '{hash}  {file}' | sha256sum -c -")
}

/// Writes bytes into a file of the script's folder.
fn inline(out: &mut String, bytes: &[u8], file: &str) -> fmt::Result {
    writeln!(out, "openssl base64 -d > {file} <<'END.'")?;
    folded(out, &base64_text(bytes))?;
    writeln!(out, "END.")
}

/// Writes ASCII text in lines of one width.
fn folded(out: &mut String, text: &str) -> fmt::Result {
    for line in text.as_bytes().chunks(WIDTH) {
        writeln!(out, "{}", String::from_utf8_lossy(line))?;
    }
    Ok(())
}
