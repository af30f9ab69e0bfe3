//! `storage-read`: what a file of the company holds.

use std::sync::Arc;

use model::Value;
use model::failure::Failure;
use model::limits::FILE_BYTES;
use schemars::JsonSchema;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::content::Content;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The path of the file.
    path: Text,
    /// What it holds: text, bytes (given as base64), or json (given as the value).
    #[serde(default)]
    encoding: Content,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What the file holds.
    content: Value,
    /// How many bytes it has.
    size: usize,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-read", Group::Storage, "Reads a file.", Nature::READ, run)
        .example_args(r#"{"path":"invoices/17.json","encoding":"json"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let bytes = file::read(&ctx, &args.path, FILE_BYTES).await?;
    let content = args.encoding.read(&bytes);
    Ok(Out { size: bytes.len(), content: content.map_err(|why| Failure::new(NOT_AS_SAID, why))? })
}

/// The file holds something else than the encoding says.
const NOT_AS_SAID: &str = "STORAGE_ENCODING";

sdk::contract!(module());
