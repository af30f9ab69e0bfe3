//! One condition of a flowlet's filters, on values that are already evaluated.

use model::Value;
use model::flow::{Cast, Operator};

use crate::budget::Budget;
use crate::eval::{compare, write};
use crate::functions::{as_boolean, as_number, compile_pattern};
use crate::stop::{EvalError, Halt, Outcome};

/// Whether a filter passes. The cast, where there is one, is applied to both sides first; of a
/// list that is asked what it contains, to its items.
///
/// Values of different types are never equal and have no order. Null contains nothing.
/// `is_empty` and `not_empty` look at the left side as it is.
///
/// # Errors
/// Where a side cannot be cast, the two have no order, or the operator does not apply to them.
/// The error's path is `leftValue` or `rightValue` where one of them is to blame.
pub fn test_filter(
    operator: Operator,
    cast: Option<Cast>,
    left: &Value,
    right: &Value,
    budget: &mut Budget,
) -> Result<bool, EvalError> {
    Sides { cast, left, right }.test(operator, budget).map_err(|Blame(side, halt)| match halt {
        Halt::Failed(failure) => failure.into_error(side),
        // Values at hand need nothing.
        Halt::Need => EvalError {
            reason: crate::Reason::Missing,
            message: "a value is not at hand".to_owned(),
            path: side.to_owned(),
            column: 1,
        },
    })
}

/// A failure, and the side that is to blame; empty where both are.
struct Blame(&'static str, Halt);

const LEFT: &str = "leftValue";
const RIGHT: &str = "rightValue";

struct Sides<'v> {
    cast: Option<Cast>,
    left: &'v Value,
    right: &'v Value,
}

