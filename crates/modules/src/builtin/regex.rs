//! `regex`: finds, replaces and splits by a regular expression, in time linear in the text.
//!
//! The expressions are those of the expression language: no back references, no look-around.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The text.
    input: Text,
    /// The regular expression.
    pattern: Text,
    /// What to do: match, find, findAll, replace or split.
    operation: Operation,
    /// What each match is replaced by; $1 and ${name} stand for groups, $$ for a dollar sign.
    replacement: Option<Text>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Match,
    Find,
    FindAll,
    Replace,
    Split,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// match: whether it matches; find: the first match, or null; findAll: all matches; replace:
    /// the text; split: the parts.
    value: Value,
    /// find: the first match and its groups, or null.
    groups: Value,
    /// find: the groups that have names, or null.
    named: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("regex", Group::Data, "Finds, replaces or splits by a regular expression.", run).example(
        r#"{"input":"INV-17 of Ada","pattern":"INV-(?<number>[0-9]+)","operation":"find"}"#,
        r#"{"value":"INV-17","groups":["INV-17","17"],"named":{"number":"17"}}"#,
    )
}

/// It is no regular expression, or the text is too long for it.
const REGEX: &str = "REGEX";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    if args.replacement.is_some() != (args.operation == Operation::Replace) {
        return Err(refused("replacement: is what replace needs, and nothing else takes").into());
    }
    let (operation, dot) = (args.operation, dot(args));
    let give = |expression: &str| formula::give(expression, dot.clone(), REGEX);
    let value = give(match operation {
        Operation::Match => "regexMatch(.pattern, .input)",
        Operation::Find => "regexFind(.pattern, .input)",
        Operation::FindAll => "regexFindAll(.pattern, .input)",
        Operation::Replace => "regexReplace(.pattern, .replacement, .input)",
        Operation::Split => "regexSplit(.pattern, .input)",
    })?;
    let (groups, named) = if operation == Operation::Find {
        (give("regexGroups(.pattern, .input)")?, give("regexNamedGroups(.pattern, .input)")?)
    } else {
        (Value::Null, Value::Null)
    };
    Ok(Out { value, groups, named })
}

fn dot(args: Args) -> Value {
    Value::map([
        ("input", Value::from(args.input)),
        ("pattern", args.pattern.into()),
        ("replacement", args.replacement.map_or(Value::Null, Value::from)),
    ])
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn every_operation() {
        let args = |operation: &str, more: &str| {
            format!(r#"{{"input":"a1b22","pattern":"([0-9])+","operation":"{operation}"{more}}}"#)
        };
        let out = |value: &str| format!(r#"{{"value":{value},"groups":null,"named":null}}"#);
        for (operation, more, value) in [
            ("match", "", "true"),
            ("findAll", "", r#"["1","22"]"#),
            ("replace", r#","replacement":"<$1>""#, r#""a<1>b<2>""#),
            ("split", "", r#"["a","b",""]"#),
        ] {
            check(&module(), &[(&args(operation, more), &out(value))]);
        }
        check(&module(), &[(&args("find", ""), r#"{"value":"1","groups":["1","1"],"named":{}}"#)]);
        let nothing = r#"{"input":"x","pattern":"(?<n>[0-9])","operation":"find"}"#;
        check(&module(), &[(nothing, r#"{"value":null,"groups":null,"named":null}"#)]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(failure(&module(), r#"{"input":"x","pattern":"(","operation":"match"}"#).0, "REGEX");
        assert_eq!(failure(&module(), r#"{"input":"x","pattern":"x","operation":"replace"}"#).0, "BAD_ARGUMENTS");
        let odd = r#"{"input":"x","pattern":"x","operation":"find","replacement":"y"}"#;
        assert_eq!(failure(&module(), odd).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), r#"{"input":"x","pattern":"x","operation":"drop"}"#).0, "BAD_ARGUMENTS");
    }

    #[test]
    fn no_pattern_makes_it_slow() {
        let text = "a".repeat(100_000);
        let args = format!(r#"{{"input":"{text}","pattern":"(a+)+$|(a|aa)*b","operation":"match"}}"#);
        check(&module(), &[(&args, r#"{"value":true,"groups":null,"named":null}"#)]);
        let bomb = r#"{"input":"x","pattern":"(((a{100}){100}){100}){100}","operation":"match"}"#;
        assert_eq!(failure(&module(), bomb).0, "REGEX");
    }
}
