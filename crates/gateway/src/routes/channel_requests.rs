//! The last requests that came through a channel: to look at, and to send again.

use channels::Logged;
use engine::driver::Admit;
use http::{Method, StatusCode};
use model::batch::Batch;
use model::ids::{Id, PlayId};
use model::play::{PlayKey, PlayState, Trigger};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::channels::{ById, found};
use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::call::{Call, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let (sees, runs) = (Access::Needs(Permission::PlaysView), Access::Needs(Permission::FlowsRun));
    vec![
        Route::new(
            (Method::GET, "/channels/{id}/requests"),
            "listChannelRequests",
            sees,
            "Lists the last requests, and messages, that came through or were refused.",
            list,
        ),
        Route::new(
            (Method::GET, "/channels/{id}/requests/{requestId}"),
            "getChannelRequest",
            sees,
            "Gives one such request, with what the flow got of it.",
            get,
        ),
        Route::new(
            (Method::POST, "/channels/{id}/requests/{requestId}/replay"),
            "replayChannelRequest",
            runs,
            "Starts new plays with what the flow got of a request.",
            replay,
        )
        .answers(202, "The plays are durable.")
        .also(409, "The route or the play is gone, or the request was refused."),
    ]
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ByRequest {
    #[schemars(with = "String")]
    id: String,
    #[schemars(with = "String")]
    request_id: String,
}

/// A request, with what became of it.
#[derive(Serialize, JsonSchema)]
struct RequestRow {
    #[serde(flatten)]
    request: Logged,
    /// Where its play stands, that of the first flow; null where it started none, or the play is gone.
    state: Option<PlayState>,
}

/// A request, with what became of it, and what the flow got of it.
#[derive(Serialize, JsonSchema)]
struct RequestView {
    #[serde(flatten)]
    row: RequestRow,
    /// What the flow got; null where there is no play, or it is gone.
    args: Value,
}

/// Plays that were started.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    play_ids: Vec<PlayId>,
}

async fn list(call: Call<ById, ListQuery>) -> Result<Reply<Page<RequestRow>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let (channel, _) = found(&call, &call.path.id).await?;
    let engine = &call.app.engine;
    let requests = channels::requests(&**engine.store(), call.company()?, channel.id, engine.now()).await?;
    let page = paging.cut(requests);
    let mut data = Vec::with_capacity(page.data.len());
    for request in page.data {
        data.push(row(&call, request).await?);
    }
    Ok(Reply::ok(paging.page_of(data, page.total)))
}

async fn row<P, Q, B>(call: &Call<P, Q, B>, request: Logged) -> Result<RequestRow, ApiError> {
    let company = call.company()?;
    let mut state = None;
    if let Some(play) = request.play_ids.first() {
        let header = call.app.engine.store().header(PlayKey { company, play: *play }).await?;
        state = header.map(|header| header.state);
    }
    Ok(RequestRow { request, state })
}

async fn request_of(call: &Call<ByRequest>) -> Result<(channels::Channel, Logged), ApiError> {
    let id = &call.path.request_id;
    let unknown =
        || ApiError::not_found("REQUEST_NOT_FOUND", format!("there is no request {id:?}; they are kept a day"));
    let wanted: Id = id.parse().map_err(|_| unknown())?;
    let (channel, _) = found(call, &call.path.id).await?;
    let engine = &call.app.engine;
    let requests = channels::requests(&**engine.store(), call.company()?, channel.id, engine.now()).await?;
    let request = requests.into_iter().find(|request| request.id == wanted).ok_or_else(unknown)?;
    Ok((channel, request))
}

/// What the flow got, with a mask for what is sealed.
async fn args_of(call: &Call<ByRequest>, request: &Logged) -> Result<Option<Value>, ApiError> {
    let company = call.company()?;
    for play in &request.play_ids {
        let key = PlayKey { company, play: *play };
        if call.app.engine.store().header(key).await?.is_some() {
            return Ok(Some(call.app.engine.args_of(key).await?));
        }
    }
    Ok(None)
}

async fn get(call: Call<ByRequest>) -> Result<Reply<RequestView>, ApiError> {
    let (_, request) = request_of(&call).await?;
    let args = args_of(&call, &request).await?.unwrap_or_default();
    Ok(Reply::ok(RequestView { row: row(&call, request).await?, args }))
}

async fn replay(call: Call<ByRequest>) -> Result<Reply<Replayed>, ApiError> {
    let (channel, request) = request_of(&call).await?;
    let gone = |what: &str| ApiError::conflict("CONFLICT", format!("the {what} of this request is gone"));
    if request.play_ids.is_empty() {
        return Err(ApiError::conflict("CONFLICT", "this request was refused, and what it said was not kept"));
    }
    let route = channel.definition.routes.iter().find(|route| route.id == request.route_id);
    let route = route.ok_or_else(|| gone("route"))?;
    let args = args_of(&call, &request).await?.ok_or_else(|| gone("play"))?;
    let caller = call.caller()?;
    // It is said before it is done: each play says by itself who started it.
    let after = Value::map([("requestId", call.path.request_id.as_str())]);
    let audit = call.audit("channelRequest.replay", ("channel", &channel.id.to_string()), Value::Null, after)?;
    call.app.engine.store().commit(Batch { audit: vec![audit], ..Batch::default() }).await?;
    let mut play_ids = Vec::new();
    for flow in &route.target_flow_ids {
        let admit = Admit {
            company: caller.company,
            flow: flow.clone(),
            args: args.clone(),
            actor: caller.actor.clone(),
            trigger: Trigger::Channel,
            labels: std::collections::BTreeMap::new(),
            idempotency_key: None,
            start_at: None,
            force: false,
            request: call.request.clone(),
            docs: Vec::new(),
        };
        play_ids.push(call.app.engine.admit(admit, None).await?.header.key.play);
    }
    Ok(Reply::with(StatusCode::ACCEPTED, Replayed { play_ids }))
}
