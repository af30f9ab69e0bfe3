//! Plays: lists, and what happened in one.

use std::sync::Arc;

use engine::history::{LayerQuery, LayerRow};
use engine::plan::Plan;
use http::Method;
use model::flow::Flow;
use model::ids::{FlowId, LayerId, PlayId};
use model::limits::STORED_BYTES;
use model::play::{LayerState, PlayHeader, PlayKey, PlayState};
use model::record::LogLevel;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::PlayQuery;

use super::flows;
use crate::access::Permission;
use crate::answer::{Bytes, Reply};
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::reach::{NamesPlay, Reach};
use crate::view::{LayerView, PlayView};

pub(super) fn routes() -> Vec<Route> {
    let view = Permission::PlaysView;
    vec![
        Route::about((Method::GET, "/plays"), "listPlays", view, "Lists plays, newest first.", list)
            .also(404, "There is no such flow."),
        Route::about(
            (Method::GET, "/flows/{id}/plays"),
            "listPlaysOfFlow",
            view,
            "Lists a flow's plays, newest first.",
            list_of_flow,
        ),
        Route::about(
            (Method::GET, "/plays/{id}"),
            "getPlay",
            view,
            "Gives a play with its arguments and its output.",
            get,
        ),
        Route::about(
            (Method::GET, "/plays/{id}/layers"),
            "listPlayLayers",
            view,
            "Lists what each flowlet did, in the order in which they began.",
            layers,
        ),
        Route::about(
            (Method::GET, "/plays/{id}/layers/{layerId}"),
            "getPlayLayer",
            view,
            "Gives what one flowlet did.",
            layer,
        ),
        Route::about(
            (Method::GET, "/plays/{id}/layers/{layerId}/out"),
            "getPlayLayerOut",
            view,
            "Gives a flowlet's output whole, as JSON.",
            out,
        )
        .gives(&["application/json"]),
        Route::about((Method::GET, "/plays/{id}/log"), "getPlayLog", view, "Gives the play's own log.", log),
    ]
}

/// Which plays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// Of that flow alone.
    flow_id: Option<String>,
    /// In these states alone: `FAIL`, or `WAIT,ON_HOLD`.
    state: Option<String>,
    /// Started then or later.
    from: Option<Timestamp>,
    /// Started before.
    to: Option<Timestamp>,
    /// Only those after this one in the list; for going through a long list.
    after: Option<PlayId>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which play.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(super) struct ById {
    pub(super) id: PlayId,
}

impl NamesPlay for ById {
    fn play(&self) -> PlayId {
        self.id
    }
}

/// Which flowlet of which play.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ByLayer {
    id: PlayId,
    layer_id: LayerId,
}

impl NamesPlay for ByLayer {
    fn play(&self) -> PlayId {
        self.id
    }
}

/// States from a query, separated by commas.
pub(super) fn states(text: &str) -> Result<Vec<PlayState>, ApiError> {
    let all = [
        PlayState::New,
        PlayState::Run,
        PlayState::Done,
        PlayState::Fail,
        PlayState::Skip,
        PlayState::Filtered,
        PlayState::Deferred,
        PlayState::Wait,
        PlayState::OnHold,
        PlayState::Canceled,
    ];
    let state = |word: &str| {
        let found = all.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(word));
        let words = || all.map(PlayState::as_str).join(", ");
        found.ok_or_else(|| ApiError::invalid(format!("state: {word:?} is not one of {}", words())))
    };
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(state).collect()
}

async fn list(call: Call<Nothing, ListQuery>, reach: Reach) -> Result<Reply<Page<PlayView>>, ApiError> {
    let flow =
        match &call.query.flow_id {
            Some(target) => match call.app.engine.flow(call.company()?, target).await? {
                Some((flow, _)) if reach.holds(flow.draft.group_id) => Some(flow.id),
                // The plays of a flow outlive it.
                _ => Some(target.parse::<FlowId>().map_err(|_| {
                    ApiError::not_found("FLOW_NOT_FOUND", format!("flowId: there is no flow {target:?}"))
                })?),
            },
            None => None,
        };
    page_of_plays(&call, flow, reach.flows(&call.app).await?).await
}

async fn list_of_flow(call: Call<flows::ById, ListQuery>, flow: Flow) -> Result<Reply<Page<PlayView>>, ApiError> {
    page_of_plays(&call, Some(flow.id), None).await
}

