//! The inbox against real server processes, and against one that lies.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use common::{Said, World};
use serde_json::{Value, json};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A ledger with an inspector, a donor, a recipient and a case.
fn world() -> World {
    let world = World::new();
    world.enroll("donor", "donor");
    world.enroll("recipient", "recipient");
    world.open_case("c.1", "donor", "recipient");
    world
}

/// Drafts an event that donor and recipient sign, and returns its hash.
fn draft(world: &World, file: &str, subject: &str, more: &[&str]) -> String {
    world.folder.write(
        "return.json",
        r#"{"items":[{"nsn":"5855-01-534-5931","quantity":"2","unit":"EA"}],"purpose":"final","remarks":"радіо\u202eстанція"}"#,
    );
    let arguments = [
        &["event", "new", "--kind", "items.returned", "--subject", subject, "--case", "c.1"][..],
        &["--author", "donor", "--body", "return.json", "-o", file],
        more,
    ]
    .concat();
    Said::field(&world.run(&arguments).ok(), "event")
}

fn propose(world: &World, name: &str, more: &[&str]) -> String {
    let file = format!("{name}.event.json");
    let event = draft(world, &file, &format!("return/{name}"), more);
    world.run(&["event", "sign", &file, "--key", "donor.pem", "--yes"]).ok();
    let proposed = world.run(&["inbox", "propose", &file]).ok();
    assert!(proposed.contains("missing: a recipient of the case (recipient)"), "{proposed}");
    event
}

#[test]
fn what_awaits_a_party_is_listed_shown_and_signed() {
    let world = world();
    let events: Vec<String> = ["a", "b", "c"].map(|name| propose(&world, name, &[])).into();
    // whose inbox it is is told by the key, of which the public half will do
    let listed = world.run(&["inbox", "--key", "recipient.pem"]).ok();
    assert!(listed.contains(&events[0][..12]) && listed.contains("3 proposals for recipient"), "{listed}");
    assert!(world.run(&["inbox", "--party", "donor"]).ok().contains("nothing awaits donor"));
    let listed = parsed(&world.run(&["inbox", "list", "--party", "recipient", "--json"]).ok());
    assert_eq!(listed["proposals"][1]["event"], events[1].as_str());
    assert_eq!(listed["proposals"][1]["signed"][0]["party"], "donor");

    // every value, with what deceives the eye escaped; who signed; who is missing
    let shown = world.run(&["inbox", "show", &events[0][..8]]).ok();
    assert!(shown.contains("  /body/remarks = \"радіо\\u{202e}станція\"\n"), "{shown}");
    assert!(
        shown.contains(" of donor\n") && shown.contains("missing: a recipient of the case (recipient)\n"),
        "{shown}"
    );
    assert_eq!(Said::field(&shown, "event"), events[0]);
    world.run(&["inbox", "show", "ffffffff"]).fails(1, "there is no proposal ffffffff");
    world.run(&["inbox", "show", "xyz"]).fails(2, "expected an event hash");

    // nobody to ask; another's key; not theirs to sign
    world.run(&["inbox", "sign", &events[0], "--key", "recipient.pem"]).fails(2, "--yes");
    world.run(&["inbox", "sign", &events[0], "--key", "donor.pem", "--yes"]).fails(1, "does not await donor");
    let wrong = ["inbox", "sign", &events[0], "--party", "recipient", "--key", "donor.pem", "--yes"];
    world.run(&wrong).fails(1, "is of donor, not of recipient");

    // a selection, after everything of it and its totals were shown
    let arguments =
        ["inbox", "sign", "--all", "--kind", "items.returned", "--except", &events[2][..10], "--key", "recipient.pem"];
    let said = world.run(&[&arguments[..], &["--yes", "--receipt-dir", "receipts"]].concat());
    assert!(said.stderr.contains("2 of 2: items.returned of "), "{said:?}");
    assert!(said.stderr.contains("total: 2 items.returned in c.1, 4 EA\n"), "{said:?}");
    assert_eq!(said.stderr.matches("/body/items/0/quantity = \"2\"").count(), 2, "{said:?}");
    let done = said.ok();
    assert_eq!(done.matches(" is recorded as entry ").count(), 2, "{done}");
    assert!(world.folder.path(&format!("receipts/{}.receipt.json", events[0])).is_file());
    let again = world.run(&["inbox", "sign", &events[0], "--key", "recipient.pem", "--yes"]);
    again.fails(1, "is recorded as entry");
    let shown = parsed(&world.run(&["inbox", "show", &events[0], "--json"]).ok());
    assert_eq!((&shown["state"], shown["signed"].as_array().unwrap().len()), (&json!("recorded"), 2));

    // the author takes the last one back, and nobody else does
    world.run(&["inbox", "withdraw", &events[2], "--key", "recipient.pem", "--yes"]).fails(1, "the author, donor");
    assert!(world.run(&["inbox", "withdraw", &events[2], "--key", "donor.pem", "--yes"]).ok().contains("is withdrawn"));
    world.run(&["inbox", "show", &events[2]]).fails(1, "there is no proposal");
    assert!(world.run(&["inbox", "--everybody"]).ok().contains("no proposals"));
}

