//! `flow8 check`.

use model::Value;

use crate::{Ended, Flow8};

/// Checks one flow file.
fn check(text: &str) -> Ended {
    Flow8::new().file("flow.yaml", text).run(&["check", "flow.yaml"])
}

#[test]
fn a_sound_flow_is_sound() {
    let ended = check(include_str!("flows/good.yaml")).code(0);
    assert_eq!((&*ended.out, &*ended.err), ("flow.yaml: sound\n", ""));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, expected) in [
        (
            include_str!("flows/wrong-form.yaml"),
            vec![
                "flow.yaml:4:1: tiemout: is no key here; did you mean timeout?",
                "flow.yaml:8:5: first index: expects a whole number from 0 to 4294967295, not a string",
                "flow.yaml:11:5: second onErorr: is no key here; did you mean onError?",
                "flow.yaml:14:5: third onError: \"skipp\" is no choice here; did you mean skip?",
                "flow.yaml:15:5: layers[3]: lacks ref",
            ],
        ),
        (
            include_str!("flows/wrong-args.yaml"),
            vec![
                "flow.yaml:7:5: call args: does not take methd; did you mean method?",
                "flow.yaml:14:20: wait args.seconds: no flowlet has the ref \"cal\"; did you mean \"call\"?",
                "flow.yaml:18:36: log args.message: the expression ends where a value is missing",
            ],
        ),
        (
            include_str!("flows/cycle.yaml"),
            vec!["flow.yaml:5:44: a dependsOn: waits for itself", "flow.yaml:6:44: b dependsOn: waits for itself"],
        ),
        (
            include_str!("flows/unknown-module.yaml"),
            vec!["flow.yaml:6:5: call appId: there is no module \"crul\"; did you mean curl?"],
        ),
        (include_str!("flows/tab.yaml"), vec!["flow.yaml:5:2: tabs "]),
        (include_str!("flows/indent.yaml"), vec!["flow.yaml:4:9: mapping values are not allowed"]),
        (include_str!("flows/two.yaml"), vec!["flow.yaml:4:1: a second document starts here; a text holds one"]),
        (
            include_str!("flows/no-header.yaml"),
            vec!["flow.yaml:1:1: lacks \"apiVersion: flow8/v1\"", "flow.yaml:2:1: kind: is \"Deployment\""],
        ),
    ] {
        let out = check(text).code(1).out;
        let found: Vec<&str> = out.lines().filter(|line| line.starts_with("flow.yaml:")).collect();
        assert_eq!(found.len(), expected.len(), "{out}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
    }
}

#[test]
fn the_place_is_shown() {
    let out = check(include_str!("flows/wrong-args.yaml")).code(1).out;
    let shown = "  14 |       seconds: \"{{ $prev.cal.body }}\"\n     |                    ^\n";
    assert!(out.contains(shown), "{out}");
}

#[test]
fn variables_that_flows_may_read_are_the_configurations() {
    let flow = "apiVersion: flow8/v1\nkind: Flow\nname: x\nlayers: [{ref: a, appId: log, args: {message: '{{ $env.REGION }}'}}]\n";
    let out = check(flow).code(1).out;
    assert!(out.contains("$env.REGION is not on the list"), "{out}");
    Flow8::new().file("flow.yaml", flow).variable("EXPRESSIONS_ENV", "REGION").run(&["check", "flow.yaml"]).code(0);
}

#[test]
fn several_files_are_all_checked() {
    let flow8 = Flow8::new()
        .file("good.yaml", include_str!("flows/good.yaml"))
        .file("cycle.yaml", include_str!("flows/cycle.yaml"));
    let ended = flow8.run(&["check", "good.yaml", "cycle.yaml"]).code(1);
    assert!(ended.out.contains("good.yaml: sound\n") && ended.out.contains("cycle.yaml:5:44:"), "{}", ended.out);
    let ended = flow8.run(&["check", "missing.yaml", "cycle.yaml"]).code(2);
    assert!(ended.err.contains("missing.yaml cannot be read"), "{}", ended.err);
    assert!(ended.out.contains("cycle.yaml:5:44:"), "{}", ended.out);
}

#[test]
fn json_lists_the_problems() {
    let flow8 = Flow8::new().file("flow.yaml", include_str!("flows/unknown-module.yaml"));
    let out = flow8.run(&["check", "--json", "flow.yaml"]).code(1).out;
    let problems = Value::from_json(out.as_bytes()).expect("JSON");
    let expected = r#"[{"file":"flow.yaml","line":6,"column":5,"ref":"call","path":"layers[0].appId","message":"there is no module \"crul\"; did you mean curl?"}]"#;
    assert_eq!(problems, Value::from_json(expected.as_bytes()).expect("JSON"));
}
