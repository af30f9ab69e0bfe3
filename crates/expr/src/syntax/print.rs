//! Prints an expression so that it parses to the same tree.

use std::fmt::{self, Display, Formatter};

use model::Value;

use super::lex::is_field_name;
use super::{Base, BinaryOp, Call, Expr, Node, Path, Step, UnaryOp, binding};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Literal(value) => literal(value, f),
            Node::Path(path) => path.fmt(f),
            Node::Unary(op, operand) => unary(*op, operand, f),
            Node::Binary(op, operands) => binary(*op, operands, f),
            Node::Choice(operands) => {
                let [condition, then, other] = &**operands;
                within(condition, binding::COALESCE, f)?;
                f.write_str(" ? ")?;
                within(then, binding::CHOICE, f)?;
                f.write_str(" : ")?;
                within(other, binding::CHOICE, f)
            }
            Node::Call(call) => call.fmt(f),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name)?;
        for (at, operand) in self.operands.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            operand.fmt(f)?;
        }
        f.write_str(")")
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Prev(name) => write!(f, "$prev.{name}")?,
            Base::Args => f.write_str("$prev.args")?,
            Base::Kv(key) => kv(key, f)?,
            Base::Secret(name) => named("$secret", name, f)?,
            Base::Env(name) => named("$env", name, f)?,
            Base::Flow => f.write_str("$flow")?,
            Base::Play => f.write_str("$play")?,
            Base::Step => f.write_str("$step")?,
            Base::Now => f.write_str("$date.now")?,
            Base::Item => f.write_str("$item")?,
            Base::Index => f.write_str("$index")?,
            Base::Dot if matches!(self.steps.first(), Some(Step::Field(name)) if is_field_name(name)) => {}
            Base::Dot => f.write_str(".")?,
            Base::Value(value) => write!(f, "({value})")?,
        }
        self.steps.iter().try_for_each(|step| step.fmt(f))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => named("", name, f),
            Self::At(position) => write!(f, "[{position}]"),
            Self::Computed(inner) => write!(f, "[{inner}]"),
        }
    }
}

/// `root.name` or `root["any name"]`
fn named(root: &str, name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if is_field_name(name) { write!(f, "{root}.{name}") } else { write!(f, "{root}[{}]", Value::from(name)) }
}

fn kv(key: &Expr, f: &mut Formatter<'_>) -> fmt::Result {
    match key.literal_text() {
        // `$kv.get` is a function.
        Some(name) if &**name != "get" => named("$kv", name, f),
        _ => write!(f, "$kv[{key}]"),
    }
}

fn literal(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{value}")
}

fn unary(op: UnaryOp, operand: &Expr, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(match op {
        UnaryOp::Not => "!",
        UnaryOp::Negate => "-",
    })?;
    // `-5` would be read as a literal.
    if starts_with_digit(operand) { write!(f, "({operand})") } else { within(operand, binding::UNARY, f) }
}

fn starts_with_digit(operand: &Expr) -> bool {
    match &operand.node {
        Node::Literal(Value::Number(number)) => !number.to_string().starts_with('-'),
        _ => false,
    }
}

fn binary(op: BinaryOp, operands: &[Expr; 2], f: &mut Formatter<'_>) -> fmt::Result {
    let binds = op.binds();
    let (left, right) = match op {
        BinaryOp::Coalesce => (binds + 1, binds),
        _ if op.is_comparison() => (binds + 1, binds + 1),
        _ => (binds, binds + 1),
    };
    within(&operands[0], left, f)?;
    write!(f, " {} ", op.sign())?;
    within(&operands[1], right, f)
}

/// In parentheses where it binds less tightly than this.
fn within(expr: &Expr, least: u8, f: &mut Formatter<'_>) -> fmt::Result {
    let binds = match &expr.node {
        Node::Literal(_) | Node::Path(_) | Node::Call(_) => binding::PRIMARY,
        Node::Unary(..) => binding::UNARY,
        Node::Binary(op, _) => op.binds(),
        Node::Choice(_) => binding::CHOICE,
    };
    if binds < least { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::any::any_expr;
    use super::*;

    fn printed(text: &str) -> String {
        Expr::parse(text).expect("parses").to_string()
    }

    #[test]
    fn forms_are_printed_in_one_way() {
        for (text, expected) in [
            ("upper $prev.x.name", "upper($prev.x.name)"),
            ("$prev.x.name | upper | default \"none\"", "default(\"none\", upper($prev.x.name))"),
            ("add ($kv.get 'n') 1", "add($kv.n, 1)"),
            ("$kv.get('get')", "$kv[\"get\"]"),
            ("'n' | $kv.get", "$kv.n"),
            ("$prev.input[\"any key\"][-1]", "$prev.args[\"any key\"][-1]"),
            ("(1 + 2) * 3", "(1 + 2) * 3"),
            ("1 + (2 * 3)", "1 + 2 * 3"),
            (".a ?? .b ?? .c", ".a ?? .b ?? .c"),
            ("(.a ?? .b) ?? .c", "(.a ?? .b) ?? .c"),
            ("-(5)", "-(5)"),
            ("- -5", "--5"),
            ("(.a).b", ".a.b"),
            (".[\"a b\"]", ".[\"a b\"]"),
            ("$flowId", "$flow.id"),
            ("(1).x", "(1).x"),
            ("'it\\'s'", "\"it's\""),
            ("(1 < 2) == (3 < 4)", "1 < 2 == 3 < 4"),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(expr in any_expr()) {
            let text = expr.to_string();
            let back = Expr::parse(&text).map_err(|fault| TestCaseError::fail(format!("{text}\n{}", fault.render())))?;
            prop_assert!(back == expr, "{} became {}", text, back);
            prop_assert_eq!(back.to_string(), text);
        }
    }
}
