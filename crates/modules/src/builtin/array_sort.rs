//! `array-sort`: a list in order. Items that are equal stay in theirs.

use std::sync::Arc;

use model::Value;
use model::failure::Failure;
use rust_decimal::Decimal;
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
    /// An expression for what the items are ordered by: .amount. The items themselves where it
    /// is left out.
    by: Option<Value>,
    /// asc for rising order, desc for falling.
    #[serde(default)]
    order: Order,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Order {
    #[default]
    Asc,
    Desc,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The items in order.
    items: Vec<Value>,
    /// How many there are.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::pure("array-sort", Group::Data, "Puts a list in order.", run).uses(&[("by", ArgUse::Lazy)]).example(
        r#"{"items":[{"n":2},{"n":10},{"n":1}],"by":".n","order":"desc"}"#,
        r#"{"items":[{"n":10},{"n":2},{"n":1}],"count":3}"#,
    )
}

/// The items have no common order: they are not all numbers, or all texts.
const NO_ORDER: &str = "NO_ORDER";

/// What an item is ordered by: numbers by value, texts by the codes of their characters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Number(Decimal),
    Text(Arc<str>),
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let values = match &args.by {
        Some(by) => Elements::new("by", by, ctx)?.all(&args.items)?,
        None => args.items.to_vec(),
    };
    let ranks = ranks(&values)?;
    let mut ranked: Vec<(Rank, &Value)> = ranks.into_iter().zip(args.items.iter()).collect();
    match args.order {
        Order::Asc => ranked.sort_by(|a, b| a.0.cmp(&b.0)),
        Order::Desc => ranked.sort_by(|a, b| b.0.cmp(&a.0)),
    }
    let items: Vec<Value> = ranked.into_iter().map(|(_, item)| item.clone()).collect();
    Ok(Out { count: items.len(), items })
}

fn ranks(values: &[Value]) -> Result<Vec<Rank>, Failure> {
    let mut ranks = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let rank = rank(value).map_err(|why| Failure::new(NO_ORDER, format!("item [{index}] {why}")))?;
        if let Some(first) = ranks.first()
            && std::mem::discriminant(first) != std::mem::discriminant(&rank)
        {
            let why = format!("numbers and texts have no common order, and item [{index}] is of the other type");
            return Err(Failure::new(NO_ORDER, why));
        }
        ranks.push(rank);
    }
    Ok(ranks)
}

fn rank(value: &Value) -> Result<Rank, String> {
    match value {
        Value::Text(text) => Ok(Rank::Text(text.clone())),
        Value::Number(number) => {
            let decimal = number.decimal().map(Rank::Number);
            decimal.ok_or_else(|| "has more than the 28 digits that can be compared".to_owned())
        }
        other => Err(format!(
            "is ordered by a value of type {}; only numbers and texts have an order, so give a fallback: by: .x ?? 0",
            other.type_name()
        )),
    }
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn numbers_by_value_and_texts_by_code() {
        check(
            &module(),
            &[
                (r#"{"items":[10,9,1.5,-1]}"#, r#"{"items":[-1,1.5,9,10],"count":4}"#),
                (r#"{"items":["b","B","a","10","9"]}"#, r#"{"items":["10","9","B","a","b"],"count":5}"#),
                (r#"{"items":[]}"#, r#"{"items":[],"count":0}"#),
            ],
        );
    }

    #[test]
    fn equal_items_stay_in_their_order() {
        let items = r#"[{"k":1,"n":"a"},{"k":0,"n":"b"},{"k":1.0,"n":"c"},{"k":0,"n":"d"}]"#;
        let names = |order: &str| {
            let args = format!(r#"{{"items":{items},"by":"{{{{ .k }}}}","order":"{order}"}}"#);
            let out = crate::stage::run(&module(), &args).expect("gives");
            let items = out.get("items").and_then(model::Value::as_list).expect("a list").to_vec();
            items
                .iter()
                .filter_map(|item| item.get("n").and_then(model::Value::as_str).map(str::to_owned))
                .collect::<String>()
        };
        assert_eq!((names("asc").as_str(), names("desc").as_str()), ("bdac", "acbd"));
    }

    #[test]
    fn mixed_types_have_no_order() {
        for items in [r#"[1,"a"]"#, "[null]", "[[1],[2]]", "[true]", r#"[1e300]"#] {
            assert_eq!(failure(&module(), &format!(r#"{{"items":{items}}}"#)).0, "NO_ORDER", "{items}");
        }
    }
}
