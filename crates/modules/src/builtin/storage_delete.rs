//! `storage-delete`: removes a file.

use std::sync::Arc;

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
    /// Whether there was such a file.
    deleted: bool,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-delete", Group::Storage, "Removes a file.", Nature::PUT, run)
        .example_args(r#"{"path":"inbox/17.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let deleted = ctx.storage.delete(ctx.company, &args.path).await.map_err(file::failure)?;
    Ok(Out { deleted })
}

sdk::contract!(module());
