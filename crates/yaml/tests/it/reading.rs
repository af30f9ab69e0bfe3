//! What texts say, and which are refused.

use model::limits::{DOCUMENT_BYTES, DOCUMENT_NODES, JSON_DEPTH};

use crate::{read, refusal};

#[test]
fn a_flow_file_is_read() {
    let text = r#"
# An invoice is approved.
name: Invoice approval
timeout: 86400
ratio: 1.10
concurrency: {limit: 10, key: "{{ $prev.args.customer }}", onLimit: queue}
groupId: null
layers:
  - ref: fetch
    args:
      url: 'https://example.com/{{ $prev.args.id }}'
      body: |
        line one
          line two
      note: >-
        folded
        text
  - ref: sum
    dependsOn: [fetch]
"#;
    assert_eq!(
        read(text),
        concat!(
            r#"{"name":"Invoice approval","timeout":86400,"ratio":1.10,"#,
            r#""concurrency":{"limit":10,"key":"{{ $prev.args.customer }}","onLimit":"queue"},"groupId":null,"#,
            r#""layers":[{"ref":"fetch","args":{"url":"https://example.com/{{ $prev.args.id }}","#,
            r#""body":"line one\n  line two\n","note":"folded text"}},{"ref":"sum","dependsOn":["fetch"]}]}"#
        )
    );
}

#[test]
fn json_is_yaml() {
    let text = r#"{"a":[1.10,-0.0,1E5,true,null,"x\u00e9\n"],"b":{},"123":[]}"#;
    assert_eq!(read(text), "{\"a\":[1.10,-0.0,1E5,true,null,\"x\u{e9}\\n\"],\"b\":{},\"123\":[]}");
}

#[test]
fn a_text_without_a_document_is_null() {
    for text in ["", "\n", "# nothing\n", "---\n", "---\n...\n", "\u{feff}", "%YAML 1.2\n---\n"] {
        assert_eq!(read(text), "null", "{text:?}");
    }
}

#[test]
fn anchors_and_aliases_share() {
    assert_eq!(read("a: &x {n: 1}\nb: *x\nc: [*x, *x]"), r#"{"a":{"n":1},"b":{"n":1},"c":[{"n":1},{"n":1}]}"#);
    assert_eq!(read("&k name: 1\nother: *k"), r#"{"name":1,"other":"name"}"#);
    let document = yaml::read("a: &x [1]\nb: *x").expect("YAML");
    let address = |key: &str| document.value.get(key).and_then(model::Value::address);
    assert_eq!(address("a"), address("b"));
}

#[test]
fn the_last_anchor_of_a_name_counts() {
    assert_eq!(read("- &a 1\n- *a\n- &a 2\n- *a"), "[1,1,2,2]");
}

#[test]
fn tags_of_the_core_schema_are_known() {
    assert_eq!(read("[!!str 1, !!int 0x1F, !!float 2, !!bool true, !!null ~, ! 12]"), r#"["1",31,2,true,null,"12"]"#);
    assert_eq!(read("!!map {a: !!seq [1]}"), r#"{"a":[1]}"#);
    assert_eq!(refusal("a: !!int x"), "what is tagged !!int must be a whole number (line 1, column 4)");
    assert!(refusal("a: !!binary aGk=").starts_with("the tag !!binary is not known here"));
    assert!(refusal("!Ref x").starts_with("the tag !Ref is not known here"));
    assert!(refusal("!!set {a: 1}").starts_with("the tag !!set is not known here"));
}

#[test]
fn keys_are_strings_and_are_given_once() {
    assert_eq!(refusal("a: 1\nb: 2\n\"a\": 3"), r#"the key "a" is given twice (line 3, column 1)"#);
    assert_eq!(refusal("1: x"), r#"a key is a string; quote it: "1" (line 1, column 1)"#);
    assert_eq!(refusal("a:\n  true: x"), r#"a key is a string; quote it: "true" (line 2, column 3)"#);
    assert!(refusal("? [a]\n: x").starts_with("a key is a string, not a list"));
    assert_eq!(read("on: 1\n\"1\": 2\n<<: {a: 1}"), r#"{"on":1,"1":2,"<<":{"a":1}}"#);
}

#[test]
fn one_text_is_one_document() {
    assert_eq!(refusal("a: 1\n---\nb: 2"), "a second document starts here; a text holds one (line 2, column 1)");
    assert!(refusal("a: 1\n--- ").starts_with("a second document"));
}

#[test]
fn an_error_says_where() {
    for (text, place) in [
        ("a: [1, 2", "(line "),
        ("a: 1\n b: 2", "(line 2, column "),
        ("a: \"x", "(line 1, "),
        ("a: .inf", "(line 1, column 4)"),
        ("a: 007", "(line 1, column 4)"),
        ("a: *b", "(line 1, column 4)"),
        ("a:\n\t- b", "(line 2, column "),
        // Not behind the end of the line, where a directive has characters of more than one byte.
        ("%\u{d6}\u{d6}\0", "(line 1, column 5)"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(place), "{text:?}: {refusal}");
    }
}

#[test]
fn depth_is_bounded() {
    let flow = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(yaml::read(&flow(JSON_DEPTH)).is_ok());
    assert!(refusal(&flow(JSON_DEPTH + 1)).starts_with("nests deeper than 128 levels"));
    assert!(refusal(&"[".repeat(1_000_000)).starts_with("nests deeper"));
    assert!(refusal(&"- ".repeat(200_000)).starts_with("nests deeper"));
    assert!(refusal(&"? ".repeat(200_000)).contains("nests deeper"));
    let block: String = (0..JSON_DEPTH).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(yaml::read(&block).is_ok());
    // What an alias stands for counts where it is used.
    let half = JSON_DEPTH / 2;
    let nested = |inner: &str, depth: usize| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(yaml::read(&format!("- &a {}\n- {}", nested("", half), nested("*a", half - 1))).is_ok());
    let refusal = refusal(&format!("- &a {}\n- {}", nested("", half), nested("*a", half)));
    assert!(refusal.starts_with("with what the alias stands for, nests deeper"), "{refusal}");
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(", ")));
    }
    assert!(refusal(&text).starts_with(&format!("the document has more than {DOCUMENT_NODES} values")));
    let long = format!("- &a {}\n{}", "x".repeat(100_000), "- *a\n".repeat(1_000));
    assert!(refusal(&long).starts_with(&format!("the document has more than {DOCUMENT_BYTES} bytes")));
    assert!(refusal("&a [*a]").starts_with("the alias stands for something that it is itself a part of"));
    assert!(refusal(&" ".repeat(DOCUMENT_BYTES + 1)).starts_with("the text has more than"));
}

#[test]
fn a_large_text_is_read() {
    let row = format!("- {{id: 1, note: \"{}\"}}\n", "n".repeat(80));
    let text = row.repeat((10 << 20) / row.len() + 1);
    let document = yaml::read(&text).expect("YAML");
    let rows = document.value.as_list().map_or(0, <[_]>::len);
    assert_eq!(rows, text.len() / row.len());
    assert_eq!(document.position(&format!("[{}].note", rows - 1)).line, rows);
}
