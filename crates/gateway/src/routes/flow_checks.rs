//! Checking a flow's draft, as publishing would, without publishing it.

use engine::plan::Problem;
use http::Method;
use model::flow::Flow;
use schemars::JsonSchema;
use serde::Serialize;

use super::flows::ById;
use crate::access::Permission;
use crate::answer::Reply;
use crate::call::{Call, Route};
use crate::error::ApiError;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Checks a flow's draft as publishing would, and changes nothing.";
    vec![Route::about((Method::POST, "/flows/{id}/check"), "checkFlow", Permission::FlowsView, summary, check)]
}

/// What there is to say of a draft.
#[derive(Serialize, JsonSchema)]
struct Checked {
    /// Whether it could be published.
    sound: bool,
    /// What stands in the way.
    problems: Vec<Problem>,
}

async fn check(call: Call<ById>, flow: Flow) -> Result<Reply<Checked>, ApiError> {
    let engine = &call.app.engine;
    let problems = match engine.compile(&flow.draft) {
        Ok(plan) => engine.known_components(call.company()?).await?.check(&plan.def, engine.modules()),
        Err(problems) => problems,
    };
    Ok(Reply::ok(Checked { sound: problems.is_empty(), problems }))
}
