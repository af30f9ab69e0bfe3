//! `storage-list`: the files whose paths begin with a text, in the order of their paths.

use std::sync::Arc;

use model::limits::FILES_LISTED;
use model::time::Timestamp;
use schemars::JsonSchema;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, beyond_limit};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What the paths begin with, such as inbox/; all files where it is left out.
    prefix: Option<Text>,
    /// How many files are listed at most, up to 10,000.
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
    /// The files.
    files: Vec<File>,
    /// How many are listed.
    count: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct File {
    /// The path of the file.
    path: String,
    /// How many bytes it has.
    size: u64,
    /// When it was last written.
    modified: Timestamp,
}

pub(crate) fn module() -> Module {
    Module::effect("storage-list", Group::Storage, "Lists files.", Nature::READ, run)
        .example_args(r#"{"prefix":"inbox/","limit":100}"#)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    if !(1..=FILES_LISTED).contains(&args.limit) {
        return Err(beyond_limit(format!("limit: must be 1 to {FILES_LISTED}")).into());
    }
    let prefix = args.prefix.as_deref().map_or("", |prefix| prefix);
    let found = ctx.storage.list(ctx.company, prefix, None, args.limit).await.map_err(file::failure)?;
    let files = found.into_iter().map(|file| File { path: file.path, size: file.size, modified: file.modified });
    let files: Vec<File> = files.collect();
    Ok(Out { count: files.len(), files })
}

sdk::contract!(module());
