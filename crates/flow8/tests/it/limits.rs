//! What is too much is refused, by name, and hurts nobody else.

use crate::Flow8;
use crate::server::{RUNTIME, Start, json, part};

/// A flow of one script, which may take so many milliseconds.
fn code(limit: u32, source: &str) -> String {
    format!(
        "apiVersion: flow8/v1\nkind: Flow\nname: Code\nlayers:\n  - {{ref: script, appId: code, args: {{timeoutMs: {limit}, \
         source: \"{source}\"}}}}\n"
    )
}

/// As long as a script that ends may take, on a machine that is busy.
const LONG: u32 = 5_000;

#[test]
fn an_endless_script_is_stopped_within_its_limit() {
    let ended = Flow8::new().file("flow.yaml", &code(300, "for (;;) {}")).run(&["run", "flow.yaml"]).code(1);
    assert!(ended.err.contains("FAIL script: ") && ended.err.contains("300 ms"), "{}", ended.err);
}

#[test]
fn an_output_over_the_limit_fails_its_flowlet() {
    // Each round gives less than the limit; together they give more.
    let layers = [
        "{ref: each, appId: iterator, args: {items: [1, 2, 3, 4, 5, 6]}}",
        "{ref: text, appId: var, index: 1, args: {value: \"{{ $prev.args.text }}\"}}",
        "{ref: all, appId: aggregator, index: 2, args: {sourceRef: text, field: value}}",
    ];
    let layers: String = layers.iter().map(|layer| format!("  - {layer}\n")).collect();
    let flow = format!("apiVersion: flow8/v1\nkind: Flow\nname: Large\nlayers:\n{layers}");
    let args = format!("{{\"text\": \"{}\"}}", "x".repeat(12 << 20));
    let ended = Flow8::new()
        .file("flow.yaml", &flow)
        .file("args.json", &args)
        .run(&["run", "flow.yaml", "--json", "--args", "@args.json"])
        .code(1);
    let play = json(&ended.out);
    assert_eq!((part(&play, "/failedRef"), part(&play, "/error/code")), ("all".into(), "LIMIT_EXCEEDED".into()));
    assert!(part(&play, "/error/message").contains("64 MiB"), "{}", part(&play, "/error"));
}

#[test]
fn what_cannot_be_read_is_400_and_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Start::on(&folder.path().join("data")).serves();
    let client = &server.client;
    client.import(&code(LONG, "return input"));
    let sent = |path: &str, body: Vec<u8>| {
        let answer =
            client.send("POST", &format!("/api{path}"), &[], body).unwrap_or_else(|| panic!("{path}: no answer"));
        let status = answer.status().as_u16();
        let text = RUNTIME.block_on(answer.text()).expect("a body");
        (status, part(&json(&text), "/error"), part(&json(&text), "/message"))
    };
    let nested = [b"{\"args\": ".to_vec(), vec![b'['; 5 << 20], vec![b']'; 5 << 20], b"}".to_vec()].concat();
    let (status, error, message) = sent("/flows/code/run", nested);
    assert_eq!((status, &*error), (400, "VALIDATION_ERROR"), "{message}");

    let unknown = br#"{"name": "x", "layers": [{"ref": "a", "appId": "var", "args": {"value": 1}, "colour": "red"}]}"#;
    let (status, _, message) = sent("/flows", unknown.to_vec());
    assert_eq!(status, 400);
    assert!(message.contains("colour") && message.contains("layers"), "{message}");

    // After all of that, it works as before.
    let answer = client.granted("POST", "/flows/code/run?wait=30", r#"{"args": {"n": 1}}"#);
    assert_eq!(part(&answer, "/state"), "DONE");
    server.stop();
}
