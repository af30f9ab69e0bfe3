//! `fail`: the play fails here, with a code and a message of the flow's own.

use std::borrow::Cow;

use model::Value;
use model::failure::{Failure, code};
use model::limits::LOG_LINE_CHARS;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Text, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What went wrong, for people.
    message: Text,
    /// What went wrong, for programs: capitals, digits and _ such as CREDIT_REFUSED.
    #[serde(default = "failed_by_flow")]
    code: Text,
    /// More, for programs.
    details: Option<Value>,
}

fn failed_by_flow() -> Text {
    code::FAILED_BY_FLOW.into()
}

/// Nothing follows it.
#[derive(JsonSchema)]
struct Out {}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("fail", Group::Control, "Fails the play.", run)
        .example_args(r#"{"message":"The credit was refused.","code":"CREDIT_REFUSED"}"#)
}

/// Characters of a code.
const CODE_CHARS: usize = 64;

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    if !is_code(&args.code) {
        return Err(refused("code: must be capitals, digits and _, a letter first, such as CREDIT_REFUSED").into());
    }
    Ok(Outcome::Fail(Failure {
        code: Cow::Owned(args.code.to_string()),
        message: args.message.chars().take(LOG_LINE_CHARS).collect(),
        details: args.details,
    }))
}

fn is_code(code: &str) -> bool {
    code.len() <= CODE_CHARS
        && code.starts_with(|first: char| first.is_ascii_uppercase())
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use model::failure::Failure;
    use sdk::Outcome;

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn it_fails_with_what_it_is_told() {
        let plain = Failure::new("FAILED_BY_FLOW", "no");
        assert_eq!(outcome(&module(), r#"{"message":"no"}"#), Ok(Outcome::Fail(plain)));
        let told = Failure::new("X_1", "no").with_details(json("[1]"));
        assert_eq!(outcome(&module(), r#"{"message":"no","code":"X_1","details":[1]}"#), Ok(Outcome::Fail(told)));
    }

    #[test]
    fn a_code_is_for_programs() {
        for code in ["", "lower", "A B", "_A", "1A"] {
            let args = format!(r#"{{"message":"no","code":"{code}"}}"#);
            assert_eq!(failure(&module(), &args).0, "BAD_ARGUMENTS", "{code}");
        }
    }
}
