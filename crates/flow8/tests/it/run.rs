//! `flow8 run`: a file in its own process; a flow of a folder, of the server that has it, of any server.

use store_suite::port::Port;

use crate::server::{Start, json, part};
use crate::{Ended, Flow8};

/// A flow with these flowlets.
fn flow(name: &str, layers: &[&str]) -> String {
    let layers: String = layers.iter().map(|layer| format!("  - {layer}\n")).collect();
    format!("apiVersion: flow8/v1\nkind: Flow\nname: {name}\nlayers:\n{layers}")
}

fn double() -> String {
    flow("Double", &["{ref: double, appId: var, args: {value: \"{{ $prev.args.n * 2 }}\"}}"])
}

fn approved() -> String {
    flow("Approved", &["{ref: pay, appId: var, needsApproval: {roles: [approver]}, args: {value: paid}}"])
}

/// Runs a file.
fn run(text: &str, args: &[&str]) -> Ended {
    Flow8::new().file("flow.yaml", text).run(&[&["run", "flow.yaml"], args].concat())
}

#[test]
fn a_file_runs_and_the_exit_code_says_how_it_ended() {
    let ended = run(&double(), &["--args", "n=21"]).code(0);
    assert_eq!(ended.out, "{\n  \"value\": 42\n}\n");
    assert!(ended.err.starts_with("play ") && ended.err.contains("  DONE        double"), "{}", ended.err);

    let failing = flow("Fails", &["{ref: no, appId: fail, args: {message: out of paper}}"]);
    let ended = run(&failing, &[]).code(1);
    assert!(ended.err.lines().last().is_some_and(|line| line == "FAIL no: out of paper"), "{}", ended.err);
    assert_eq!(ended.out, "", "what failed gave nothing");

    let filtered = "{ref: a, appId: var, args: {value: 1}, filters: [{leftValue: 1, operator: eq, rightValue: 2}]}";
    let ended = run(&flow("Filtered", &[filtered]), &[]).code(0);
    assert!(ended.err.contains("FILTERED"), "{}", ended.err);
}

