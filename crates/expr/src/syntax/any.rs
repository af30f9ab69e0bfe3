//! Any expression, for property tests.

use model::{Number, Value};
use proptest::prelude::*;
use proptest::sample::select;

use super::{Base, BinaryOp, Call, Expr, Node, Path, Step, UnaryOp};
use crate::functions::functions;

fn any_literal() -> impl Strategy<Value = Value> {
    let number = "-?(0|[1-9][0-9]{0,6})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?";
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(|text| Value::Number(Number::parse(&text).expect("a number"))),
        ".{0,8}".prop_map(Value::from),
        select(vec!["{{", "}}", "\"", "\\", "'", "get", "a-b", "\u{0}"]).prop_map(Value::from),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-zA-Z0-9_-]{0,6}",
        ".{0,6}",
        select(vec!["get", "now", "a-", "-", "ä-1"]).prop_map(String::from)
    ]
}

fn any_base() -> impl Strategy<Value = Base> {
    prop_oneof![
        "[A-Za-z_][A-Za-z0-9_]{0,5}"
            .prop_filter("reserved", |name| name != "args" && name != "input")
            .prop_map(|name| Base::Prev(name.into())),
        any_name().prop_map(|key| Base::Kv(Box::new(Expr::new(Node::Literal(key.into()), 1)))),
        any_name().prop_map(|name| Base::Secret(name.into())),
        any_name().prop_map(|name| Base::Env(name.into())),
        select(vec![Base::Args, Base::Flow, Base::Play, Base::Step, Base::Now, Base::Item, Base::Index, Base::Dot]),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![any_name().prop_map(|name| Step::Field(name.into())), any::<i64>().prop_map(Step::At)]
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr.node, Node::Literal(_))
}

fn path(base: Base, steps: Vec<Step>) -> Expr {
    Expr::new(Node::Path(Path { base, steps }), 1)
}

/// Any expression that the parser could give, with calls of any function.
pub(crate) fn any_expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any_literal().prop_map(|value| Expr::new(Node::Literal(value), 1)),
        (any_base(), prop::collection::vec(any_step(), 0..4)).prop_map(|(base, steps)| path(base, steps)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (select(vec![UnaryOp::Not, UnaryOp::Negate]), inner.clone())
                .prop_map(|(op, operand)| Expr::new(Node::Unary(op, Box::new(operand)), 1)),
            (select(BinaryOp::ALL.map(|(op, ..)| op).to_vec()), pair)
                .prop_map(|(op, (left, right))| Expr::new(Node::Binary(op, Box::new([left, right])), 1)),
            [inner.clone(), inner.clone(), inner.clone()]
                .prop_map(|operands| Expr::new(Node::Choice(Box::new(operands)), 1)),
            (select(functions().to_vec()), prop::collection::vec(inner.clone(), 0..5)).prop_filter_map(
                "takes other operands, or a pattern",
                |(function, operands)| {
                    let literal_pattern = function.pattern && operands.first().is_some_and(is_literal);
                    (function.takes(operands.len()).is_ok() && !literal_pattern)
                        .then(|| Expr::new(Node::Call(Call { function, operands, pattern: None }), 1))
                }
            ),
            (inner.clone(), prop::collection::vec(any_step(), 1..3)).prop_map(|(value, steps)| match value.node {
                Node::Path(path) => self::path(path.base, [path.steps, steps].concat()),
                _ => path(Base::Value(Box::new(value)), steps),
            }),
            (any_base(), inner.clone()).prop_filter_map("a literal is no computed step", |(base, inner)| {
                (!is_literal(&inner)).then(|| path(base, vec![Step::Computed(Box::new(inner))]))
            }),
            inner.prop_filter_map("a literal key is another case", |key| {
                (!is_literal(&key)).then(|| path(Base::Kv(Box::new(key)), Vec::new()))
            }),
        ]
    })
}
