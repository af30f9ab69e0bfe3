//! The table of all functions, and looking one up by its name.

use std::collections::HashMap;
use std::sync::LazyLock;

use model::suggest::did_you_mean;

use super::Function;

/// The functions by what they are about; one file each.
static GROUPS: &[&[Function]] = &[
    super::logic::FUNCTIONS,
    super::types::FUNCTIONS,
    super::casts::FUNCTIONS,
    super::number::FUNCTIONS,
    super::text::FUNCTIONS,
    super::words::FUNCTIONS,
    super::strings::FUNCTIONS,
    super::printf::FUNCTIONS,
    super::pattern::FUNCTIONS,
    super::list::FUNCTIONS,
    super::select::FUNCTIONS,
    super::map::FUNCTIONS,
    super::json::FUNCTIONS,
    super::date::FUNCTIONS,
    super::date::parts::FUNCTIONS,
    super::encoding::FUNCTIONS,
    super::hash::FUNCTIONS,
];

static SORTED: LazyLock<Vec<&'static Function>> = LazyLock::new(|| {
    let mut all: Vec<&Function> = GROUPS.iter().flat_map(|group| group.iter()).collect();
    all.sort_by_key(|function| function.name);
    all
});

static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let names = |function: &'static Function| {
        std::iter::once(function.name).chain(function.aliases.iter().copied()).map(move |name| (name, function))
    };
    SORTED.iter().copied().flat_map(names).collect()
});

/// Every function of the language, sorted by name.
pub fn functions() -> &'static [&'static Function] {
    &SORTED
}

/// The function of a name or an alias.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    BY_NAME.get(name).copied()
}

/// The other names of functions, in the order of the table.
fn aliases() -> impl Iterator<Item = &'static str> {
    SORTED.iter().flat_map(|function| function.aliases.iter().copied())
}

/// What is said of a name that no function has.
pub(crate) fn unknown(name: &str) -> String {
    let dated = format!("$date.{name}");
    if name == "now" || find(&dated).is_some() {
        return format!("there is no function {name}; did you mean {dated}?");
    }
    let rooted = format!("${name}");
    if crate::syntax::roots().iter().any(|(root, _)| *root == rooted) {
        return format!("there is no function {name}; did you mean {rooted}?");
    }
    let hint = did_you_mean(name, SORTED.iter().map(|function| function.name));
    let hint = if hint.is_empty() { did_you_mean(name, aliases()) } else { hint };
    if hint.is_empty() && !name.starts_with('$') {
        return format!("there is no function {name}; where this is text, quote it");
    }
    format!("there is no function {name}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, Expr, Given, Template};
    use model::Value;

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<&str> =
            SORTED.iter().flat_map(|function| function.aliases.iter().copied().chain([function.name])).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_example_gives_its_result() {
        let scope = Given {
            now: Some("2026-03-01T09:30:00Z".into()),
            seed: Some("5eed".into()),
            dot: Some(Value::empty_map()),
            ..Given::default()
        };
        for function in functions() {
            let template = Template::compile_expr(function.example)
                .unwrap_or_else(|fault| panic!("{}: {}\n{}", function.name, function.example, fault.render()));
            let expected = Value::from_json(function.result.as_bytes())
                .unwrap_or_else(|error| panic!("{}: the result is no JSON: {error}", function.name));
            match template.eval(&scope, &mut Budget::default()) {
                Ok(value) => assert_eq!(value.to_json(), expected.to_json(), "{}", function.example),
                Err(stop) => panic!("{}: {stop}", function.example),
            }
            assert!(Expr::parse(function.example).is_ok(), "{} stands without braces", function.name);
            assert!(function.example.contains(function.name), "{} is in its own example", function.name);
        }
    }

    #[test]
    fn every_function_is_documented() {
        for function in functions() {
            assert!(function.doc.ends_with('.') && !function.doc.contains('\n'), "{}", function.name);
            assert!(function.doc.len() > 10, "{}", function.name);
        }
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion() {
        assert_eq!(unknown("uper"), "there is no function uper; did you mean upper?");
        assert!(unknown("now").ends_with("did you mean $date.now?"));
        assert!(unknown("weekday").ends_with("did you mean $date.weekday?"));
        assert!(unknown("item").ends_with("did you mean $item?"));
        assert!(unknown("zzzzzz").ends_with("quote it"));
        assert!(unknown("$date.fromat").ends_with("did you mean $date.format?"));
    }

    #[test]
    fn the_number_of_operands_is_said() {
        let said = |name: &str, count| find(name).expect("known").takes(count).expect_err("refused");
        assert_eq!(said("upper", 2), "upper takes 1 operand, not 2: upper(text)");
        assert_eq!(said("uuid", 1), "uuid takes no operands, not 1: uuid()");
        assert_eq!(said("substr", 1), "slice takes 2 to 3 operands, not 1: slice(from, to?, value)");
        assert!(said("dict", 3).contains("in twos"));
    }
}
