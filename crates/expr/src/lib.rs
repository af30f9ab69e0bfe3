//! The `{{ }}` expressions of flow8: compiled once at publishing, evaluated often.
//!
//! A [`Template`] is a JSON value whose strings may hold expressions. Evaluating one reads what
//! it needs through a [`Scope`] and spends a [`Budget`]; what the scope does not have yet comes
//! back as [`Need`]s, to be read by the driver before it evaluates again.
//!
//! It is pure: no clock, no randomness, no input or output, and the same answer for the same
//! scope. It knows nothing of flows, plays or modules. It never panics on any text, and no text
//! makes it work or grow beyond its budget.
//!
//! # The language
//!
//! - **Roots**: `$prev.<ref>`, `$prev.args` (`$prev.input`), `$kv`, `$flow` (`$flowId`), `$play`,
//!   `$step`, `$env.<NAME>`, `$secret.<name>`, `$date.now`, `$item`, `$index`; a leading dot is
//!   the current element.
//! - **Paths**: `.field`, `["any key"]`, `[0]`, `[-1]`, `[expression]`, glued to what they follow.
//!   A name after a dot may hold `-`, so a subtraction needs spaces.
//! - **Calls**: `f(a, b)`, or as a command `f a b`, whose operands are paths, literals and
//!   parentheses; `a | f b` passes `a` as the last operand: `f(b, a)`.
//! - **Operators**, loosest first: `|`, `?:`, `??`, `||`, `&&`, `== !=`, `< <= > >=`, `+ -`,
//!   `* / %`, unary `! -`.
//! - **Literals**: numbers, `"text"` or `'text'` with JSON's escapes, `true`, `false`, `null`.
//!
//! # What it decides
//!
//! - A condition (`?:`, `&&`, `||`, `!`, `and`, `or`, `not`, `if`) is a boolean; null counts as
//!   false; anything else is an error, since the text `"false"` or a zero must not decide by
//!   accident. `&&`, `||`, `and` and `or` stop early and give a boolean.
//! - *Empty* is null, `""`, `[]` and `{}`; it is what `default`, `coalesce`, `isEmpty` and
//!   `notEmpty` mean. Zero and false are not empty.
//! - `??`, `default` and `coalesce` take their fallback where a value is null (or empty) and where
//!   it reads a path that is missing; no other error is caught.
//! - `==` compares by value, whatever the types; ordering takes two numbers or two texts.
//! - `+` adds two numbers or joins two texts. Nothing else turns text into a number.
//! - Computed numbers are decimals of at most 28 digits, without zeros at the end of a fraction;
//!   what does not fit into them is rounded half to even, too large a number is an error.
//! - Inside a longer string, a value is text: null is nothing, lists and objects are JSON.
//! - The value that a function works on is its last operand, so that a pipe can pass it. Where
//!   it is a list, an object or a time, it may also come first.

mod budget;
mod eval;
mod fault;
mod filter;
mod functions;
mod given;
mod reads;
mod scope;
mod stop;
mod syntax;
mod template;

pub use budget::Budget;
pub use fault::Fault;
pub use filter::test_filter;
pub use functions::{Function, Kind, functions};
pub use given::Given;
pub use reads::{Read, ReadRoot};
pub use scope::{Element, Found, Need, Root, Scope};
pub use stop::{EvalError, Reason, Stop};
pub use syntax::{Expr, roots};
pub use template::Template;
