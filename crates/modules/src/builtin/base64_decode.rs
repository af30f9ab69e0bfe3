//! `base64-decode`: the text that base64 stands for. Other bytes than text are an error: keep
//! them as base64, or write them with `storage-write`.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The base64, with or without padding.
    input: Text,
    /// Whether it is the kind for URLs and file names, with - and _.
    #[serde(default)]
    url_safe: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The text.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("base64-decode", Group::Data, "Turns base64 into text.", run)
        .example(r#"{"input":"aGVsbG8/"}"#, r#"{"text":"hello?"}"#)
}

/// It is no base64, or does not stand for text.
const BASE64: &str = "BASE64";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let expression = if args.url_safe { "base64UrlDecode(.)" } else { "base64Decode(.)" };
    Ok(Out { text: formula::give(expression, args.input.into(), BASE64)? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn both_alphabets_with_and_without_padding() {
        check(
            &module(),
            &[
                (r#"{"input":"w78/Pg=="}"#, r#"{"text":"ÿ?>"}"#),
                (r#"{"input":"w78/Pg"}"#, r#"{"text":"ÿ?>"}"#),
                (r#"{"input":"w78_Pg","urlSafe":true}"#, r#"{"text":"ÿ?>"}"#),
            ],
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(failure(&module(), r#"{"input":"/w=="}"#).0, "BASE64");
        assert_eq!(failure(&module(), r#"{"input":"a b"}"#).0, "BASE64");
    }
}
