//! What a request is about: the flow, play or group of its path, looked for where the caller may do what the
//! route does. [`Route::about`] hands it to the handler, which never looks for it itself.
//!
//! Somebody with whom a group is shared is told of nothing that lies elsewhere that it is there.
//!
//! [`Route::about`]: crate::call::Route::about

use std::sync::Arc;

use engine::Engine;
use model::flow::Flow;
use model::ids::{FlowId, GroupId, PlayId};
use model::play::{PlayHeader, PlayKey};

use crate::access::{Caller, Permission, Role};
use crate::app::App;
use crate::call::Call;
use crate::error::ApiError;

/// What a request is about, found for somebody who may do this to it.
pub(crate) trait Found<P>: Sized + Send + 'static {
    /// Looks for it.
    ///
    /// # Errors
    /// Where it is not there, where the permission does not reach it, or where nobody is signed in.
    fn find<Q: Sync, B: Sync>(
        call: &Call<P, Q, B>,
        permission: Permission,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send;
}

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

impl<P: NamesFlow + Sync> Found<P> for Flow {
    async fn find<Q: Sync, B: Sync>(call: &Call<P, Q, B>, permission: Permission) -> Result<Self, ApiError> {
        let (caller, target) = (call.caller()?, call.path.flow());
        let missing = || ApiError::not_found("FLOW_NOT_FOUND", format!("there is no flow {target:?}"));
        let (flow, _) = call.app.engine.flow(caller.company, target).await?.ok_or_else(missing)?;
        allow(caller, flow.draft.group_id, permission, missing)?;
        Ok(flow)
    }
}

/// The name of a flow, for a handler that reads the flow itself. Whoever may do this to any flow has the name as it
/// stands in the path: the flow is not read.
pub(crate) struct FlowName(pub(crate) String);

impl<P: NamesFlow + Sync> Found<P> for FlowName {
    async fn find<Q: Sync, B: Sync>(call: &Call<P, Q, B>, permission: Permission) -> Result<Self, ApiError> {
        match call.caller()?.may(permission) {
            true => Ok(Self(call.path.flow().to_owned())),
            false => Ok(Self(Flow::find(call, permission).await?.id.to_string())),
        }
    }
}

/// A play lies where its flow lies, at present; that of a flow which is gone lies in no group.
impl<P: NamesPlay + Sync> Found<P> for PlayHeader {
    async fn find<Q: Sync, B: Sync>(call: &Call<P, Q, B>, permission: Permission) -> Result<Self, ApiError> {
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
}

/// Whether there is such a group is another question.
impl<P: NamesGroup + Sync> Found<P> for GroupId {
    async fn find<Q: Sync, B: Sync>(call: &Call<P, Q, B>, permission: Permission) -> Result<Self, ApiError> {
        let group = call.path.group();
        allow(call.caller()?, Some(group), permission, || no_group(group))?;
        Ok(group)
    }
}

/// A route about no single thing: a list, or what a body names. It gives and does no more than this holds.
impl<P: Sync> Found<P> for Reach {
    async fn find<Q: Sync, B: Sync>(call: &Call<P, Q, B>, permission: Permission) -> Result<Self, ApiError> {
        Ok(Self::of(call.caller()?.clone(), permission))
    }
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
