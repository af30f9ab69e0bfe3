//! The catalogue of modules.

use std::sync::Arc;

use http::Method;
use model::value::{Value, to_value};
use schemars::JsonSchema;
use sdk::Module;
use serde::{Deserialize, Serialize};

use crate::access::Permission;
use crate::answer::Reply;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::reach::Reach;

pub(super) fn routes() -> Vec<Route> {
    let who = Permission::FlowsView;
    vec![
        Route::about((Method::GET, "/modules"), "listModules", who, "Lists all modules with their schemas.", list),
        Route::about((Method::GET, "/modules/{id}"), "getModule", who, "Gives one module.", one),
    ]
}

/// A module.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ModuleView {
    /// What flowlets name as `appId`.
    id: &'static str,
    group: String,
    summary: &'static str,
    /// `pure`, `read` or `write`.
    class: String,
    /// JSON schema of the arguments.
    args: Value,
    /// JSON schema of the output.
    output: Value,
    /// Arguments that make sense.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    example: Value,
}

/// All modules, on one page.
#[derive(Serialize, JsonSchema)]
struct Catalogue {
    data: Vec<ModuleView>,
    total: usize,
    page: u32,
    size: usize,
    pages: u32,
}

fn view(module: &Arc<Module>) -> Result<ModuleView, ApiError> {
    Ok(ModuleView {
        id: module.id,
        group: format!("{:?}", module.group),
        summary: module.summary,
        class: format!("{:?}", module.class).to_lowercase(),
        args: to_value(&module.args)?,
        output: to_value(&module.out)?,
        example: Value::from_json(module.example.args.as_bytes())
            .map_err(|error| ApiError::internal(error.to_string()))?,
    })
}

async fn list(call: Call, _: Reach) -> Result<Reply<Catalogue>, ApiError> {
    let data: Vec<ModuleView> = call.app.engine.modules().iter().map(view).collect::<Result<_, _>>()?;
    Ok(Reply::ok(Catalogue { total: data.len(), page: 0, size: data.len(), pages: 1, data }))
}

/// Which module.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: String,
}

async fn one(call: Call<ById, Nothing>, _: Reach) -> Result<Reply<ModuleView>, ApiError> {
    let modules = call.app.engine.modules();
    let Some(module) = modules.get(&call.path.id) else {
        let near = modules.suggest(&call.path.id);
        let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
        return Err(ApiError::not_found("MODULE_NOT_FOUND", format!("there is no module {:?}{hint}", call.path.id)));
    };
    Ok(Reply::ok(view(module)?))
}
