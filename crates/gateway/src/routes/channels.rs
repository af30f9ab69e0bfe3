//! Channels: endpoints whose routes start flows. Their secrets go in and never come out.
//!
//! Who sets a secret that others must show decides who may come, so setting one needs the same permission as making
//! the flow that it leads to. A channel that takes in by itself empties what a component leads to, so making or changing
//! one needs the permission that components need, too.

use channels::{Auth, AuthMode, Channel, Definition, Intake, Kind, MASK, Secret};
use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{DocWrite, Expect};
use model::ids::{CompanyId, Id};
use model::limits::{CHANNEL_BYTES, CHANNELS};
use model::time::Timestamp;
use model::value::{Value, to_value};
use schemars::JsonSchema;
use sdk::component::Kind as ComponentKind;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict};

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::app::App;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// Bytes of a token that others must show: nobody tries them all.
const TOKEN_BYTES: usize = 16;

pub(super) fn routes() -> Vec<Route> {
    let (sees, edits) = (Access::Needs(Permission::FlowsView), Access::Needs(Permission::FlowsEdit));
    let taken = "The slug or the port is taken, or there are too many.";
    vec![
        Route::new((Method::GET, "/channels"), "listChannels", sees, "Lists channels.", list),
        Route::new((Method::POST, "/channels"), "createChannel", edits, "Makes a channel.", create)
            .answers(201, "Made.")
            .also(409, taken),
        Route::new((Method::GET, "/channels/{id}"), "getChannel", sees, "Gives one channel.", get),
        Route::new((Method::PUT, "/channels/{id}"), "updateChannel", edits, "Replaces a channel.", update)
            .also(409, taken),
        Route::new((Method::DELETE, "/channels/{id}"), "deleteChannel", edits, "Removes a channel.", remove),
    ]
}

/// A channel, without its secret.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelView {
    #[schemars(with = "String")]
    id: Id,
    #[serde(flatten)]
    definition: Definition,
    /// Whether it has a secret of its own.
    has_secret: bool,
    /// Queue and mailbox: how taking in goes at the replica that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    intake: Option<Intake>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ChannelView {
    fn of(app: &App, company: CompanyId, channel: Channel) -> Self {
        let takes_in = channel.definition.kind.takes_in().is_some();
        let intake = takes_in.then(|| app.intakes.standing(company, &channel));
        let Channel { id, definition, sealed, created_at, updated_at } = channel;
        Self { id, definition, has_secret: sealed.is_some(), intake, created_at, updated_at }
    }
}

/// Which channels.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Of one kind alone.
    kind: Option<Kind>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which channel.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ById {
    #[schemars(with = "String")]
    pub(super) id: String,
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<ChannelView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let company = call.company()?;
    let channels = channels::of_company(&**call.app.engine.store(), company).await?;
    let wanted = |channel: &Channel| call.query.kind.is_none_or(|kind| channel.definition.kind == kind);
    let views = channels.into_iter().map(|(channel, _)| channel).filter(wanted);
    let views = views.map(|channel| ChannelView::of(&call.app, company, channel));
    Ok(Reply::ok(paging.cut(views.collect())))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found("CHANNEL_NOT_FOUND", format!("there is no channel {id:?}"))
}

/// A channel, and the revision its document stands at.
pub(super) async fn found<P, Q, B>(call: &Call<P, Q, B>, id: &str) -> Result<(Channel, u64), ApiError> {
    let key = channels::doc_key(call.company()?, id.parse().map_err(|_| unknown(id))?);
    let doc = call.app.engine.store().doc(&key).await?.ok_or_else(|| unknown(id))?;
    Ok((doc.read()?, doc.revision))
}

async fn get(call: Call<ById>) -> Result<Reply<ChannelView>, ApiError> {
    let (channel, _) = found(&call, &call.path.id).await?;
    Ok(Reply::ok(ChannelView::of(&call.app, call.company()?, channel)))
}

/// A channel as the audit log has it.
fn shown(channel: &Channel) -> Value {
    let mut definition = channel.definition.clone();
    definition.auth.secret = None;
    to_value(&definition).unwrap_or_default()
}

async fn create(call: Call<Nothing, Nothing, Json<Definition>>) -> Result<Reply<ChannelView>, ApiError> {
    let Json(definition) = call.body.clone();
    let store = call.app.engine.store();
    if channels::of_company(&**store, call.company()?).await?.len() >= CHANNELS {
        let message = format!("a company has at most {CHANNELS} channels; a channel may have many routes");
        return Err(ApiError::conflict("TOO_MANY_CHANNELS", message));
    }
    let now = call.app.engine.now();
    let channel = Channel { id: call.app.engine.new_id(), definition, sealed: None, created_at: now, updated_at: now };
    let channel = write(&call, channel, (Expect::Absent, Value::Null), "channel.create").await?;
    Ok(Reply::with(StatusCode::CREATED, ChannelView::of(&call.app, call.company()?, channel)))
}

async fn update(call: Call<ById, Nothing, Json<Definition>>) -> Result<Reply<ChannelView>, ApiError> {
    let Json(definition) = call.body.clone();
    let (channel, revision) = found(&call, &call.path.id).await?;
    let before = shown(&channel);
    if channel.definition.kind != definition.kind {
        return Err(ApiError::invalid("kind: of a channel cannot change; make another channel"));
    }
    let channel = Channel { definition, ..channel };
    let channel = write(&call, channel, (Expect::Revision(revision), before), "channel.update").await?;
    Ok(Reply::ok(ChannelView::of(&call.app, call.company()?, channel)))
}