#[test]
fn json_is_the_play_and_nothing_else() {
    let ended = run(&double(), &["--json", "--args", r#"{"n": 1.10}"#]).code(0);
    let play = json(&ended.out);
    assert_eq!((part(&play, "/state"), part(&play, "/out/value")), ("DONE".into(), "2.2".into()));
    assert_eq!(ended.err, "");
    let failing = flow("Fails", &["{ref: no, appId: fail, args: {message: out of paper}}"]);
    let play = json(&run(&failing, &["--json"]).code(1).out);
    assert_eq!((part(&play, "/state"), part(&play, "/failedRef")), ("FAIL".into(), "no".into()));
}

#[test]
fn what_cannot_run_is_told_before_anything_runs() {
    let ended = run(&flow("Wrong", &["{ref: a, appId: crul}"]), &[]).code(1);
    assert!(ended.err.contains("flow8 check") && ended.err.contains("did you mean curl?"), "{}", ended.err);
    let ended = run("apiVersion: flow8/v1\nkind: Flow\nname: x\ntiemout: 3\nlayers: []\n", &[]).code(2);
    assert!(ended.err.contains("tiemout"), "{}", ended.err);
    let ended = run(&double(), &["--args", "n"]).code(2);
    assert!(ended.err.contains("NAME=VALUE"), "{}", ended.err);
    let ended = run(&double(), &["--args", "@nothing.json"]).code(2);
    assert!(ended.err.contains("@nothing.json"), "{}", ended.err);
    let ended = Flow8::new().run(&["run", "./nothing.yaml"]).code(2);
    assert!(ended.err.contains("./nothing.yaml"), "{}", ended.err);
    let ended = run(&double(), &["--detach"]).code(2);
    assert!(ended.err.contains("--detach"), "{}", ended.err);
}

#[test]
fn what_waits_for_somebody_ends_with_a_hint_and_yes_is_an_answer() {
    let ended = run(&approved(), &[]).code(1);
    assert!(ended.err.contains("WAIT for an approval; --yes gives it"), "{}", ended.err);
    assert_eq!(run(&approved(), &["--yes"]).code(0).out, "{\n  \"value\": \"paid\"\n}\n");
    let event = flow("Event", &["{ref: e, appId: wait-event, args: {key: signed}}"]);
    let ended = run(&event, &[]).code(1);
    assert!(ended.err.contains("WAIT for the event \"signed\""), "{}", ended.err);
}

#[test]
fn what_waits_for_a_timer_is_waited_for_in_a_play_of_its_own_too() {
    let flow8 = Flow8::new()
        .file("child.yaml", &flow("Child", &["{ref: nap, appId: delay, args: {seconds: 1}}"]))
        .file("parent.yaml", &flow("Parent", &["{ref: sub, appId: subflow, args: {flowId: child}}"]))
        .file("asked.yaml", &approved())
        .file("asking.yaml", &flow("Asking", &["{ref: sub, appId: subflow, args: {flowId: approved}}"]));
    flow8.run(&["import", "child.yaml", "parent.yaml", "asked.yaml", "asking.yaml"]).code(0);
    flow8.run(&["run", "parent"]).code(0);
    let ended = flow8.run(&["run", "asking"]).code(1);
    assert!(ended.err.contains("WAIT for an approval of layer "), "{}", ended.err);
    flow8.run(&["run", "asking", "--yes"]).code(0);
}

#[test]
fn a_flow_runs_on_the_folder_on_its_server_and_on_a_server_that_is_named() {
    let flow8 = Flow8::new().file("double.yaml", &double());
    let twice = |flow8: &Flow8, more: &[&str]| {
        let args = [&["run", "double", "--args", "n=3", "--idempotency-key", "k"], more].concat();
        let ended = flow8.run(&args).code(0);
        assert_eq!(ended.out, "{\n  \"value\": 6\n}\n");
        ended.err.lines().next().expect("the play").to_owned()
    };
    flow8.run(&["import", "double.yaml"]).code(0);
    let play = twice(&flow8, &[]);

    // The same folder, now with a server: the same key is still the same play.
    let server = Start::on(&flow8.folder.path().join("data")).serves();
    assert_eq!(twice(&flow8, &[]), play);

    // From another folder, by the address and an API key.
    let client = server.client.clone();
    let user = r#"{"email": "eve@example.com", "roles": ["operator"], "password": "a long enough one"}"#;
    client.granted("POST", "/users", user);
    let key = crate::people::api_key(&client, "eve@example.com", "a long enough one");
    let elsewhere = Flow8::new().file("key", &format!("{key}\n")).file("wrong", "f8_wrong");
    assert_eq!(twice(&elsewhere, &["--server", &client.url, "--token-file", "key"]), play);
    let elsewhere = elsewhere.variable("FLOW8_URL", &client.url).variable("FLOW8_TOKEN", &key);
    assert_eq!(twice(&elsewhere, &[]), play);
    let ended = elsewhere.run(&["import", "double.yaml"]).code(2);
    assert!(ended.err.contains("double.yaml"), "{}", ended.err);

    // The wrong key, the wrong flow, other arguments under the same key.
    let ended = elsewhere.run(&["run", "double", "--server", &client.url, "--token-file", "wrong"]).code(2);
    assert!(ended.err.contains("--token-file"), "{}", ended.err);
    let ended = elsewhere.run(&["run", "treble"]).code(1);
    assert!(ended.err.contains("treble"), "{}", ended.err);
    let ended = elsewhere.run(&["run", "double", "--args", "n=4", "--idempotency-key", "k"]).code(1);
    assert!(ended.err.contains("with other arguments"), "{}", ended.err);
    server.stop();
}

#[test]
fn a_server_that_does_not_answer_is_said_to() {
    let nobody = Port::find();
    let url = format!("http://127.0.0.1:{}", nobody.number());
    for args in [&["plays", "list"][..], &["run", "double"], &["export", "double"]] {
        let ended = Flow8::new().run(&[args, &["--server", &url]].concat()).code(3);
        assert!(ended.err.starts_with(&format!("error: {url} does not answer")), "{}", ended.err);
    }
    let ended = Flow8::new().run(&["plays", "list", "--server", "nonsense"]).code(2);
    assert!(ended.err.contains("--server: expects a URL"), "{}", ended.err);
}