#[test]
fn what_needs_a_closer_look_is_told() {
    let world = world();
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(3);
    let until = until.strftime("%FT%TZ").to_string();
    let event = propose(&world, "a", &["--until", &until, "--occurred", "2020-01-01"]);
    let other = propose(&world, "b", &[]);
    // something else is said of the subject meanwhile
    draft(&world, "x.event.json", "return/b", &[]);
    world.run(&["event", "sign", "x.event.json", "--key", "donor.pem", "--key", "recipient.pem", "--yes"]).ok();
    world.run(&["event", "submit", "x.event.json"]).ok();
    let shown = parsed(&world.run(&["inbox", "show", &event, "--json"]).ok());
    let codes: Vec<&str> = shown["look_at"].as_array().unwrap().iter().map(|n| n["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["until_near", "long_ago"], "{shown}");
    // it started the stream, and somebody else did first: no signature mends that
    let shown = world.run(&["inbox", "show", &other]).ok();
    assert!(shown.contains("a proposal that cannot be recorded\n"), "{shown}");
    assert!(shown.contains("look at: it cannot be recorded: /after: expected the hash of an earlier event"), "{shown}");
    assert!(shown.contains("hint: look at what was recorded meanwhile"), "{shown}");
    world.run(&["inbox", "sign", &other, "--key", "recipient.pem", "--yes"]).fails(1, "cannot be recorded");
    // it awaits nobody, and its author finds it
    let listed = parsed(&world.run(&["inbox", "list", "--party", "recipient", "--json"]).ok());
    assert_eq!(listed["proposals"].as_array().unwrap().len(), 1);
    let mine = world.run(&["inbox", "list", "--mine", "--party", "donor"]).ok();
    assert!(mine.contains("cannot be recorded: stale_after") && mine.contains("2 proposals by donor"), "{mine}");
}

#[test]
fn files_go_from_party_to_party_and_are_merged() {
    let world = world();
    let event = draft(&world, "a.event.json", "return/a", &[]);
    std::fs::copy(world.folder.path("a.event.json"), world.folder.path("b.event.json")).unwrap();
    world.run(&["event", "sign", "a.event.json", "--key", "donor.pem", "--yes"]).ok();
    let shown = world.run(&["event", "show", "a.event.json", "--policy"]).ok();
    assert!(
        shown.contains(" of donor\n") && shown.contains("missing: a recipient of the case (recipient)\n"),
        "{shown}"
    );
    world.run(&["event", "sign", "b.event.json", "--key", "recipient.pem", "--yes"]).ok();
    let shown = parsed(&world.run(&["event", "show", "b.event.json", "--policy", "--json"]).ok());
    assert_eq!(shown["standing"]["awaiting"], json!(["donor"]));
    assert_eq!(shown["standing"]["missing"], json!(["donor, the author"]));
    let merged = world.run(&["event", "merge", "a.event.json", "b.event.json", "-o", "m.event.json"]).ok();
    assert!(merged.contains("with 2 signatures") && Said::field(&merged, "event") == event, "{merged}");
    world.run(&["event", "merge", "a.event.json", "b.event.json", "-o", "m.event.json"]).fails(2, "exists already");
    draft(&world, "c.event.json", "return/a", &[]);
    world.run(&["event", "merge", "a.event.json", "c.event.json", "-o", "n.event.json"]).fails(1, "another event");
    assert!(world.run(&["event", "show", "m.event.json", "--policy"]).ok().contains("complete: it can be submitted"));
    world.run(&["event", "submit", "m.event.json"]).ok();
    let shown = world.run(&["event", "show", "m.event.json", "--policy"]).ok();
    assert!(shown.contains("recorded as entry "), "{shown}");
    // `until` is told without a server, too
    draft(&world, "old.event.json", "return/old", &["--until", "2020-01-01T00:00:00Z"]);
    assert!(world.run(&["event", "show", "old.event.json"]).ok().contains("`until` has passed"));
}

/// A server in between that changes what the real one says of proposals.
struct Liar {
    url: String,
}

impl Liar {
    fn new(server: &str, lie: fn(&mut Value)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.strip_prefix("http://").unwrap().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // a client that goes away ends one connection
                let _ = pass_on(stream, &server, lie);
            }
        });
        Self { url }
    }
}

