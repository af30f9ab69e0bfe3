//! The flowlets of a flow's draft, one by one.

use engine::flows::{EditError, FlowError};
use http::{Method, StatusCode};
use model::flow::{Flow, FlowDef, Layer};
use model::value::ValueError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flows::{ById, EditQuery, FlowView, if_match, publish_if_sound};
use crate::access::Permission;
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Route};
use crate::error::ApiError;
use crate::reach::NamesFlow;

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Permission::FlowsView, Permission::FlowsEdit);
    vec![
        Route::about(
            (Method::GET, "/flows/{id}/layers"),
            "listFlowLayers",
            view,
            "Lists the flowlets of a draft.",
            list,
        ),
        Route::about((Method::POST, "/flows/{id}/layers"), "addFlowLayer", edit, "Adds a flowlet to a draft.", add)
            .answers(201, "Added."),
        Route::about(
            (Method::PUT, "/flows/{id}/layers/{layerId}"),
            "updateFlowLayer",
            edit,
            "Replaces a flowlet.",
            update,
        ),
        Route::about(
            (Method::DELETE, "/flows/{id}/layers/{layerId}"),
            "deleteFlowLayer",
            edit,
            "Takes a flowlet out.",
            remove,
        ),
    ]
}

/// The flowlets of a draft.
#[derive(Serialize, JsonSchema)]
struct Layers {
    data: Vec<Layer>,
    /// The draft's revision.
    revision: u64,
}

/// Which flowlet: by its ref.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ByRef {
    /// The flow's id or permanent id.
    id: String,
    /// The flowlet's ref.
    layer_id: String,
}

impl NamesFlow for ByRef {
    fn flow(&self) -> &str {
        &self.id
    }
}

async fn list(_: Call<ById>, flow: Flow) -> Result<Reply<Layers>, ApiError> {
    Ok(Reply::ok(Layers { data: flow.draft.layers, revision: flow.revision }))
}

async fn change<P, B>(
    call: &Call<P, EditQuery, B>,
    flow: &Flow,
    change: impl Fn(&mut FlowDef) -> Result<(), EditError> + Send + Sync,
) -> Result<FlowView, ApiError> {
    let expected = if_match(&call.headers)?;
    let edited = call
        .app
        .engine
        .edit_flow(&call.edit()?, &flow.id.to_string(), expected, |def| {
            let mut def = def.clone();
            change(&mut def)?;
            Ok(def)
        })
        .await?;
    publish_if_sound(call, edited, call.query.draft).await
}

fn invalid(path: &str, message: String) -> EditError {
    EditError::Flow(FlowError::Value(ValueError { path: path.to_owned(), message }))
}

async fn add(call: Call<ById, EditQuery, Json<Layer>>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let Json(layer) = &call.body;
    let view = change(&call, &flow, |def| {
        if def.position(&layer.name).is_some() {
            return Err(invalid("ref", format!("the flow has a flowlet {} already", layer.name)));
        }
        def.layers.push(layer.clone());
        Ok(())
    })
    .await?;
    Ok(Reply::with(StatusCode::CREATED, view))
}

async fn update(call: Call<ByRef, EditQuery, Json<Layer>>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let (Json(layer), name) = (&call.body, &call.path.layer_id);
    let view = change(&call, &flow, |def| {
        let at = position(def, name)?;
        if def.position(&layer.name).is_some_and(|other| other != at) {
            return Err(invalid("ref", format!("the flow has another flowlet {}", layer.name)));
        }
        def.layers[at] = layer.clone();
        Ok(())
    })
    .await?;
    Ok(Reply::ok(view))
}

async fn remove(call: Call<ByRef, EditQuery>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let name = &call.path.layer_id;
    let view = change(&call, &flow, |def| {
        let at = position(def, name)?;
        def.layers.remove(at);
        Ok(())
    })
    .await?;
    Ok(Reply::ok(view))
}

fn position(def: &FlowDef, name: &str) -> Result<usize, EditError> {
    def.position(name).ok_or_else(|| EditError::Flow(FlowError::NoSuchLayer(name.to_owned())))
}
