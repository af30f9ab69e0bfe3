//! The routes of a channel, one by one. Whoever changes one changes the channel, as a whole.

use channels::{Channel, Route as ChannelRoute};
use http::{Method, StatusCode};
use model::doc::Expect;
use model::ids::Id;
use model::value::{Value, to_value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::channels::{ById, found, write};
use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let (sees, edits) = (Access::Needs(Permission::FlowsView), Access::Needs(Permission::FlowsEdit));
    vec![
        Route::new(
            (Method::GET, "/channels/{id}/routes"),
            "listChannelRoutes",
            sees,
            "Lists the routes of a channel.",
            list,
        ),
        Route::new((Method::POST, "/channels/{id}/routes"), "createChannelRoute", edits, "Adds a route.", create)
            .answers(201, "Made."),
        Route::new(
            (Method::PUT, "/channels/{id}/routes/{routeId}"),
            "updateChannelRoute",
            edits,
            "Replaces a route.",
            update,
        ),
        Route::new(
            (Method::DELETE, "/channels/{id}/routes/{routeId}"),
            "deleteChannelRoute",
            edits,
            "Removes a route.",
            remove,
        ),
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

/// Which route.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ByRoute {
    #[schemars(with = "String")]
    id: String,
    #[schemars(with = "String")]
    route_id: String,
}

async fn list(call: Call<ById, ListQuery>) -> Result<Reply<Page<ChannelRoute>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let (channel, _) = found(&call, &call.path.id).await?;
    Ok(Reply::ok(paging.cut(channel.definition.routes)))
}

async fn create(call: Call<ById, Nothing, Json<ChannelRoute>>) -> Result<Reply<ChannelRoute>, ApiError> {
    let Json(route) = call.body.clone();
    let (mut channel, revision) = found(&call, &call.path.id).await?;
    channel.definition.routes.push(route);
    let channel = write(&call, channel, (Expect::Revision(revision), Value::Null), "channelRoute.create").await?;
    let made = channel.definition.routes.into_iter().next_back();
    made.map(|made| Reply::with(StatusCode::CREATED, made)).ok_or_else(|| ApiError::internal("the route is gone"))
}

fn place(channel: &Channel, id: &str) -> Result<usize, ApiError> {
    let unknown = || ApiError::not_found("ROUTE_NOT_FOUND", format!("the channel has no route {id:?}"));
    let wanted: Id = id.parse().map_err(|_| unknown())?;
    channel.definition.routes.iter().position(|route| route.id == wanted).ok_or_else(unknown)
}

async fn update(call: Call<ByRoute, Nothing, Json<ChannelRoute>>) -> Result<Reply<ChannelRoute>, ApiError> {
    let Json(route) = call.body.clone();
    let (mut channel, revision) = found(&call, &call.path.id).await?;
    let at = place(&channel, &call.path.route_id)?;
    let before = to_value(&channel.definition.routes[at]).unwrap_or_default();
    let id = channel.definition.routes[at].id;
    channel.definition.routes[at] = ChannelRoute { id, ..route };
    let mut channel = write(&call, channel, (Expect::Revision(revision), before), "channelRoute.update").await?;
    Ok(Reply::ok(channel.definition.routes.swap_remove(at)))
}

async fn remove(call: Call<ByRoute>) -> Result<(), ApiError> {
    let (mut channel, revision) = found(&call, &call.path.id).await?;
    let at = place(&channel, &call.path.route_id)?;
    let removed = channel.definition.routes.remove(at);
    let before = to_value(&removed).unwrap_or_default();
    write(&call, channel, (Expect::Revision(revision), before), "channelRoute.delete").await?;
    Ok(())
}
