//! `math`: exact decimals. It calculates as the expression language does: 28 digits, division
//! rounded half to even, too large a number is an error.

use model::Value;
use model::failure::Failure;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Exact, List, refused};
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What to calculate. With values: add (sum), subtract, multiply, divide, modulo and power go
    /// from left to right; min, max, average and median take all. With left alone: round, floor,
    /// ceil, abs and negate.
    operation: Operation,
    /// The first number.
    left: Option<Exact>,
    /// The second number.
    right: Option<Exact>,
    /// The numbers, in place of left and right.
    values: Option<List>,
    /// Decimal places that the result is rounded to, 0 to 28; a half goes away from zero.
    #[schemars(range(max = 28))]
    places: Option<u8>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Add,
    Sum,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Min,
    Max,
    Average,
    Median,
    Round,
    Floor,
    Ceil,
    Abs,
    Negate,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The result.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("math", Group::Data, "Calculates with exact decimals.", run)
        .example(r#"{"operation":"multiply","left":19.99,"right":1.19,"places":2}"#, r#"{"value":23.79}"#)
}

/// It cannot be calculated: a division by zero, too large a number, no number at all.
const MATH: &str = "MATH";

/// How an operation takes its numbers.
enum Kind {
    /// Two at a time, from left to right.
    Fold(&'static str),
    /// All of them.
    All(&'static str),
    /// The only one.
    One(&'static str),
}

impl Operation {
    fn kind(self) -> Kind {
        match self {
            Self::Add | Self::Sum => Kind::All("sum(.)"),
            Self::Subtract => Kind::Fold("sub(.left, .right)"),
            Self::Multiply => Kind::Fold("mul(.left, .right)"),
            Self::Divide => Kind::Fold("div(.left, .right)"),
            Self::Modulo => Kind::Fold("mod(.left, .right)"),
            Self::Power => Kind::Fold("pow(.left, .right)"),
            Self::Min => Kind::All("min(.)"),
            Self::Max => Kind::All("max(.)"),
            Self::Average => Kind::All("avg(.)"),
            Self::Median => Kind::All("median(.)"),
            Self::Round => Kind::One("round(.)"),
            Self::Floor => Kind::One("floor(.)"),
            Self::Ceil => Kind::One("ceil(.)"),
            Self::Abs => Kind::One("abs(.)"),
            Self::Negate => Kind::One("neg(.)"),
        }
    }
}

/// Numbers that an operation takes two at a time.
const FOLDED: usize = 10_000;

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let (operation, places) = (args.operation, args.places);
    let values = numbers(args)?;
    let value = match operation.kind() {
        Kind::All(expression) => formula::give(expression, values.into(), MATH)?,
        Kind::Fold(expression) => fold(expression, &values)?,
        Kind::One(_) if values.len() != 1 => return Err(refused("left: give the one number it takes").into()),
        // Rounding to places is what round itself does.
        Kind::One(_) if operation == Operation::Round && places.is_some() => values[0].clone(),
        Kind::One(expression) => formula::give(expression, values[0].clone(), MATH)?,
    };
    let value = match places {
        Some(places) => {
            let dot = Value::map([("places", Value::from(u16::from(places))), ("value", value)]);
            formula::give("roundTo(.places, .value)", dot, MATH)?
        }
        None => value,
    };
    Ok(Out { value })
}

fn numbers(args: Args) -> Result<Vec<Value>, Failure> {
    let values = match (args.left, args.right, args.values) {
        (None, None, Some(values)) => values.to_vec(),
        (Some(left), right, None) => std::iter::once(left).chain(right).map(Value::from).collect(),
        _ => return Err(refused("give left and right, or values")),
    };
    let odd = values.iter().position(|value| value.as_number().is_none());
    match odd {
        Some(index) => Err(refused(format!(
            "values[{index}]: must be a number, not a value of type {}; number(…) reads one from text",
            values[index].type_name()
        ))),
        None => Ok(values),
    }
}

fn fold(expression: &str, values: &[Value]) -> Result<Value, Failure> {
    let Some((first, rest)) = values.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(refused("values: it takes at least two numbers"));
    };
    if rest.len() > FOLDED {
        return Err(refused(format!("values: it takes at most {FOLDED} numbers")));
    }
    rest.iter().try_fold(first.clone(), |left, right| {
        formula::give(expression, Value::map([("left", left), ("right", right.clone())]), MATH)
    })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn every_operation() {
        for (operation, numbers, value) in [
            ("add", r#""left":0.1,"right":0.2"#, "0.3"),
            ("sum", r#""values":[]"#, "0"),
            ("subtract", r#""left":1,"right":0.9"#, "0.1"),
            ("subtract", r#""values":[10,1,2]"#, "7"),
            ("multiply", r#""values":[1.1,1.1,10]"#, "12.1"),
            ("divide", r#""left":1,"right":8"#, "0.125"),
            ("modulo", r#""left":7.5,"right":2"#, "1.5"),
            ("power", r#""left":1.1,"right":3"#, "1.331"),
            ("min", r#""values":[3,1.5,2]"#, "1.5"),
            ("max", r#""left":3,"right":4"#, "4"),
            ("average", r#""values":[1,2,4,5]"#, "3"),
            ("median", r#""values":[9,1,2]"#, "2"),
            ("round", r#""left":2.5"#, "3"),
            ("round", r#""left":1.005,"places":2"#, "1.01"),
            ("floor", r#""left":-1.5"#, "-2"),
            ("ceil", r#""left":1.2"#, "2"),
            ("abs", r#""left":-2.5"#, "2.5"),
            ("negate", r#""left":5"#, "-5"),
            ("divide", r#""left":10,"right":3,"places":2"#, "3.33"),
        ] {
            let args = format!(r#"{{"operation":"{operation}",{numbers}}}"#);
            check(&module(), &[(&args, &format!(r#"{{"value":{value}}}"#))]);
        }
    }

    #[test]
    fn what_cannot_be_calculated_is_refused() {
        for (args, code) in [
            (r#"{"operation":"divide","left":1,"right":0}"#, "MATH"),
            (r#"{"operation":"power","left":10,"right":100}"#, "MATH"),
            (r#"{"operation":"power","left":10,"right":0.5}"#, "MATH"),
            (r#"{"operation":"add","left":1,"right":1e300}"#, "MATH"),
            (r#"{"operation":"min","values":[]}"#, "MATH"),
            (r#"{"operation":"round","left":1,"places":29}"#, "MATH"),
            (r#"{"operation":"add"}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"add","left":1,"values":[1]}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"add","right":1}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"subtract","left":1}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"abs","left":1,"right":2}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"add","values":["1"]}"#, "BAD_ARGUMENTS"),
            (r#"{"operation":"max","values":["a","b"]}"#, "BAD_ARGUMENTS"),
        ] {
            assert_eq!(failure(&module(), args).0, code, "{args}");
        }
    }
}
