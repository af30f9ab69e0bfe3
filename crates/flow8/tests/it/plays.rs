//! `flow8 plays`, `flow8 import`, `flow8 export`: on a data folder, without a server.

use crate::Flow8;
use crate::server::{json, part, until};

const FLOW: &str = "\
# A comment that is not kept.
apiVersion: flow8/v1
kind: Flow
name: Two steps
permanentId: two
layers:
  - ref: first
    appId: var
    args: {value: \"{{ $prev.args.n }}\"}
  - ref: second
    appId: math
    index: 1
    args: {operation: divide, left: 12, right: \"{{ $prev.first.value }}\"}
";

const WAITS: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Waits\nlayers:\n\
    \x20 - {ref: event, appId: wait-event, args: {key: k}}\n";

#[test]
fn plays_are_listed_shown_canceled_and_retried() {
    let flow8 = Flow8::new().file("two.yaml", FLOW).file("waits.yaml", WAITS);
    flow8.run(&["import", "two.yaml", "waits.yaml"]).code(0);
    flow8.run(&["run", "two", "--args", "n=4"]).code(0);
    flow8.run(&["run", "two", "--args", "n=0"]).code(1);
    let started = flow8.run(&["run", "waits", "--detach", "--json"]).code(0).out;
    let waiting = part(&json(&started), "/playId");
    // The process that started it may have ended before the play came to wait; the next goes on.
    until("the play waits", || {
        let shown = json(&flow8.run(&["plays", "show", &waiting, "--json"]).code(0).out);
        (part(&shown, "/play/state") == "WAIT").then_some(())
    });

    let all = flow8.run(&["plays", "list"]).code(0).out;
    let states: Vec<&str> = all.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(states, ["WAIT", "FAIL", "DONE"], "newest first: {all}");
    let ended = flow8.run(&["plays", "list", "--limit", "1"]).code(0);
    assert_eq!((ended.out.lines().count(), &*ended.err), (2, "1 of 3; see more with --limit\n"));
    let failed = json(&flow8.run(&["plays", "list", "--flow", "two", "--state", "FAIL", "--json"]).code(0).out);
    assert_eq!(part(&failed, "/total"), "1");
    let failed = part(&failed, "/data/0/id");

    let shown = flow8.run(&["plays", "show", &failed]).code(0).out;
    for expected in [&*format!("two {failed}  FAIL"), "failed: second: ", "args {\"n\":0}", "  DONE        first"] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    let shown = json(&flow8.run(&["plays", "show", &failed, "--json"]).code(0).out);
    assert_eq!((part(&shown, "/play/state"), part(&shown, "/layers/1/ref")), ("FAIL".into(), "second".into()));

    let canceled = flow8.run(&["plays", "cancel", &waiting, "--reason", "no longer needed"]).code(0).out;
    assert_eq!(canceled, format!("{waiting}  CANCELED\n"));
    let ended = flow8.run(&["plays", "cancel", &waiting]).code(1);
    assert!(ended.err.contains("ended"), "{}", ended.err);

    let retried = part(&json(&flow8.run(&["plays", "retry", &failed, "--json"]).code(0).out), "/playId");
    assert_ne!(retried, failed);
    let shown = json(&flow8.run(&["plays", "show", &retried, "--json"]).code(0).out);
    assert_eq!(part(&shown, "/play/retryOf"), failed);
    let ended = flow8.run(&["plays", "retry", &failed, "--from", "nowhere"]);
    assert!(matches!(ended.code, Some(1 | 2)) && ended.err.contains("nowhere"), "{ended:?}");

    let ended = flow8.run(&["plays", "show", "0123456789abcdef01234567"]).code(1);
    assert!(ended.err.starts_with("error: "), "{}", ended.err);
    flow8.run(&["plays", "show", "nonsense"]).code(2);
}

#[test]
fn what_is_exported_is_imported_again_as_it_was() {
    let (one, other) = (Flow8::new().file("two.yaml", FLOW), Flow8::new());
    let imported = one.run(&["import", "two.yaml"]).code(0).out;
    assert!(imported.ends_with("  two  published\n"), "{imported}");
    one.run(&["export", "two", "--output", "exported.yaml"]).code(0);
    one.run(&["check", "exported.yaml"]).code(0);
    let exported = one.run(&["export", "two"]).code(0).out;
    assert!(exported.starts_with("apiVersion: flow8/v1\nkind: Flow\n"), "{exported}");
    let other = other.file("exported.yaml", &exported);
    other.run(&["import", "exported.yaml"]).code(0);
    assert_eq!(other.run(&["export", "two"]).code(0).out, exported);
    assert_eq!(other.run(&["run", "two", "--args", "n=4"]).code(0).out, one.run(&["run", "two", "--args", "n=4"]).out);
    let ended = other.run(&["export", "three"]).code(1);
    assert!(ended.err.contains("three"), "{}", ended.err);
}

#[test]
fn an_import_says_what_is_wrong_and_keeps_the_draft() {
    let broken = FLOW.replace("$prev.first", "$prev.frist");
    let flow8 =
        Flow8::new().file("two.yaml", FLOW).file("broken.yaml", &broken).file("keys.yaml", "kind: Flow\nx: 1\n");
    flow8.run(&["import", "two.yaml"]).code(0);
    let ended = flow8.run(&["import", "broken.yaml"]).code(1);
    assert!(ended.out.ends_with("  two  draft\n"), "{}", ended.out);
    assert!(ended.err.contains("frist") && ended.err.contains("did you mean \"first\"?"), "{}", ended.err);
    // What was published before still runs; the draft is what is exported.
    flow8.run(&["run", "two", "--args", "n=4"]).code(0);
    assert!(flow8.run(&["export", "two"]).code(0).out.contains("frist"));
    let ended = flow8.run(&["import", "two.yaml", "--draft"]).code(0);
    assert!(ended.out.ends_with("  two  draft\n"), "{}", ended.out);
    let ended = flow8.run(&["import", "keys.yaml"]).code(2);
    assert!(ended.err.contains("keys.yaml: "), "{}", ended.err);
    flow8.run(&["import", "missing.yaml"]).code(2);
}
