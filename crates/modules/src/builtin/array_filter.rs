//! `array-filter`: the items of a list for which a condition holds.

use model::Value;
use schemars::JsonSchema;
use sdk::{ArgUse, Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::List;
use crate::elements::{Elements, holds};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The list.
    items: List,
    /// An expression that is true for the items to keep: .amount > 100.
    condition: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The items that are kept.
    items: Vec<Value>,
    /// How many there are.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::pure("array-filter", Group::Data, "Keeps the items for which a condition holds.", run)
        .uses(&[("condition", ArgUse::Lazy)])
        .example(
            r#"{"items":[{"amount":50},{"amount":150}],"condition":".amount > 100"}"#,
            r#"{"items":[{"amount":150}],"count":1}"#,
        )
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let answers = Elements::new("condition", &args.condition, ctx)?.all(&args.items)?;
    let mut items = Vec::new();
    for (index, (item, answer)) in args.items.iter().zip(&answers).enumerate() {
        if holds(answer, index)? {
            items.push(item.clone());
        }
    }
    Ok(Out { count: items.len(), items })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use expr::{Found, Need, Root, Scope};
    use sdk::Stopped;

    use super::module;
    use crate::stage::{check, failure, json, play_with};

    #[test]
    fn conditions_read_the_element_and_the_scope() {
        check(
            &module(),
            &[
                (r#"{"items":[50,150],"condition":". >= $prev.order.limit"}"#, r#"{"items":[150],"count":1}"#),
                (r#"{"items":["a","b"],"condition":"{{ $index == 1 }}"}"#, r#"{"items":["b"],"count":1}"#),
                (r#"{"items":[1,2],"condition":"$item == 1"}"#, r#"{"items":[1],"count":1}"#),
                (r#"{"items":[{"ok":true},{}],"condition":".ok ?? null"}"#, r#"{"items":[{"ok":true}],"count":1}"#),
                (r#"{"items":[1],"condition":true}"#, r#"{"items":[1],"count":1}"#),
                (r#"{"items":[],"condition":".x > 1"}"#, r#"{"items":[],"count":0}"#),
            ],
        );
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        let (code, message) = failure(&module(), r#"{"items":[1,"x"],"condition":"."}"#);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.starts_with("condition of item [0]: a condition is true or false"), "{message}");
        let (code, message) = failure(&module(), r#"{"items":[{"a":1},{}],"condition":".a == 1"}"#);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.starts_with("condition of item [1]: "), "{message}");
        assert_eq!(failure(&module(), r#"{"items":[1],"condition":". >"}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"items":{},"condition":"true"}"#).0, "BAD_ARGUMENTS");
    }

    #[test]
    fn work_is_bounded_for_all_items_together() {
        let items = vec!["1"; 100_000].join(",");
        let cheap = format!(r#"{{"items":[{items}],"condition":". > 1 || . < 0"}}"#);
        check(&module(), &[(&cheap, r#"{"items":[],"count":0}"#)]);
        let dear = format!(r#"{{"items":[{items}],"condition":"length(range(3000)) < 0"}}"#);
        let (code, message) = failure(&module(), &dear);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.contains("more than the"), "{message}");
    }

    #[test]
    fn all_facts_are_asked_for_at_once() {
        struct Asks;
        impl Scope for Asks {
            fn find(&self, root: &Root<'_>) -> Found {
                if matches!(root, Root::Kv(_)) { Found::Need } else { Found::Missing(String::new()) }
            }
        }
        let args = json(r#"{"items":["a","b","a"],"condition":"$kv[.] == 1"}"#);
        let (asked, _) = play_with(&module(), &args, &Asks);
        assert_eq!(asked, Err(Stopped::Need(vec![Need::Kv("a".into()), Need::Kv("b".into())])));
    }
}
