//! Arithmetic, rounding and the writing of amounts. All exact; see [`crate::eval::arith`].

use std::cmp::Ordering;

use model::Value;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::{arith, compare};
use crate::stop::{Halt, Outcome};

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Number,
        "add(a, b, more...)",
        "The sum of numbers; of strings, one behind the other.",
        "add 0.1 0.2",
        "0.3",
        add,
    ),
    strict(Kind::Number, "sub(a, b)", "What is left of a without b.", "sub 1 0.9", "0.1", |of, _| {
        arith::subtract(of.value(0), of.value(1))
    }),
    strict(Kind::Number, "mul(a, b, more...)", "The product of numbers.", "mul 1.15 2", "2.3", mul),
    strict(
        Kind::Number,
        "div(a, b)",
        "a divided by b, exact where 28 digits are enough.",
        "div 10 4",
        "2.5",
        |of, _| arith::divide(of.value(0), of.value(1)),
    ),
    strict(Kind::Number, "intDiv(a, b)", "a divided by b, without the fraction.", "intDiv -7 2", "-3", int_div),
    strict(
        Kind::Number,
        "mod(a, b)",
        "What is left of a when it is divided by b; it has the sign of a.",
        "mod 7.5 2",
        "1.5",
        |of, _| arith::remainder(of.value(0), of.value(1)),
    )
    .alias(&["rem"]),
    strict(Kind::Number, "neg(number)", "The number with the other sign.", "neg 5", "-5", |of, _| {
        arith::negate(of.value(0))
    }),
    strict(Kind::Number, "abs(number)", "The number without its sign.", "abs -2.50", "2.5", |of, _| {
        map(of, |number| number.abs())
    }),
    strict(Kind::Number, "sign(number)", "-1, 0 or 1.", "sign -3", "-1", sign),
    strict(
        Kind::Number,
        "floor(number)",
        "The greatest whole number that is not above it.",
        "floor -1.5",
        "-2",
        |of, _| map(of, |number| number.floor()),
    ),
    strict(Kind::Number, "ceil(number)", "The least whole number that is not below it.", "ceil 1.2", "2", |of, _| {
        map(of, |number| number.ceil())
    }),
    strict(
        Kind::Number,
        "round(number)",
        "The nearest whole number; a half goes away from zero.",
        "round 2.5",
        "3",
        |of, _| map(of, |number| half_away(number, 0)),
    ),
    strict(
        Kind::Number,
        "roundTo(places, number)",
        "The number rounded to decimal places; a half goes away from zero.",
        "roundTo 2 1.005",
        "1.01",
        |of, _| round_to(of, RoundingStrategy::MidpointAwayFromZero),
    ),
    strict(
        Kind::Number,
        "roundHalfEven(places, number)",
        "The number rounded to decimal places; a half goes to the even neighbour.",
        "roundHalfEven 2 1.005",
        "1",
        |of, _| round_to(of, RoundingStrategy::MidpointNearestEven),
    ),
    strict(
        Kind::Number,
        "min(value, more...)",
        "The least of the values, or of the items of one list: all numbers or all strings.",
        "min 3 1.5 2",
        "1.5",
        |of, budget| extreme(of, budget, Ordering::Less),
    ),
    strict(
        Kind::Number,
        "max(value, more...)",
        "The greatest of the values, or of the items of one list: all numbers or all strings.",
        "max (list 3 1 2)",
        "3",
        |of, budget| extreme(of, budget, Ordering::Greater),
    ),
    strict(
        Kind::Number,
        "clamp(least, most, number)",
        "The number, but not below the least and not above the most.",
        "clamp 0 100 120",
        "100",
        clamp,
    ),
    strict(
        Kind::Number,
        "pow(number, exponent)",
        "The number to the power of a whole exponent.",
        "pow 1.1 3",
        "1.331",
        pow,
    ),
    strict(
        Kind::Number,
        "sum(list)",
        "The sum of a list of numbers; 0 of an empty one.",
        "sum (list 0.1 0.2 0.3)",
        "0.6",
        |of, budget| total(of, budget).map(arith::value),
    ),
    strict(Kind::Number, "avg(list)", "The mean of a list of numbers.", "avg (list 1 2 4 5)", "3", avg)
        .alias(&["mean"]),
    strict(
        Kind::Number,
        "median(list)",
        "The middle of a list of numbers, or the mean of the middle two.",
        "median (list 9 1 2)",
        "2",
        median,
    ),
    strict(
        Kind::Number,
        "fixed(places, number)",
        "The number as text with exactly so many decimal places; a half goes away from zero.",
        "fixed 2 12.5",
        r#""12.50""#,
        fixed,
    )
    .alias(&["toFixed"]),
    strict(
        Kind::Number,
        "money(places, thousands?, point?, number)",
        r#"The number as text with fixed places and grouped thousands; "," and "." unless others are given."#,
        r#"money 2 "." "," 1234567.5"#,
        r#""1.234.567,50""#,
        money,
    )
    .alias(&["formatNumber"]),
];

fn add(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let mut sum = of.value(0).clone();
    for other in &of.all()[1..] {
        sum = arith::add(&sum, other, budget)?;
    }
    Ok(sum)
}

fn mul(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    let mut product = of.value(0).clone();
    for other in &of.all()[1..] {
        product = arith::multiply(&product, other)?;
    }
    Ok(product)
}

fn int_div(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    let (a, b) = (of.decimal(0)?, of.decimal(1)?);
    if b.is_zero() {
        return Err(of.refuse(1, "must not be zero"));
    }
    // Whatever is left over is taken away first, so that rounding cannot reach the next whole number.
    let whole = a.checked_rem(b).and_then(|rest| a.checked_sub(rest)).and_then(|even| even.checked_div(b));
    whole.map(|whole| arith::value(whole.trunc())).ok_or_else(|| arith::overflow("intDiv"))
}

