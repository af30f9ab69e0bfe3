//! `storage-write`: writes a file whole, replacing what was there.

use std::sync::Arc;

use model::Value;
use model::limits::{FILE_BYTES, JSON_DEPTH};
use schemars::JsonSchema;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, beyond_limit, refused};
use crate::content::Content;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The path of the file, such as invoices/17.json.
    path: Text,
    /// What it will hold.
    content: Value,
    /// What the content is: text, bytes (as base64), or a value to be written as json.
    #[serde(default)]
    encoding: Content,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The path of the file.
    path: Text,
    /// How many bytes it has.
    size: usize,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-write", Group::Storage, "Writes a file.", Nature::PUT, run)
        .example_args(r#"{"path":"invoices/17.json","content":{"total":1.10},"encoding":"json"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    if args.content.measure(FILE_BYTES, JSON_DEPTH).bytes > FILE_BYTES {
        return Err(beyond_limit(format!("content: is more than {FILE_BYTES} bytes")).into());
    }
    let bytes = args.encoding.write(&args.content).map_err(refused)?;
    let size = bytes.len();
    ctx.storage.write(ctx.company, &args.path, bytes.into()).await.map_err(file::failure)?;
    Ok(Out { path: args.path, size })
}

sdk::contract!(module());
