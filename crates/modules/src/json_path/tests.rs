//! What queries select: tables of RFC 9535, and a comparison with another reader of them.

use model::Value;
use proptest::prelude::*;

use super::Query;
use crate::stage::json;

const STORE: &str = r#"{"store":{"book":[
    {"category":"reference","author":"Nigel Rees","title":"Sayings","price":8.95},
    {"category":"fiction","author":"Evelyn Waugh","title":"Sword","price":12.99},
    {"category":"fiction","author":"Herman Melville","title":"Moby Dick","isbn":"0-553","price":8.99},
    {"category":"fiction","author":"J. R. R. Tolkien","title":"The Lord","isbn":"0-395","price":22.99}],
    "bicycle":{"color":"red","price":399}},"o":{"j j":{"k.k":3},"'":{"@":2}},"a":[3,5,1,[5,1],{"b":"j"},{"b":null},null,true]}"#;

fn select(query: &str, value: &Value) -> Result<Vec<String>, String> {
    Ok(Query::parse(query)?.select(value)?.into_iter().map(Value::to_json).collect())
}

#[test]
fn what_queries_select() {
    let value = json(STORE);
    for (query, selected) in [
        ("$.store.book[*].author", r#""Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien""#),
        ("$..price", "8.95,12.99,8.99,22.99,399"),
        ("$..book[2].title", r#""Moby Dick""#),
        ("$..book[-1].title", r#""The Lord""#),
        ("$..book[0,1].price", "8.95,12.99"),
        ("$..book[:2].price", "8.95,12.99"),
        ("$..book[::-2].price", "22.99,12.99"),
        ("$..book[?@.isbn].title", r#""Moby Dick","The Lord""#),
        ("$..book[?@.price < 10].title", r#""Sayings","Moby Dick""#),
        ("$..book[?@.price < 10 && @.category == 'fiction'].title", r#""Moby Dick""#),
        ("$..book[?!(@.price < 10 || @.isbn)].title", r#""Sword""#),
        ("$..book[?match(@.author, '.*Waugh')].title", r#""Sword""#),
        ("$..book[?search(@.author, 'Re')].title", r#""Sayings""#),
        ("$..book[?length(@.title) > 7].price", "8.99,22.99"),
        ("$.a[?count(@.*) == 1].b", r#""j",null"#),
        ("$.a[?@ == 5]", "5"),
        ("$.a[?@.b == null]", r#"{"b":null}"#),
        ("$.o['j j']['k.k']", "3"),
        (r#"$.o["'"]["@"]"#, "2"),
        ("$.o['\\u0027']", r#"{"@":2}"#),
        ("$.nothing", ""),
        ("$.a[99]", ""),
        ("$.a[-99]", ""),
        ("$.a[1:1]", ""),
        ("$.a[0:3:0]", ""),
        ("$.a[?@[-2] == 5]", "[5,1]"),
        ("$.a[?@[-3] == 5]", ""),
        ("$.a[?@[1] > @ || @ > @[1] || @ < $.a]", ""),
    ] {
        let given = select(query, &value).unwrap_or_else(|why| panic!("{query}: {why}"));
        assert_eq!(given.join(","), selected, "{query}");
    }
    assert_eq!(select("$", &json("[1.10]")), Ok(vec!["[1.10]".to_owned()]));
}

#[test]
fn numbers_are_compared_exactly() {
    let value = json("[9007199254740992,9007199254740993,1.10,0.1]");
    for (query, selected) in [
        ("$[?@ == 9007199254740993]", "9007199254740993"),
        ("$[?@ > 9007199254740992]", "9007199254740993"),
        ("$[?@ == 1.1]", "1.10"),
        ("$[?@ == 1e-1]", "0.1"),
    ] {
        assert_eq!(select(query, &value).map(|found| found.join(",")), Ok(selected.to_owned()), "{query}");
    }
}

#[test]
fn what_is_no_query_is_refused() {
    for query in [
        "",
        "a",
        "@.a",
        "$.",
        "$[",
        "$[]",
        "$['a]",
        "$.a b",
        "$[01]",
        "$[-0]",
        "$[1 2]",
        "$[1:2:3:4]",
        "$[?]",
        "$[?@.a ==]",
        "$[?@.a = 1]",
        "$[?1 == 1 == 1]",
        "$[?'a']",
        "$[?@.* == 1]",
        "$[?length(@.*) == 1]",
        "$[?nothing(@)]",
        "$[?count(1) == 1]",
        "$[9007199254740992]",
        "$..",
        "$['\\x']",
        "$['\\ud800']",
        "$[?match(@.a)]",
    ] {
        assert!(Query::parse(query).is_err(), "{query}");
    }
    let deep = format!("$[?{}@.a{}]", "(".repeat(17), ")".repeat(17));
    assert!(Query::parse(&deep).is_err());
    assert!(Query::parse(&format!("$.{}", "a".repeat(5_000))).is_err());
}

#[test]
fn what_is_looked_at_is_bounded() {
    let wide = format!("[{}1]", "1,".repeat(2_000));
    let why = select("$[?$[?$[?@ == 2]]]", &json(&wide)).expect_err("bounded");
    assert!(why.contains("looks at more than"), "{why}");
}

/// Parts of queries that both readers take to mean the same.
fn query() -> BoxedStrategy<String> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let number = prop::sample::select(vec!["0", "1", "-1", "2", "5"]);
    let literal = prop::sample::select(vec!["0", "1", "2.5", "'a'", "'b'", "true", "null"]);
    // Of lists and objects, the other reader says that some are greater; RFC 9535 knows no such order.
    let equal = prop::sample::select(vec!["==", "!="]);
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    // Boxed, since a strategy made of many holds all of them and does not fit a small stack.
    let singular = prop_oneof![
        Just("@".to_owned()),
        name.clone().prop_map(|name| format!("@.{name}")),
        // In a filter, the other reader does not find the first item from behind.
        prop::sample::select(vec!["0", "1", "5"]).prop_map(|number| format!("@[{number}]")),
        name.clone().prop_map(|name| format!("$.{name}")),
    ]
    .boxed();
    let test = prop_oneof![
        singular.clone(),
        (singular.clone(), operator.clone(), literal)
            .prop_map(|(path, operator, literal)| format!("{path}{operator}{literal}")),
        (singular.clone(), equal, singular.clone()).prop_map(|(a, operator, b)| format!("{a} {operator} {b}")),
        (singular.clone(), operator, number.clone()).prop_map(|(a, operator, b)| format!("length({a}) {operator} {b}")),
        singular.prop_map(|path| format!("search({path}, '[ab]')")),
        Just("@.*".to_owned()),
        Just("count(@..*) > 1".to_owned()),
    ]
    .boxed();
    let logical = prop_oneof![
        test.clone(),
        test.clone().prop_map(|test| format!("!({test})")),
        (test.clone(), test.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
        (test.clone(), test).prop_map(|(a, b)| format!("{a} || {b}")),
    ]
    .boxed();
    let slice = (prop::option::of(-3..4i64), prop::option::of(-3..4i64), prop::option::of(-2..3i64)).prop_map(
        |(start, end, step)| {
            let text = |part: Option<i64>| part.map_or(String::new(), |part| part.to_string());
            format!("[{}:{}:{}]", text(start), text(end), text(step))
        },
    );
    let segment = prop_oneof![
        name.clone().prop_map(|name| format!(".{name}")),
        name.clone().prop_map(|name| format!("..{name}")),
        (name, number.clone()).prop_map(|(name, number)| format!("['{name}',{number}]")),
        number.prop_map(|number| format!("[{number}]")),
        Just(".*".to_owned()),
        Just("..*".to_owned()),
        slice,
        logical.prop_map(|logical| format!("[?{logical}]")),
    ]
    .boxed();
    prop::collection::vec(segment, 0..4).prop_map(|segments| format!("${}", segments.concat())).boxed()
}

fn value() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec!["null", "true", "0", "1", "2.5", "-1", "\"a\"", "\"b\"", "\"ab\""]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), inner, 0..4).prop_map(
                    |fields| {
                        let fields: Vec<String> =
                            fields.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                        format!("{{{}}}", fields.join(","))
                    }
                ),
            ]
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn another_reader_selects_the_same(query in query(), value in value()) {
        let other: serde_json::Value = serde_json::from_str(&value).expect("JSON");
        let path = serde_json_path::JsonPath::parse(&query).expect("a query");
        let others: Vec<String> = path.query(&other).all().into_iter().map(ToString::to_string).collect();
        prop_assert_eq!(select(&query, &json(&value)), Ok(others), "{} on {}", query, value);
    }
}
