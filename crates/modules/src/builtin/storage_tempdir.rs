//! `storage-tempdir`: the path of a folder that nothing else uses. There are no empty folders in
//! the storage, so nothing is written: the module is pure. The path is made of the step's
//! recorded seed, so a step that is repeated gets the same.

use model::failure::{Failure, code};
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::{Text, refused};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// A name at the end of the path, for people.
    name: Option<Text>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The path, without a / at its end.
    path: String,
}

pub(crate) fn module() -> Module {
    Module::pure("storage-tempdir", Group::Storage, "Gives the path of a folder of its own.", run)
        .example(r#"{"name":"export"}"#, r#"{"path":"tmp/3e4af637cfe92c17b8366779/export"}"#)
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let seed = ctx.seed()?;
    let seed = seed.as_str().ok_or_else(|| Failure::new(code::INTERNAL_ERROR, "there is no seed here"))?;
    let mut path = file::temporary_folder(seed);
    if let Some(name) = args.name {
        if name.is_empty() || name.contains(['/', '\\']) || &**name == ".." || &**name == "." {
            return Err(refused("name: must be one name, without / in it").into());
        }
        path.push('/');
        path.push_str(&name);
    }
    Ok(Out { path })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{failure, run};

    #[test]
    fn the_path_is_under_tmp_and_stable() {
        let path = |args: &str| run(&module(), args).expect("gives").to_json();
        assert!(path("{}").starts_with(r#"{"path":"tmp/"#));
        assert_eq!(path("{}"), path("{}"));
        for name in ["", "..", "a/b", "."] {
            assert_eq!(failure(&module(), &format!(r#"{{"name":"{name}"}}"#)).0, "BAD_ARGUMENTS");
        }
    }
}
