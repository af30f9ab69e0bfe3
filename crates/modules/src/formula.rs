//! [`give`]: what a fixed expression of the language gives for a module's own arguments.
//!
//! So that a module and the language calculate the same way, and nothing is written twice.

use expr::{Budget, Given, Stop, Template};
use model::Value;
use model::failure::{Failure, code};

/// The value of an expression whose `.` is this value.
///
/// # Errors
/// With the module's own code, and why the expression fails.
pub(crate) fn give(expression: &str, dot: Value, code: &'static str) -> Result<Value, Failure> {
    let template = Template::compile_expr(expression).map_err(|fault| broken(&fault.message))?;
    let scope = Given { dot: Some(dot), ..Given::default() };
    template.eval(&scope, &mut Budget::default()).map_err(|stop| match stop {
        Stop::Failed(error) => Failure::new(code, error.message),
        Stop::Need(_) => broken("a formula reads its argument only"),
    })
}

/// A formula is part of the program: it compiles and asks for nothing, or the program is wrong.
fn broken(why: &str) -> Failure {
    Failure::new(code::INTERNAL_ERROR, format!("a formula of the program is wrong: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_gives_a_value_or_the_modules_failure() {
        let dot = Value::from_json(br#"{"a":0.1,"b":0.2}"#).expect("JSON");
        assert_eq!(give("add(.a, .b)", dot.clone(), "MATH_ERROR").map(|sum| sum.to_json()), Ok("0.3".into()));
        let failure = give("add(.a, 'x')", dot.clone(), "MATH_ERROR").expect_err("fails");
        assert_eq!(failure.code, "MATH_ERROR");
        assert_eq!(give("noSuchFunction(.a)", dot, "MATH_ERROR").expect_err("fails").code, code::INTERNAL_ERROR);
    }
}