fn pass_on(client: TcpStream, server: &str, lie: fn(&mut Value)) -> std::io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    let mut first = String::new();
    loop {
        let mut line = String::new();
        if from_client.read_line(&mut line)? <= 2 {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        if !lower.starts_with("connection:") && !lower.starts_with("accept-encoding:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    from_client.read_exact(&mut body)?;
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len() - 4) + 4;
    let (head, mut body) = (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end..].to_vec());
    if first.starts_with("GET /v1/proposals")
        && let Ok(mut value) = serde_json::from_slice::<Value>(&body)
    {
        lie(&mut value);
        body = value.to_string().into_bytes();
    }
    let kept = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length:") && !line.is_empty());
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    let mut client = client;
    client.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes())?;
    client.write_all(&body)
}

#[test]
fn a_server_that_lies_gets_no_signature() {
    let world = world();
    let event = propose(&world, "a", &[]);
    let sign = |liar: &Liar, more: &[&str]| {
        let arguments = [&["inbox", "sign", &event, "--key", "recipient.pem", "--yes"], more].concat();
        let mut command = world.command(&arguments);
        command.env("COUNTERSIGN_SERVER", &liar.url);
        Said::from_output(command.output().unwrap())
    };
    // another payload under the same hash
    let other = Liar::new(&world.server.url, |view| {
        let payload = &mut view["submission"]["envelope"]["payload"];
        let text = payload.as_str().unwrap_or_default().to_owned();
        let bytes = countersign_ledger::keys::decode_base64(&text).unwrap_or_default();
        let said = String::from_utf8(bytes).unwrap_or_default().replace("\"quantity\":\"2\"", "\"quantity\":\"9\"");
        *payload = json!(countersign_ledger::keys::encode_base64(said.as_bytes()));
    });
    sign(&other, &[]).fails(4, "the server sent event ");
    // a signature that nobody made
    let forged = Liar::new(&world.server.url, |view| {
        let sig = &mut view["submission"]["envelope"]["signatures"][0]["sig"];
        *sig = json!(format!("{}==", "A".repeat(86)));
    });
    sign(&forged, &[]).fails(4, "does not verify");
    // it hides for whom it waits: the client asks for nothing that is not named, and signs nothing else
    let hidden = Liar::new(&world.server.url, |view| view["state"] = json!("blocked"));
    sign(&hidden, &[]).fails(1, "cannot be recorded");
    assert_eq!(parsed(&world.run(&["inbox", "show", &event, "--json"]).ok())["state"], "open");
}

#[test]
fn nothing_is_signed_unseen_unless_asked_for() {
    let world = world();
    world.folder.write(
        "hold.json",
        r#"{"lines":[{"line":"1","nomenclature":"radio","quantity":"2","unit":"EA","serials":["SYN-1","SYN-2"]}],"grade":"documented","source":"records","remarks":"kept apart"}"#,
    );
    let arguments = [
        &["event", "new", "--kind", "holding.declared", "--subject", "holding/h", "--case", "c.1"][..],
        &["--author", "donor", "--body", "hold.json", "--conceal", "/body/remarks"],
        &["--signers", "donor,recipient", "-o", "h.event.json"],
    ]
    .concat();
    let event = Said::field(&world.run(&arguments).ok(), "event");
    world.run(&["event", "sign", "h.event.json", "--key", "donor.pem", "--yes"]).ok();
    let proposed = world.run(&["inbox", "propose", "h.event.json"]).ok();
    assert!(proposed.contains("missing: recipient, whom `signers` names"), "{proposed}");
    let withholding = Liar::new(&world.server.url, |view| view["submission"]["disclosures"] = json!([]));
    let sign = |more: &[&str]| {
        let arguments = [&["inbox", "sign", &event, "--key", "recipient.pem", "--yes"], more].concat();
        let mut command = world.command(&arguments);
        command.env("COUNTERSIGN_SERVER", &withholding.url);
        Said::from_output(command.output().unwrap())
    };
    sign(&[]).fails(1, "1 value not disclosed: you would sign something unseen");
    assert!(sign(&["--unseen"]).ok().contains("is recorded as entry "));
}
