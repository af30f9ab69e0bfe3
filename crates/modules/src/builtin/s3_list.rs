//! `s3-list`: the objects of a bucket whose keys begin with a text, in the order of their keys.

use std::sync::Arc;

use model::limits::FILES_LISTED;
use model::time::Timestamp;
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, beyond_limit};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What the keys begin with, such as 2026/; all objects where it is left out.
    prefix: Option<Text>,
    /// Only keys after this one, to go on where a list ended.
    after: Option<Text>,
    /// How many objects are listed at most, up to 10,000.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000))]
    limit: usize,
}

const fn thousand() -> usize {
    1_000
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The objects.
    objects: Vec<Object>,
    /// How many are listed.
    count: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Object {
    /// The key of the object.
    key: String,
    /// How many bytes it has.
    size: u64,
    /// When it was last written.
    modified: Timestamp,
}

pub(crate) fn module() -> Module {
    Module::effect("s3-list", Group::Storage, "Lists objects of a bucket.", Nature::READ, run)
        .on(Kind::Storage)
        .example_args(r#"{"prefix":"2026/","limit":100}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    if !(1..=FILES_LISTED).contains(&args.limit) {
        return Err(beyond_limit(format!("limit: must be 1 to {FILES_LISTED}")).into());
    }
    let prefix = args.prefix.as_deref().map_or("", |prefix| prefix);
    let after = args.after.as_deref().map(|after| &**after);
    let bucket = file::bucket(&ctx).await?;
    let found = bucket.list(ctx.company, prefix, after, args.limit).await.map_err(file::failure)?;
    let objects = found.into_iter().map(|file| Object { key: file.path, size: file.size, modified: file.modified });
    let objects: Vec<Object> = objects.collect();
    Ok(Out { count: objects.len(), objects })
}

sdk::contract!(module());
