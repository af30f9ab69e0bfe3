//! `storage-move`: gives a file another path, replacing what was there.

use std::sync::Arc;

use schemars::JsonSchema;
use sdk::storage::StorageError;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The path that the file has.
    from: Text,
    /// The path that it gets.
    to: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The path that the file had.
    from: Text,
    /// The path that it has.
    to: Text,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-move", Group::Storage, "Moves a file.", Nature::PUT, run)
        .example_args(r#"{"from":"inbox/17.pdf","to":"done/17.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    match ctx.storage.rename(ctx.company, &args.from, &args.to).await {
        Ok(()) => {}
        // A repetition finds the file where an earlier attempt has put it.
        Err(StorageError::NotFound(_)) if ctx.attempt > 1 && is_there(&ctx, &args.to).await? => {}
        Err(error) => return Err(file::failure(error).into()),
    }
    Ok(Out { from: args.from, to: args.to })
}

async fn is_there(ctx: &EffectCtx, path: &str) -> Result<bool, Mishap> {
    let found = ctx.storage.head(ctx.company, path).await;
    Ok(found.map_err(file::failure)?.is_some())
}

sdk::contract!(module());
