//! `array-reduce`: makes one value of a list, item by item.

use expr::{Element, Found, Root, Scope};
use model::Value;
use model::failure::Failure;
use model::limits::{EXPRESSION_BYTES, JSON_DEPTH};
use schemars::JsonSchema;
use sdk::{ArgUse, Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{List, beyond_limit};
use crate::elements::Elements;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The list.
    items: List,
    /// What it starts with, and what an empty list gives.
    initial: Value,
    /// An expression for the next value: .acc is the one so far, .item (and $item) the item.
    value: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What became of it.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("array-reduce", Group::Data, "Makes one value of a list, item by item.", run)
        .uses(&[("value", ArgUse::Lazy)])
        .example(r#"{"items":[0.1,0.2,0.3],"initial":0,"value":".acc + .item"}"#, r#"{"value":0.6}"#)
}

/// The scope of an element, with a dot of its own.
struct Step<'a> {
    element: Element<'a>,
    dot: Value,
}

impl Scope for Step<'_> {
    fn find(&self, root: &Root<'_>) -> Found {
        if *root == Root::Dot { Found::Value(self.dot.clone()) } else { self.element.find(root) }
    }
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let mut elements = Elements::new("value", &args.value, ctx)?;
    let mut value = args.initial;
    let mut walked = 0;
    for (index, item) in args.items.iter().enumerate() {
        let dot = Value::map([("acc", value), ("item", item.clone())]);
        let element = Element { outer: ctx.scope(), dot: item.clone(), index };
        value = elements.one(&Step { element, dot }, index)?;
        if index % CHECK_EVERY == 0 {
            check_depth(&value, &mut walked)?;
        }
    }
    Ok(Out { value })
}

/// Items after which it is looked whether the value nests too deep: one by one it could become
/// deeper than anything that walks through it can bear.
const CHECK_EVERY: usize = 4;

fn check_depth(value: &Value, walked: &mut usize) -> Result<(), Failure> {
    let measure = value.measure((EXPRESSION_BYTES as usize).saturating_sub(*walked), JSON_DEPTH);
    *walked = walked.saturating_add(measure.bytes);
    if measure.depth > JSON_DEPTH {
        return Err(beyond_limit(format!("value: nests deeper than {JSON_DEPTH} levels")));
    }
    if *walked > EXPRESSION_BYTES as usize {
        return Err(beyond_limit(format!("value: is more than {EXPRESSION_BYTES} bytes, taken over all items")));
    }
    Ok(())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn it_folds_from_the_left() {
        check(
            &module(),
            &[
                (
                    r#"{"items":["a","b"],"initial":"","value":"{{ .acc }}{{ .item }}{{ $index }}"}"#,
                    r#"{"value":"a0b1"}"#,
                ),
                (r#"{"items":[3,9,4],"initial":null,"value":"max $item (.acc ?? $item)"}"#, r#"{"value":9}"#),
                (
                    r#"{"items":[{"k":"a","v":1}],"initial":{},"value":"set .item.k .item.v .acc"}"#,
                    r#"{"value":{"a":1}}"#,
                ),
                (r#"{"items":[1],"initial":0,"value":{"sum":"{{ .acc + .item }}"}}"#, r#"{"value":{"sum":1}}"#),
                (r#"{"items":[],"initial":[7],"value":".acc"}"#, r#"{"value":[7]}"#),
            ],
        );
    }

    #[test]
    fn what_grows_is_bounded() {
        let items = vec!["1"; 1_000].join(",");
        let args = format!(r#"{{"items":[{items}],"initial":"x","value":".acc + .acc"}}"#);
        let (code, message) = failure(&module(), &args);
        assert_eq!(code, "EXPRESSION_ERROR");
        assert!(message.starts_with("value of item ["), "{message}");
        let items = vec!["1"; 50_000].join(",");
        let deeper = format!(r#"{{"items":[{items}],"initial":[],"value":["{{{{ .acc }}}}"]}}"#);
        assert_eq!(
            failure(&module(), &deeper),
            ("LIMIT_EXCEEDED".into(), "value: nests deeper than 128 levels".into())
        );
    }
}
