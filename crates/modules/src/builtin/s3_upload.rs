//! `s3-upload`: puts a file of the storage, or a text, into a bucket. What was there is replaced, so that
//! doing it twice is as good as once.

use std::sync::Arc;

use bytes::Bytes;
use model::limits::FILE_BYTES;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The path of the file in the storage.
    path: Option<Text>,
    /// What is put there, in place of a file.
    text: Option<Text>,
    /// The key of the object, below the component's prefix.
    key: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The key of the object.
    key: String,
    /// How many bytes it has.
    size: usize,
}

pub(crate) fn module() -> Module {
    Module::effect("s3-upload", Group::Storage, "Puts a file into a bucket.", Nature::PUT, run)
        .on(Kind::Storage)
        .example_args(r#"{"path":"invoices/7.pdf","key":"2026/7.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let bytes = match (&args.path, &args.text) {
        (Some(path), None) => file::read(&ctx, path, FILE_BYTES).await?,
        (None, Some(text)) => Bytes::copy_from_slice(text.as_bytes()),
        _ => return Err(refused("give either path or text").into()),
    };
    let size = bytes.len();
    file::bucket(&ctx).await?.write(ctx.company, &args.key, bytes).await.map_err(file::failure)?;
    Ok(Out { key: args.key.to_string(), size })
}

sdk::contract!(module());