impl Sides<'_> {
    fn test(&self, operator: Operator, budget: &mut Budget) -> Result<bool, Blame> {
        let ordered = |holds: fn(std::cmp::Ordering) -> bool, budget: &mut Budget| {
            let (left, right) = self.both(budget)?;
            compare::order(&left, &right).map(holds).map_err(|halt| Blame("", halt))
        };
        match operator {
            Operator::Eq => self.equal(budget),
            Operator::Neq => self.equal(budget).map(|same| !same),
            Operator::Gt => ordered(std::cmp::Ordering::is_gt, budget),
            Operator::Gte => ordered(std::cmp::Ordering::is_ge, budget),
            Operator::Lt => ordered(std::cmp::Ordering::is_lt, budget),
            Operator::Lte => ordered(std::cmp::Ordering::is_le, budget),
            Operator::Contains => self.contains(budget),
            Operator::NotContains => self.contains(budget).map(|holds| !holds),
            Operator::IsEmpty => Ok(compare::is_empty(self.left)),
            Operator::NotEmpty => Ok(!compare::is_empty(self.left)),
            Operator::Regex => self.matches(budget),
        }
    }

    /// Both sides, cast.
    fn both(&self, budget: &mut Budget) -> Result<(Value, Value), Blame> {
        let left = self.turn(self.left, budget).map_err(|halt| Blame(LEFT, halt))?;
        let right = self.turn(self.right, budget).map_err(|halt| Blame(RIGHT, halt))?;
        Ok((left, right))
    }

    fn turn(&self, value: &Value, budget: &mut Budget) -> Outcome {
        match self.cast {
            None => Ok(value.clone()),
            Some(Cast::String) => write::text_of(value, budget).map(Value::Text),
            Some(Cast::Number) => as_number(value, budget),
            Some(Cast::Boolean) => as_boolean(value).map(Value::Bool),
        }
    }

    fn equal(&self, budget: &mut Budget) -> Result<bool, Blame> {
        let (left, right) = self.both(budget)?;
        compare::equal(&left, &right, budget).map_err(|halt| Blame("", halt))
    }

    fn contains(&self, budget: &mut Budget) -> Result<bool, Blame> {
        match self.left {
            Value::Null => Ok(false),
            Value::List(items) => {
                let wanted = self.turn(self.right, budget).map_err(|halt| Blame(RIGHT, halt))?;
                budget.go_through(items.len()).map_err(|halt| Blame(LEFT, halt))?;
                for item in items.iter() {
                    let item = self.turn(item, budget).map_err(|halt| Blame(LEFT, halt))?;
                    if compare::equal(&item, &wanted, budget).map_err(|halt| Blame("", halt))? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(fields) => match self.right {
                Value::Text(key) => Ok(fields.contains_key(key)),
                other => Err(Blame(RIGHT, refused("the key of an object is a string", other))),
            },
            _ => {
                let (left, right) = self.both(budget)?;
                let Value::Text(text) = &left else {
                    return Err(Blame(LEFT, refused("contains asks a string, a list or an object", &left)));
                };
                let Value::Text(part) = &right else {
                    return Err(Blame(
                        RIGHT,
                        refused("a string contains a string (cast: string turns it into one)", &right),
                    ));
                };
                budget.scan(text.len().saturating_add(part.len())).map_err(|halt| Blame(LEFT, halt))?;
                Ok(text.contains(&**part))
            }
        }
    }

    fn matches(&self, budget: &mut Budget) -> Result<bool, Blame> {
        let left = self.turn(self.left, budget).map_err(|halt| Blame(LEFT, halt))?;
        let Value::Text(text) = &left else {
            return Err(Blame(
                LEFT,
                refused("a pattern is looked for in a string (cast: string turns it into one)", &left),
            ));
        };
        let Value::Text(pattern) = self.right else {
            return Err(Blame(RIGHT, refused("a pattern is a string", self.right)));
        };
        budget.scan(text.len()).map_err(|halt| Blame(LEFT, halt))?;
        let pattern = compile_pattern(pattern).map_err(|message| Blame(RIGHT, Halt::operand(message)))?;
        Ok(pattern.is_match(text))
    }
}

fn refused(rule: &str, value: &Value) -> Halt {
    Halt::operand(format!("{rule}, not {}", compare::described(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).expect("JSON")
    }

    fn test(left: &str, operator: Operator, right: &str, cast: Option<Cast>) -> Result<bool, String> {
        test_filter(operator, cast, &json(left), &json(right), &mut Budget::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn operators_compare_by_value() {
        use Operator::{Contains, Eq, Gt, Gte, IsEmpty, Lt, Lte, Neq, NotContains, NotEmpty, Regex};
        for (left, operator, right, expected) in [
            ("1.0", Eq, "1", true),
            ("\"1\"", Eq, "1", false),
            ("\"1\"", Neq, "1", true),
            ("null", Eq, "null", true),
            ("2", Gt, "1.5", true),
            ("2", Gte, "2.0", true),
            ("\"a\"", Lt, "\"b\"", true),
            ("2", Lte, "1", false),
            ("\"abc\"", Contains, "\"b\"", true),
            ("[1,2]", Contains, "2.0", true),
            ("[1,2]", Contains, "\"2\"", false),
            ("{\"a\":1}", Contains, "\"a\"", true),
            ("null", Contains, "\"a\"", false),
            ("\"abc\"", NotContains, "\"x\"", true),
            ("\"\"", IsEmpty, "null", true),
            ("0", IsEmpty, "null", false),
            ("[]", IsEmpty, "null", true),
            ("{}", NotEmpty, "null", false),
            ("false", NotEmpty, "null", true),
            ("\"INV-12\"", Regex, "\"^INV-\\\\d+$\"", true),
        ] {
            assert_eq!(test(left, operator, right, None), Ok(expected), "{left} {operator:?} {right}");
        }
    }

    #[test]
    fn a_cast_is_applied_to_both_sides() {
        use Operator::{Contains, Eq, Gt, Lt, Regex};
        for (left, operator, right, cast, expected) in [
            ("\"9\"", Gt, "\"10\"", Cast::Number, false),
            ("9", Lt, "\"10\"", Cast::Number, true),
            ("1.10", Eq, "\"1.10\"", Cast::String, true),
            ("null", Eq, "\"\"", Cast::String, true),
            ("\"true\"", Eq, "true", Cast::Boolean, true),
            ("0", Eq, "\"false\"", Cast::Boolean, true),
            ("[\"1\",\"2\"]", Contains, "2", Cast::Number, true),
            ("1234", Contains, "23", Cast::String, true),
            ("1234", Regex, "\"^12\"", Cast::String, true),
        ] {
            assert_eq!(test(left, operator, right, Some(cast)), Ok(expected), "{left} {operator:?} {right}");
        }
    }

    #[test]
    fn what_does_not_apply_is_an_error_that_names_the_side() {
        use Operator::{Contains, Eq, Gt, Regex};
        for (left, operator, right, cast, message) in [
            ("\"1\"", Gt, "1", None, "have an order"),
            ("null", Gt, "1", None, "have an order"),
            ("\"x\"", Eq, "1", Some(Cast::Number), "leftValue: "),
            ("1", Eq, "\"x\"", Some(Cast::Number), "rightValue: "),
            ("1", Contains, "1", None, "leftValue: "),
            ("\"1\"", Contains, "1", None, "rightValue: "),
            ("1", Regex, "\"1\"", None, "leftValue: "),
            ("\"1\"", Regex, "\"(\"", None, "rightValue: "),
            ("{}", Contains, "1", None, "rightValue: "),
        ] {
            let error = test(left, operator, right, cast).expect_err("refused");
            assert!(error.contains(message), "{left} {operator:?} {right}: {error}");
        }
    }
}
