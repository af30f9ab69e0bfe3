//! `url-encode`: text as a part of a URL, or an object as its query.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The text; or an object, whose fields become the parameters of a query.
    input: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The text, escaped.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("url-encode", Group::Data, "Escapes text for a URL.", run)
        .example(r#"{"input":"a b/ü"}"#, r#"{"text":"a%20b%2F%C3%BC"}"#)
}

/// It is neither text nor an object of texts, numbers and lists of them.
const URL_ENCODE: &str = "URL_ENCODE";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let expression = if args.input.as_map().is_some() { "toQuery(.)" } else { "urlEncode(.)" };
    Ok(Out { text: formula::give(expression, args.input, URL_ENCODE)? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn text_is_a_part_and_an_object_a_query() {
        check(
            &module(),
            &[
                (r#"{"input":"a&b=c"}"#, r#"{"text":"a%26b%3Dc"}"#),
                (r#"{"input":{"q":"a b","n":[1,2.50]}}"#, r#"{"text":"q=a+b&n=1&n=2.50"}"#),
            ],
        );
        assert_eq!(failure(&module(), r#"{"input":17}"#).0, "URL_ENCODE");
    }
}
