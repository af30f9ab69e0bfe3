//! `xml-parse`: XML as objects. Entities beyond the five of XML, and document types, are refused.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::xml;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The XML, at most 16 MiB.
    input: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// An object with the root element. An element is text, or an object: its attributes as
    /// "@name", its elements by name (a list where one comes several times), its text as "#text".
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("xml-parse", Group::Data, "Reads XML.", run).example(
        r#"{"input":"<order id=\"7\"><item>a</item><item>b</item><note/></order>"}"#,
        r#"{"value":{"order":{"@id":"7","item":["a","b"],"note":""}}}"#,
    )
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    Ok(Out { value: xml::read(&args.input)? })
}

sdk::contract!(module());
