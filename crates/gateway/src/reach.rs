//! What a request is about: the flow, play or group of its path, looked for where the caller may do what the
//! route does. [`Route::on_flow`] and its like hand it to the handler, which never looks for it itself.
//!
//! Somebody with whom a group is shared is told of nothing that lies elsewhere that it is there.
//!
//! [`Route::on_flow`]: crate::call::Route::on_flow

use std::sync::Arc;

use engine::Engine;
use model::flow::Flow;
use model::ids::{FlowId, GroupId, PlayId};
use model::play::{PlayHeader, PlayKey};

use crate::access::{Caller, Permission, Role};
use crate::app::App;
use crate::call::Call;
use crate::error::ApiError;

/// A path that names a flow, by its id or its permanent id.
pub(crate) trait NamesFlow {
    fn flow(&self) -> &str;
}

/// A path that names a play.
pub(crate) trait NamesPlay {
    fn play(&self) -> PlayId;
}

/// A path that names a group.
pub(crate) trait NamesGroup {
    fn group(&self) -> GroupId;
}

/// Allows what is about that group, or about what lies in none. Where the caller may not know of it, `missing` is told.
fn allow(
    caller: &Caller,
    group: Option<GroupId>,
    permission: Permission,
    missing: impl FnOnce() -> ApiError,
) -> Result<(), ApiError> {
    match caller.may_in(group, permission) {
        true => Ok(()),
        false if caller.knows_of(group) => Err(ApiError::needs(permission)),
        false => Err(missing()),
    }
}

/// The flow of a path.
pub(crate) async fn flow<P: NamesFlow, Q, B>(call: &Call<P, Q, B>, permission: Permission) -> Result<Flow, ApiError> {
    let (caller, target) = (call.caller()?, call.path.flow());
    let missing = || ApiError::not_found("FLOW_NOT_FOUND", format!("there is no flow {target:?}"));
    let (flow, _) = call.app.engine.flow(caller.company, target).await?.ok_or_else(missing)?;
    allow(caller, flow.draft.group_id, permission, missing)?;
    Ok(flow)
}

/// The name of the flow of a path. Whoever may do this to any flow has it as it stands there: the flow is not read.
pub(crate) async fn flow_name<P: NamesFlow, Q, B>(
    call: &Call<P, Q, B>,
    permission: Permission,
) -> Result<String, ApiError> {
    match call.caller()?.may(permission) {
        true => Ok(call.path.flow().to_owned()),
        false => Ok(flow(call, permission).await?.id.to_string()),
    }
}

/// The play of a path. It lies where its flow lies, at present; that of a flow which is gone lies in no group.
pub(crate) async fn play<P: NamesPlay, Q, B>(
    call: &Call<P, Q, B>,
    permission: Permission,
) -> Result<PlayHeader, ApiError> {
    let (caller, play) = (call.caller()?, call.path.play());
    let missing = || ApiError::not_found("PLAY_NOT_FOUND", format!("there is no play {play}"));
    let key = PlayKey { company: caller.company, play };
    let header = call.app.engine.store().header(key).await?.ok_or_else(missing)?;
    if !caller.may(permission) {
        let flow = call.app.engine.flow(caller.company, &header.flow.id.to_string()).await?;
        allow(caller, flow.and_then(|(flow, _)| flow.draft.group_id), permission, missing)?;
    }
    Ok(header)
}

/// The group of a path; whether there is one is another question.
pub(crate) fn group<P: NamesGroup, Q, B>(call: &Call<P, Q, B>, permission: Permission) -> Result<GroupId, ApiError> {
    let group = call.path.group();
    allow(call.caller()?, Some(group), permission, || no_group(group))?;
    Ok(group)
}

/// There is no such group, as far as whoever asks is told.
pub(crate) fn no_group(group: GroupId) -> ApiError {
    ApiError::not_found("GROUP_NOT_FOUND", format!("there is no group {group}"))
}

/// How far somebody's permission reaches, for lists and whatever else names no single thing.
#[derive(Debug)]
pub(crate) struct Reach {
    caller: Arc<Caller>,
    permission: Permission,
}

impl Reach {
    pub(crate) fn of(caller: Arc<Caller>, permission: Permission) -> Self {
        Self { caller, permission }
    }

    /// Whether it reaches what lies in that group, or in none.
    pub(crate) fn holds(&self, group: Option<GroupId>) -> bool {
        self.caller.may_in(group, self.permission)
    }

    /// The flows that it reaches; none where that is all of them.
    pub(crate) async fn flows(&self, app: &App) -> Result<Option<Vec<FlowId>>, ApiError> {
        if self.caller.may(self.permission) {
            return Ok(None);
        }
        let places = app.engine.places(self.caller.company).await?;
        let held = places.iter().filter(|(_, group)| self.holds(Some(**group)));
        Ok(Some(held.map(|(flow, _)| *flow).collect()))
    }
}

/// What somebody is where a flow is concerned. The flow is not read where that is the same everywhere.
pub(crate) async fn roles_for(caller: &Caller, engine: &Engine, flow: FlowId) -> Result<Vec<Role>, ApiError> {
    let group = match caller.shares.is_empty() {
        true => None,
        false => engine.places(caller.company).await?.get(&flow).copied(),
    };
    Ok(caller.roles_in(group))
}
