//! `url-decode`: text with the escapes of a URL resolved.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The text with escapes such as %20.
    input: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The text.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("url-decode", Group::Data, "Resolves the escapes of a URL.", run)
        .example(r#"{"input":"a%20b"}"#, r#"{"text":"a b"}"#)
}

/// The escapes do not stand for text.
const URL_DECODE: &str = "URL_DECODE";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    Ok(Out { text: formula::give("urlDecode(.)", args.input.into(), URL_DECODE)? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn escapes_are_resolved_and_a_plus_is_a_plus() {
        check(
            &module(),
            &[(r#"{"input":"a+b%2F"}"#, r#"{"text":"a+b/"}"#), (r#"{"input":"%C3%A4"}"#, r#"{"text":"ä"}"#)],
        );
        assert_eq!(failure(&module(), r#"{"input":"%ff"}"#).0, "URL_DECODE");
    }
}
