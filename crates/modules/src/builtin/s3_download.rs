//! `s3-download`: fetches an object of a bucket into the storage.

use std::sync::Arc;

use model::limits::FILE_BYTES;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key of the object, below the component's prefix.
    key: Text,
    /// The path of the file in the storage.
    path: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The path of the file.
    path: String,
    /// How many bytes it has.
    size: usize,
}

pub(crate) fn module() -> Module {
    Module::effect("s3-download", Group::Storage, "Fetches an object of a bucket into the storage.", Nature::PUT, run)
        .on(Kind::Storage)
        .example_args(r#"{"key":"2026/7.pdf","path":"invoices/7.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let bytes = file::bucket(&ctx).await?.read(ctx.company, &args.key, FILE_BYTES).await.map_err(file::failure)?;
    let size = bytes.len();
    ctx.storage.write(ctx.company, &args.path, bytes).await.map_err(file::failure)?;
    Ok(Out { path: args.path.to_string(), size })
}

sdk::contract!(module());
