//! `storage-exists`: whether there is a file, how large it is, and when it was written.

use std::sync::Arc;

use model::time::Timestamp;
use schemars::JsonSchema;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The path of the file.
    path: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// Whether there is such a file.
    exists: bool,
    /// How many bytes it has; null where there is none.
    size: Option<u64>,
    /// When it was last written; null where there is none.
    modified: Option<Timestamp>,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-exists", Group::Storage, "Looks whether there is a file.", Nature::READ, run)
        .example_args(r#"{"path":"inbox/17.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let found = ctx.storage.head(ctx.company, &args.path).await.map_err(file::failure)?;
    let (size, modified) = found.map(|file| (file.size, file.modified)).unzip();
    Ok(Out { exists: size.is_some(), size, modified })
}

sdk::contract!(module());
