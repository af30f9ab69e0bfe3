//! `flow8 serve --demo`: the examples, run from end to end by people who may.

use std::fs;
use std::path::Path;

use model::Value;

use crate::people::person;
use crate::server::{Client, RUNTIME, Start, json, part, until};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The arguments that lie beside an example, with these put in.
fn arguments(name: &str, more: &[(&str, &str)]) -> Value {
    let text = fs::read_to_string(root().join(format!("examples/{name}.args.json"))).expect("arguments");
    let mut args = json(&text).as_map().expect("an object").clone();
    args.extend(more.iter().map(|(key, value)| ((*key).into(), json(value))));
    args.into()
}

/// Runs an example, and waits until it has ended: one that answers goes on behind its answer.
#[track_caller]
fn done(client: &Client, name: &str, args: &Value) -> Value {
    let answer =
        client.granted("POST", &format!("/flows/{name}/run?wait=30"), &format!("{{\"args\": {}}}", args.to_json()));
    client.play_in(&part(&answer, "/playId"), "DONE")
}

#[test]
fn every_example_runs_from_end_to_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, ready) = (folder.path().join("data"), folder.path().join("ready.json"));
    let args = ["--demo", "--demo-port", "0", "--ready-file", ready.to_str().expect("UTF-8")];
    let server = Start::on(&data).args(&args).serves();
    greets_as_the_readme_says(&server.greeting, &data);
    let peers = part(&json(&fs::read_to_string(&ready).expect("the ready file")), "/peers");
    let at = format!("\"{peers}\"");
    let here = ("peers", &*at);
    let operator = person(&server.client, "olga@example.com", &["operator", "approver"]);
    let approver = person(&server.client, "arun@example.com", &["approver"]);

    let flows = server.client.granted("GET", "/flows?size=100", "");
    assert_eq!(
        part(&flows, "/total"),
        fs::read_dir(root().join("examples"))
            .expect("a folder")
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|is| is == "yaml"))
            .count()
            .to_string()
    );

    let lead = done(&operator, "enrich-lead", &arguments("enrich-lead", &[here]));
    assert_eq!((part(&lead, "/out/statusCode"), part(&lead, "/out/body/hot")), ("201".into(), "true".into()));
    let report = done(&operator, "nightly-report", &arguments("nightly-report", &[here]));
    assert_eq!(part(&report, "/out/value/path"), "reports/2026-03-02.txt");
    let payments = done(&operator, "payments-by-currency", &arguments("payments-by-currency", &[here]));
    assert_eq!((part(&payments, "/out/value/accepted"), part(&payments, "/out/value/held")), ("7".into(), "2".into()));
    // The bank knows the second run's keys, and pays nobody twice.
    for (run, sent) in [("1", 4), ("2", 8)] {
        let settlement = done(&operator, "settlement", &arguments("settlement", &[here]));
        assert_eq!(
            (part(&settlement, "/out/value/run"), part(&settlement, "/out/value/paid")),
            (run.into(), "4".into())
        );
        assert_eq!(paid_by_bank(&peers), (sent, 4));
    }
    let trip = done(&operator, "travel-saga", &arguments("travel-saga", &[here]));
    assert_eq!(part(&trip, "/out/value/car"), "CAR-0001");
    let args = arguments("travel-saga", &[here, ("carClass", "\"convertible\"")]);
    let trip = operator.start("travel-saga", &args.to_json());
    assert_eq!(part(&operator.play_in(&trip, "FAIL"), "/compensation"), "done");

    invoice(&operator, &approver, &arguments("invoice-approval", &[here]));
    onboarding(&operator, &arguments("onboarding", &[here, ("waitSeconds", "1"), ("followUpSeconds", "1")]));
    server.stop();
}

/// How many payments the bank was asked for, and how many it made.
fn paid_by_bank(peers: &str) -> (usize, usize) {
    let peers = Client { url: peers.to_owned(), token: String::new() };
    let answer = peers.send("GET", "/log?path=/payments", &[], Vec::new()).expect("an answer");
    let log = json(&RUNTIME.block_on(answer.text()).expect("a body"));
    let calls = log.get("calls").and_then(Value::as_list).expect("calls").to_vec();
    let is_payment = |call: &&Value| part(call, "/method") == "POST" && part(call, "/path") == "/payments";
    let all: Vec<&Value> = calls.iter().filter(is_payment).collect();
    (all.len(), all.iter().filter(|call| part(call, "/replayed") == "false").count())
}

/// Whoever starts a payment cannot approve it; a second person can.
fn invoice(operator: &Client, approver: &Client, args: &Value) {
    let play = operator.start("invoice-approval", &args.to_json());
    operator.play_in(&play, "WAIT");
    let inbox = approver.granted("GET", "/approvals", "");
    assert_eq!((part(&inbox, "/total"), part(&inbox, "/data/0/ref")), ("1".into(), "payLarge".into()));
    let decision = format!(r#"{{"layerId": "{}", "decision": "approved"}}"#, part(&inbox, "/data/0/layerId"));
    let path = format!("/plays/{play}/approve");
    let (status, refusal) = operator.ask("POST", &path, &decision);
    assert_eq!(status, 403, "{}", refusal.to_json());
    assert!(part(&refusal, "/message").contains("started"), "{}", refusal.to_json());
    approver.granted("POST", &path, &decision);
    assert_eq!(part(&operator.play_in(&play, "DONE"), "/out/value/outcome"), "paid");
}

/// A reminder, and then the signature comes.
fn onboarding(operator: &Client, args: &Value) {
    let play = operator.start("onboarding", &args.to_json());
    until("the reminder is sent", || {
        let layers = operator.granted("GET", &format!("/plays/{play}/layers?state=WAIT&size=100"), "");
        let rows = layers.get("data").and_then(Value::as_list).unwrap_or_default().to_vec();
        // The first wait gives up after a second; the last one is another flowlet.
        rows.iter().find(|row| part(row, "/ref") == "signedLate").map(|_| ())
    });
    let signed = r#"{"key": "contract-signed-C-1042", "data": {"signedBy": "Jonas Feld"}}"#;
    operator.granted("POST", "/events", signed);
    operator.play_in(&play, "DONE");
}

/// Compares what is printed at the start with the block of `make run`.
fn greets_as_the_readme_says(greeting: &[String], data: &Path) {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let block = readme.split("$ make run\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the block");
    let masked = |line: &str| {
        let line = line.replace(&data.display().to_string(), "./data");
        let words = line.split_whitespace().map(|word| match word.rsplit_once(':') {
            Some((host, port)) if host.starts_with("http://") => {
                format!("{host}{}", port.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            _ if word.len() == 43 => "PASSWORD".to_owned(),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let (expected, found): (Vec<_>, Vec<_>) =
        (block.lines().map(masked).collect(), greeting.iter().map(|line| masked(line)).collect());
    assert_eq!(found, expected);
}