fn sign(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    let number = of.decimal(0)?;
    Ok(Value::from(if number.is_zero() {
        0
    } else if number.is_sign_negative() {
        -1
    } else {
        1
    }))
}

fn map(of: &Operands<'_>, change: impl Fn(Decimal) -> Decimal) -> Outcome {
    Ok(arith::value(change(of.decimal(0)?)))
}

fn half_away(number: Decimal, places: u32) -> Decimal {
    number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// The decimal places that an operand asks for.
fn places(of: &Operands<'_>) -> Outcome<u32> {
    u32::try_from(of.whole(0)?)
        .ok()
        .filter(|places| *places <= Decimal::MAX_SCALE)
        .ok_or_else(|| of.refuse(0, "must be 0 to 28 decimal places; the number comes last"))
}

fn round_to(of: &Operands<'_>, strategy: RoundingStrategy) -> Outcome {
    Ok(arith::value(of.decimal(1)?.round_dp_with_strategy(places(of)?, strategy)))
}

/// The operands themselves, or the items of the only one.
fn values<'o>(of: &'o Operands<'_>) -> &'o [Value] {
    match of.all() {
        [Value::List(items)] => items,
        several => several,
    }
}

fn extreme(of: &mut Operands<'_>, budget: &mut Budget, wanted: Ordering) -> Outcome {
    let values = values(of);
    budget.go_through(values.len())?;
    let Some((first, rest)) = values.split_first() else {
        return Err(Halt::missing("the list is empty"));
    };
    let mut found = first;
    // Compared with itself, so that one value alone must be a number or a string, too.
    compare::order(found, found)?;
    for value in rest {
        if compare::order(value, found)? == wanted {
            found = value;
        }
    }
    Ok(found.clone())
}

fn clamp(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    let (least, most, number) = (of.decimal(0)?, of.decimal(1)?, of.decimal(2)?);
    if least > most {
        return Err(of.refuse(0, "must not be above the most"));
    }
    Ok(arith::value(number.clamp(least, most)))
}

fn pow(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    let (mut base, exponent) = (of.decimal(0)?, of.whole(1)?);
    if exponent < 0 {
        if base.is_zero() {
            return Err(of.refuse(0, "must not be zero where the exponent is negative"));
        }
        base = Decimal::ONE.checked_div(base).ok_or_else(|| arith::overflow("pow"))?;
    }
    let (mut left, mut result) = (exponent.unsigned_abs(), Decimal::ONE);
    loop {
        if left % 2 == 1 {
            result = result.checked_mul(base).ok_or_else(|| arith::overflow("pow"))?;
        }
        left /= 2;
        if left == 0 {
            return Ok(arith::value(result));
        }
        base = base.checked_mul(base).ok_or_else(|| arith::overflow("pow"))?;
    }
}

/// The decimals of a list of numbers.
fn decimals(of: &Operands<'_>, budget: &mut Budget) -> Outcome<Vec<Decimal>> {
    let items = of.list(0)?;
    budget.list(items.len())?;
    let each = items.iter().enumerate().map(|(at, item)| match item {
        Value::Number(number) => compare::decimal(number),
        other => Err(of.refuse(0, &format!("must hold numbers only; [{at}] is {}", compare::described(other)))),
    });
    each.collect()
}

fn total(of: &Operands<'_>, budget: &mut Budget) -> Outcome<Decimal> {
    let numbers = decimals(of, budget)?;
    let sum = numbers.into_iter().try_fold(Decimal::ZERO, |sum, number| sum.checked_add(number));
    sum.ok_or_else(|| arith::overflow("sum"))
}

fn avg(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let count = of.list(0)?.len();
    if count == 0 {
        return Err(Halt::missing("the list is empty"));
    }
    let mean = total(of, budget)?.checked_div(Decimal::from(count));
    mean.map(arith::value).ok_or_else(|| arith::overflow("avg"))
}

fn median(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let mut numbers = decimals(of, budget)?;
    super::list::pay_for_sorting(numbers.len(), budget)?;
    numbers.sort_unstable();
    let middle = numbers.len() / 2;
    match numbers.get(middle) {
        None => Err(Halt::missing("the list is empty")),
        Some(upper) if numbers.len() % 2 == 1 => Ok(arith::value(*upper)),
        Some(upper) => numbers[middle - 1]
            .checked_add(*upper)
            .and_then(|sum| sum.checked_div(Decimal::TWO))
            .map(arith::value)
            .ok_or_else(|| arith::overflow("median")),
    }
}

/// The number with exactly so many places, as digits: `-1234.50`.
fn digits(number: Decimal, places: u32) -> String {
    let rounded = half_away(number, places);
    let rounded = if rounded.is_zero() { rounded.abs() } else { rounded };
    format!("{rounded:.places$}", places = places as usize)
}

fn fixed(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.text(64)?;
    Ok(digits(of.decimal(1)?, places(of)?).into())
}

fn money(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let last = of.last();
    let thousands = if last > 1 { of.text(1)? } else { "," };
    let point = if last > 2 { of.text(2)? } else { "." };
    budget.text(64_usize.saturating_add(thousands.len().saturating_mul(10)).saturating_add(point.len()))?;
    let digits = digits(of.decimal(last)?, places(of)?);
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut text = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push_str(thousands);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push_str(point);
        text.push_str(fraction);
    }
    Ok(text.into())
}
