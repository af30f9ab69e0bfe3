//! Where things are in the text.

use yaml::Position;

const TEXT: &str = r#"name: x
layers:
  - ref: fetch
    args: {url: "https://example.com", "a b": 1}
  - ref: sum
    args:
      headers:
        x.y: 1
        x: {y: 2}
      list:
        - [1, 2]
        -   deep: true
copy: &c
  inner: 1
other: *c
"#;

#[test]
fn a_path_leads_to_its_place_or_to_the_nearest_above() {
    let document = yaml::read(TEXT).expect("YAML");
    for (path, line, column) in [
        ("", 1, 1),
        ("name", 1, 1),
        ("layers", 2, 1),
        ("layers[0]", 3, 5),
        ("layers[0].ref", 3, 5),
        ("layers[0].args.url", 4, 12),
        (r#"layers[0].args["a b"]"#, 4, 40),
        ("layers[1].args.headers.x.y", 8, 9),
        ("layers[1].args.headers.x.z", 9, 9),
        (r#"layers[1].args.headers["x"].y"#, 9, 13),
        ("layers[1].args.list[0][1]", 11, 15),
        ("layers[1].args.list[1].deep", 12, 13),
        ("other.inner", 15, 1),
        // A missing key points at its parent.
        ("layers[1].args.url", 6, 5),
        ("layers[1].appId", 5, 5),
        ("layers[7].ref", 2, 1),
        ("layers[x]", 2, 1),
        ("name.first", 1, 1),
        ("nothing", 1, 1),
        (r#"layers[0].args["a"#, 4, 5),
    ] {
        assert_eq!(document.position(path), Position { line, column }, "{path}");
    }
}

#[test]
fn the_path_of_an_error_is_found() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Flow {
        layers: Vec<Layer>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Layer {
        index: u32,
    }
    let place = |text: &str| {
        let document = yaml::read(text).expect("YAML");
        let error = model::value::from_value::<Flow>(&document.value).expect_err("does not fit");
        document.position(&error.path)
    };
    assert_eq!(place("layers:\n  - index: 1\n  - index: x\n"), Position { line: 3, column: 5 });
    assert_eq!(place("layers:\n  - index: 1\n    indxe: 2\n"), Position { line: 3, column: 5 });
    assert_eq!(place("layers:\n  - {}\n"), Position { line: 2, column: 5 });
    assert_eq!(place("# nothing\n{}\n"), Position { line: 2, column: 1 });
}

#[test]
fn columns_count_characters() {
    let document = yaml::read("{\"\u{e4}\u{f6}\": 1, b: 2}").expect("YAML");
    assert_eq!(document.position("b"), Position { line: 1, column: 11 });
}
