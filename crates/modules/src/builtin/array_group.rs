//! `array-group`: the items of a list, grouped by what an expression gives for them.

use std::collections::HashMap;

use model::Value;
use schemars::JsonSchema;
use sdk::{ArgUse, Group as Shelf, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::List;
use crate::elements::Elements;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The list.
    items: List,
    /// An expression for what the items are grouped by: .customer. Equal values are one group,
    /// whatever their type.
    by: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The groups, in the order in which their first items come.
    groups: Vec<Group>,
    /// How many groups there are.
    count: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Group {
    /// What its items have in common.
    key: Value,
    /// Its items, in the order of the list.
    items: Vec<Value>,
    /// How many items it has.
    count: usize,
}

pub(crate) fn module() -> Module {
    Module::pure("array-group", Shelf::Data, "Groups the items of a list.", run).uses(&[("by", ArgUse::Lazy)]).example(
        r#"{"items":[{"c":"x"},{"c":"y"},{"c":"x"}],"by":".c"}"#,
        r#"{"groups":[{"key":"x","items":[{"c":"x"},{"c":"x"}],"count":2},{"key":"y","items":[{"c":"y"}],"count":1}],"count":2}"#,
    )
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let keys = Elements::new("by", &args.by, ctx)?.all(&args.items)?;
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (item, key) in args.items.iter().zip(keys) {
        let at = *known.entry(key.to_canonical_json()).or_insert_with(|| {
            groups.push(Group { key, items: Vec::new(), count: 0 });
            groups.len() - 1
        });
        groups[at].items.push(item.clone());
        groups[at].count += 1;
    }
    Ok(Out { count: groups.len(), groups })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::check;

    #[test]
    fn equal_values_are_one_group() {
        check(
            &module(),
            &[
                (
                    r#"{"items":[1,1.0,"1",null],"by":"."}"#,
                    concat!(
                        r#"{"groups":[{"key":1,"items":[1,1.0],"count":2},{"key":"1","items":["1"],"count":1},"#,
                        r#"{"key":null,"items":[null],"count":1}],"count":3}"#
                    ),
                ),
                (r#"{"items":[],"by":".x"}"#, r#"{"groups":[],"count":0}"#),
            ],
        );
    }
}
