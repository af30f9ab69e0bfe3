//! `flow8 modules`.

use model::Value;

use crate::Flow8;

#[test]
fn the_list_has_every_module_by_group() {
    let out = Flow8::new().run(&["modules"]).code(0).out;
    for module in modules::all() {
        let line = out.lines().find(|line| line.split_whitespace().next() == Some(module.id));
        assert!(line.is_some_and(|line| line.ends_with(module.summary)), "{}", module.id);
    }
    let groups: Vec<&str> = out.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '`'])).collect();
    assert_eq!(groups, ["Control", "HTTP", "Data", "Code", "KV", "Storage", "Database", "Mail", "Crypto", "Log"]);
}

#[test]
fn a_page_tells_arguments_output_and_an_example() {
    let page = Flow8::new().run(&["modules", "curl"]).code(0).out;
    for expected in [
        "curl (HTTP, write)\nCalls an HTTP peer.\n",
        "  url              string                (required) Where to: http or https",
        "  method           string                (default \"GET\") GET, HEAD",
        "  responseType     json | text | binary  What the body",
        "  statusCode  integer  The status of the answer",
        "  - ref: curl\n    appId: curl\n    args:\n      method: POST\n",
    ] {
        assert!(page.contains(expected), "{expected}\n---\n{page}");
    }
}

#[test]
fn every_page_has_an_example_that_reads_back() {
    let flow8 = Flow8::new();
    for module in modules::all() {
        let page = flow8.run(&["modules", module.id]).code(0).out;
        let example =
            page.split("\nExample\n").nth(1).and_then(|rest| rest.split("\ngives\n").next()).expect("an example");
        let read = yaml::read(example).expect("YAML").value;
        let args = read.as_list().expect("a list")[0].get("args").expect("arguments").clone();
        assert_eq!(args, Value::from_json(module.example.args.as_bytes()).expect("JSON"), "{}", module.id);
    }
}

#[test]
fn a_wrong_id_suggests_the_right_one() {
    let ended = Flow8::new().run(&["modules", "crul"]).code(1);
    assert_eq!((&*ended.out, &*ended.err), ("", "error: there is no module \"crul\"; did you mean curl?\n"));
    let ended = Flow8::new().run(&["modules", "zzzzzzzz"]).code(1);
    assert!(ended.err.contains("list them with `flow8 modules`"), "{}", ended.err);
}

#[test]
fn json_is_the_catalogue() {
    let all = Value::from_json(Flow8::new().run(&["modules", "--json"]).code(0).out.as_bytes()).expect("JSON");
    assert_eq!(all.as_list().expect("a list").len(), modules::all().len());
    let one = Value::from_json(Flow8::new().run(&["--json", "modules", "curl"]).code(0).out.as_bytes()).expect("JSON");
    assert_eq!(one.pointer("/id").and_then(Value::as_str), Some("curl"));
    assert_eq!(one.pointer("/group").and_then(Value::as_str), Some("HTTP"));
    assert_eq!(one.pointer("/args/properties/url/type").and_then(Value::as_str), Some("string"));
    assert_eq!(one.pointer("/example/args/body/total").map(Value::to_json).as_deref(), Some("1.10"));
}
