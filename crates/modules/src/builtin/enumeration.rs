//! `enumeration`: a list of numbers, exact, from one up or down to another and including it.

use model::Value;
use model::limits::LOOP_ITEMS;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Exact, beyond_limit, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The first number.
    from: Exact,
    /// The last number, where the steps reach it.
    to: Exact,
    /// From one number to the next; negative to count down.
    #[serde(default = "one")]
    step: Exact,
}

fn one() -> Exact {
    Exact::of(1)
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The numbers, at most 100,000.
    items: Vec<Value>,
}

pub(crate) fn module() -> Module {
    Module::pure("enumeration", Group::Control, "A list of numbers from one to another.", run)
        .example(r#"{"from":1,"to":2,"step":0.5}"#, r#"{"items":[1,1.5,2]}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let (from, to, step) = (decimal("from", &args.from)?, decimal("to", &args.to)?, decimal("step", &args.step)?);
    if step.is_zero() {
        return Err(refused("step: must not be zero").into());
    }
    let is_past = |number: Decimal| if step.is_sign_negative() { number < to } else { number > to };
    let mut items = Vec::new();
    let mut number = from;
    while !is_past(number) {
        if items.len() == LOOP_ITEMS {
            return Err(beyond_limit(format!("the list has more than {LOOP_ITEMS} numbers; take larger steps")).into());
        }
        items.push(Value::from(model::Number::from(number.normalize())));
        // Beyond what a decimal holds there is no number up to `to` any more.
        let Some(next) = number.checked_add(step) else { break };
        if next.checked_sub(number) != Some(step) {
            return Err(refused("step: is too small beside the numbers to be added to them exactly").into());
        }
        number = next;
    }
    Ok(Out { items })
}

fn decimal(name: &str, number: &Exact) -> Result<Decimal, Stopped> {
    let decimal = number.decimal();
    decimal.ok_or_else(|| refused(format!("{name}: has more than the 28 digits that can be computed with")).into())
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn the_last_number_is_included_where_it_is_reached() {
        check(
            &module(),
            &[
                (r#"{"from":1,"to":3}"#, r#"{"items":[1,2,3]}"#),
                (r#"{"from":0,"to":0.3,"step":0.1}"#, r#"{"items":[0,0.1,0.2,0.3]}"#),
                (r#"{"from":1,"to":4,"step":2}"#, r#"{"items":[1,3]}"#),
                (r#"{"from":3,"to":1,"step":-1}"#, r#"{"items":[3,2,1]}"#),
                (r#"{"from":3,"to":1}"#, r#"{"items":[]}"#),
                (r#"{"from":5,"to":5,"step":-7}"#, r#"{"items":[5]}"#),
                (
                    r#"{"from":79228162514264337593543950334,"to":79228162514264337593543950335}"#,
                    r#"{"items":[79228162514264337593543950334,79228162514264337593543950335]}"#,
                ),
            ],
        );
    }

    #[test]
    fn endless_lists_are_refused() {
        assert_eq!(failure(&module(), r#"{"from":1,"to":2,"step":0}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"from":1,"to":100001}"#).0, "LIMIT_EXCEEDED");
        assert_eq!(failure(&module(), r#"{"from":1,"to":1e300}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"from":"1","to":2}"#).0, "BAD_ARGUMENTS");
        let lost = r#"{"from":79228162514264337593543950330,"to":79228162514264337593543950335,"step":0.1}"#;
        assert_eq!(failure(&module(), lost).0, "BAD_ARGUMENTS");
    }
}