/// Checks a channel and writes it, with its audit row.
pub(super) async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    mut channel: Channel,
    (expect, before): (Expect, Value),
    action: &str,
) -> Result<Channel, ApiError> {
    let (engine, company) = (&call.app.engine, call.company()?);
    channel.definition.name = channel.definition.name.trim().to_owned();
    take_secret(call, &mut channel)?;
    channel.definition.check().map_err(ApiError::invalid)?;
    check_source(call, &channel.definition).await?;
    for (at, route) in channel.definition.routes.iter().enumerate() {
        for (field, schema) in route.schemas() {
            mcp::check_schema(schema)
                .map_err(|problem| ApiError::invalid(format!("routes[{at}].{field}: {problem}")))?;
        }
    }
    if let (Some(port), Some(range)) = (channel.definition.port, call.app.own_ports())
        && !range.contains(port)
    {
        let message = format!("port: is from {} to {} (channels.port_range)", range.first, range.last);
        return Err(ApiError::invalid(message));
    }
    for (at, route) in channel.definition.routes.iter_mut().enumerate() {
        if route.id == Id::default() {
            route.id = engine.new_id();
        }
        for flow in &route.target_flow_ids {
            if engine.flow(company, flow).await?.is_none() {
                return Err(ApiError::invalid(format!("routes[{at}].targetFlowIds: there is no flow {flow:?}")));
            }
        }
    }
    channel.updated_at = engine.now();
    let audit = call.audit(action, ("channel", &channel.id.to_string()), before, shown(&channel))?;
    let doc = channels::write(company, &channel, expect);
    if doc.put.as_ref().is_some_and(|put| put.body.len() > CHANNEL_BYTES) {
        return Err(ApiError::invalid(format!("the channel is larger than {} KiB", CHANNEL_BYTES >> 10)));
    }
    match engine.store().commit(Batch::of_docs(vec![doc], audit)).await {
        Err(CommitError::Conflict(Conflict::Key(key))) if key.text.starts_with("port:") => {
            Err(ApiError::conflict("CHANNEL_PORT_TAKEN", "port: another channel has it"))
        }
        Err(CommitError::Conflict(Conflict::Key(_))) => {
            let message = format!("slug: another channel of this installation has {:?}", &*channel.definition.slug);
            Err(ApiError::conflict("CHANNEL_SLUG_TAKEN", message))
        }
        ended => {
            ended?;
            engine.ways_in_have_changed();
            Ok(channel)
        }
    }
}

/// Whether messages can be taken in from where a channel says.
async fn check_source<P, Q, B>(call: &Call<P, Q, B>, definition: &Definition) -> Result<(), ApiError> {
    let (Some(kind), Some(name)) = (definition.kind.takes_in(), definition.source_component()) else { return Ok(()) };
    if !call.caller()?.may(Permission::SecretsManage) {
        return Err(ApiError::needs(Permission::SecretsManage));
    }
    let engine = &call.app.engine;
    let component = engine.component(call.company()?, kind, name).await?;
    let missing = || ApiError::invalid(format!("source.component: there is no component {name:?} of kind {kind}"));
    let component = component.ok_or_else(missing)?;
    let backends = engine.backends();
    let intake = if kind == ComponentKind::Mailbox { &backends.mailbox } else { &backends.queue };
    let checked = intake.check_source(&component, &definition.source_settings());
    checked.map_err(|failure| ApiError::invalid(failure.message))
}

/// Seals the secret that comes with a channel; what comes as a mask stays as it is.
fn take_secret<P, Q, B>(call: &Call<P, Q, B>, channel: &mut Channel) -> Result<(), ApiError> {
    let Definition { auth_mode, auth, .. } = &mut channel.definition;
    // What is checked has its secret; what is written has it sealed.
    auth.check(*auth_mode).map_err(|problem| ApiError::invalid(format!("auth.{problem}")))?;
    let needs_one = matches!(auth_mode, AuthMode::HeaderToken | AuthMode::Hmac);
    match auth.secret.take() {
        Some(Secret(text)) if text == MASK => {}
        Some(Secret(text)) if text.len() < TOKEN_BYTES => {
            return Err(ApiError::invalid(format!("auth.secret: has at least {TOKEN_BYTES} bytes")));
        }
        Some(secret) => {
            let sealed = channels::seal(call.app.engine.seal(), call.company()?, channel.id, &secret);
            channel.sealed = Some(sealed.map_err(|error| ApiError::internal(error.to_string()))?);
        }
        None => {}
    }
    let Auth { secret_name, .. } = &*auth;
    if !needs_one || secret_name.is_some() {
        channel.sealed = None;
    }
    if needs_one && secret_name.is_none() && channel.sealed.is_none() {
        return Err(ApiError::invalid("auth.secret: is required with this authMode, or auth.secretName"));
    }
    Ok(())
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let (channel, revision) = found(&call, &call.path.id).await?;
    let key = channels::doc_key(call.company()?, channel.id);
    let audit = call.audit("channel.delete", ("channel", &channel.id.to_string()), shown(&channel), Value::Null)?;
    let doc = DocWrite::remove(key, Expect::Revision(revision));
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}