async fn page_of_plays<P>(
    call: &Call<P, ListQuery>,
    flow: Option<FlowId>,
    among: Option<Vec<FlowId>>,
) -> Result<Reply<Page<PlayView>>, ApiError> {
    let asked = &call.query;
    let paging = Paging::new(asked.page, asked.size)?;
    let query = PlayQuery {
        company: call.company()?,
        flow,
        among,
        states: states(asked.state.as_deref().unwrap_or_default())?,
        from: asked.from,
        to: asked.to,
        after: asked.after,
        skip: paging.skip(),
        limit: paging.size,
    };
    let found = call.app.engine.store().headers(&query).await?;
    Ok(Reply::ok(paging.page_of(found.plays.into_iter().map(PlayView::of).collect(), found.total)))
}

async fn get(call: Call<ById>, header: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let args = call.app.engine.args_of(header.key).await?;
    let out = match header.state.is_ended() {
        true => Some(call.app.engine.output_of(header.key).await?),
        false => None,
    };
    Ok(Reply::ok(PlayView { args: Some(args), out, ..PlayView::of(header) }))
}

/// Which flowlets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LayersQuery {
    /// Of that flowlet alone.
    #[serde(rename = "ref")]
    name: Option<String>,
    /// In that state alone.
    state: Option<LayerState>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

async fn layers(call: Call<ById, LayersQuery>, header: PlayHeader) -> Result<Reply<Page<LayerView>>, ApiError> {
    let plan = call.app.engine.plan_for(&header).await?;
    let paging = Paging::new(call.query.page, call.query.size)?;
    let layer = match &call.query.name {
        Some(name) => Some(
            plan.find(name)
                .ok_or_else(|| ApiError::not_found("LAYER_NOT_FOUND", format!("the flow has no flowlet {name:?}")))?,
        ),
        None => None,
    };
    let skip = usize::try_from(paging.skip()).unwrap_or(usize::MAX);
    let query = LayerQuery { layer, state: call.query.state, skip, limit: paging.size as usize };
    let (rows, total) = call.app.engine.layers(header.key, &query).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in &rows {
        views.push(view(&call, header.key, &plan, row).await?);
    }
    Ok(Reply::ok(paging.page_of(views, total as u64)))
}

/// A flowlet with its arguments and output, as long as these are not large.
async fn view<P, Q>(call: &Call<P, Q>, play: PlayKey, plan: &Arc<Plan>, row: &LayerRow) -> Result<LayerView, ApiError> {
    let mut view = LayerView::of(plan, row);
    if let Some(args) = &row.args {
        view.args = Some(call.app.engine.shown(play, args).await?);
    }
    if let Some(out) = &row.out {
        let value = call.app.engine.shown(play, out).await?;
        if value.measure(STORED_BYTES, usize::MAX).bytes > STORED_BYTES {
            view.out_url = Some(format!("/api/plays/{}/layers/{}/out", play.play, row.id));
        } else {
            view.out = Some(value);
        }
    }
    Ok(view)
}

async fn row(call: &Call<ByLayer>, play: PlayKey) -> Result<LayerRow, ApiError> {
    let layer = call.path.layer_id;
    let unknown = || ApiError::not_found("LAYER_NOT_FOUND", format!("the play has no flowlet record {layer}"));
    call.app.engine.layer(play, layer).await?.ok_or_else(unknown)
}

async fn layer(call: Call<ByLayer>, header: PlayHeader) -> Result<Reply<LayerView>, ApiError> {
    let row = row(&call, header.key).await?;
    let plan = call.app.engine.plan_for(&header).await?;
    Ok(Reply::ok(view(&call, header.key, &plan, &row).await?))
}

async fn out(call: Call<ByLayer>, header: PlayHeader) -> Result<Bytes, ApiError> {
    let row = row(&call, header.key).await?;
    let value = match &row.out {
        Some(out) => call.app.engine.shown(header.key, out).await?,
        None => Value::Null,
    };
    Ok(Bytes { media: "application/json", bytes: value.to_json().into(), file_name: None })
}

/// A line of a play's log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LineView {
    at: Timestamp,
    #[serde(rename = "ref")]
    name: String,
    level: LogLevel,
    message: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    data: Value,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

async fn log(call: Call<ById, LogQuery>, header: PlayHeader) -> Result<Reply<Page<LineView>>, ApiError> {
    let plan = call.app.engine.plan_for(&header).await?;
    let paging = Paging::new(call.query.page, call.query.size)?;
    let skip = usize::try_from(paging.skip()).unwrap_or(usize::MAX);
    let (rows, total) = call.app.engine.log_of(header.key, skip, paging.size as usize).await?;
    let lines = rows.into_iter().map(|row| LineView {
        at: row.at,
        name: plan.layer(&row.step).name().to_owned(),
        level: row.line.level,
        message: row.line.message,
        data: row.line.data,
    });
    Ok(Reply::ok(paging.page_of(lines.collect(), total as u64)))
}
