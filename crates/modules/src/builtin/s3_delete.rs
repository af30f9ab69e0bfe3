//! `s3-delete`: removes an object of a bucket. Doing it twice is as good as once.

use std::sync::Arc;

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
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// Whether there was one.
    deleted: bool,
}

pub(crate) fn module() -> Module {
    Module::effect("s3-delete", Group::Storage, "Removes an object of a bucket.", Nature::PUT, run)
        .on(Kind::Storage)
        .example_args(r#"{"key":"2026/7.pdf"}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let deleted = file::bucket(&ctx).await?.delete(ctx.company, &args.key).await.map_err(file::failure)?;
    Ok(Out { deleted })
}

sdk::contract!(module());
