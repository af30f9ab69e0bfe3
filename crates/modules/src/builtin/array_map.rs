//! `array-map`: makes a value of each item of a list.

use model::Value;
use schemars::JsonSchema;
use sdk::{ArgUse, Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::List;
use crate::elements::Elements;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The list.
    items: List,
    /// An expression such as .price * .quantity; or an object or a list, with expressions in
    /// braces in its texts.
    value: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What became of the items, in their order.
    items: Vec<Value>,
    /// How many there are.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::pure("array-map", Group::Data, "Makes a value of each item of a list.", run)
        .uses(&[("value", ArgUse::Lazy)])
        .example(
            r#"{"items":[{"price":1.10,"quantity":3}],"value":{"total":"{{ .price * .quantity }}"}}"#,
            r#"{"items":[{"total":3.3}],"count":1}"#,
        )
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let items = Elements::new("value", &args.value, ctx)?.all(&args.items)?;
    Ok(Out { count: items.len(), items })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn a_value_may_be_any_template() {
        check(
            &module(),
            &[
                (r#"{"items":[1,2],"value":". * $prev.args.factor"}"#, r#"{"items":[2,4],"count":2}"#),
                (r#"{"items":[1.10],"value":"{{ . }}"}"#, r#"{"items":[1.10],"count":1}"#),
                (r#"{"items":["a"],"value":"{{ $index }}: {{ . }}"}"#, r#"{"items":["0: a"],"count":1}"#),
                (r#"{"items":["a"],"value":["{{ . }}",{"n":null}]}"#, r#"{"items":[["a",{"n":null}]],"count":1}"#),
                (r#"{"items":[1,2],"value":7}"#, r#"{"items":[7,7],"count":2}"#),
            ],
        );
    }

    #[test]
    fn every_item_draws_its_own_uuid() {
        let out = crate::stage::run(&module(), r#"{"items":[1,2],"value":"uuid"}"#).expect("gives");
        let items = out.get("items").and_then(model::Value::as_list).expect("a list").to_vec();
        assert_ne!(items[0], items[1]);
    }

    #[test]
    fn what_is_built_is_bounded() {
        let items = vec!["1"; 2_000].join(",");
        let args = format!(r#"{{"items":[{items}],"value":"padLeft 100000 'x'"}}"#);
        let (code, message) = failure(&module(), &args);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.contains("bytes") || message.contains("steps"), "{message}");
    }
}
