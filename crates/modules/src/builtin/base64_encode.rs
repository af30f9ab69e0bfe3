//! `base64-encode`: text as base64.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The text.
    input: Text,
    /// Whether it is for URLs and file names: - and _ for + and /, without padding.
    #[serde(default)]
    url_safe: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The text as base64.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("base64-encode", Group::Data, "Turns text into base64.", run)
        .example(r#"{"input":"hello?"}"#, r#"{"text":"aGVsbG8/"}"#)
}

/// The text cannot be turned into base64: it is too large.
const BASE64: &str = "BASE64";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let expression = if args.url_safe { "base64Url(.)" } else { "base64(.)" };
    Ok(Out { text: formula::give(expression, args.input.into(), BASE64)? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::check;

    #[test]
    fn both_alphabets() {
        check(
            &module(),
            &[
                (r#"{"input":"\u00ff?>"}"#, r#"{"text":"w78/Pg=="}"#),
                (r#"{"input":"\u00ff?>","urlSafe":true}"#, r#"{"text":"w78_Pg"}"#),
                (r#"{"input":""}"#, r#"{"text":""}"#),
            ],
        );
    }
}
