//! Links: stored outside credentials that flowlets call out with. What is secret goes in and never
//! comes out.
//!
//! Where a credential may be sent belongs to it: whoever changes that gives the secret again, and a
//! token that was fetched is forgotten.

use engine::links::{self, Begun, LinkKind, LinkSettings, StoredLink};
use engine::pack::PackError;
use engine::uses::Used;
use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{DocKind, DocWrite, Expect};
use model::ids::Id;
use model::limits::{COMPONENTS, LINK_AGREEMENT};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use sdk::link::Grant;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, DocQuery};
use vault::{Token, TokenHash};

use super::components::{checked_name, checked_object, masked, names};
use super::uses::{RemoveQuery, free, free_of_name};
use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// Characters of a URL that somebody gives.
const URL_CHARS: usize = 2_000;

pub(super) fn routes() -> Vec<Route> {
    let who = Access::Needs(Permission::SecretsManage);
    vec![
        Route::new((Method::GET, "/links"), "listLinks", who, "Lists stored credentials.", list),
        Route::new((Method::POST, "/links"), "createLink", who, "Stores a credential.", create)
            .answers(201, "Stored.")
            .also(409, "There is one of that name."),
        Route::new((Method::GET, "/links/{id}"), "getLink", who, "Gives one stored credential.", get),
        Route::new((Method::PUT, "/links/{id}"), "updateLink", who, "Changes a stored credential.", update)
            .also(409, "There is one of that name; or `LINK_IN_USE`: flows name it by its old name."),
        Route::new((Method::DELETE, "/links/{id}"), "deleteLink", who, "Removes a stored credential.", remove)
            .also(409, "`LINK_IN_USE`: flows use it; `details.flows` names some."),
        Route::new(
            (Method::POST, "/links/{id}/authorize"),
            "authorizeLink",
            who,
            "Begins an agreement, and gives the page of the peer where somebody agrees.",
            authorize,
        ),
        // Browsers bring no session here: they come from another site. What they bring proves who began.
        Route::new(
            (Method::GET, "/links/callback"),
            "linkCallback",
            Access::Public,
            "Takes what a peer gives after somebody agreed.",
            callback,
        )
        .also(409, "Somebody else changed it meanwhile.")
        .also(502, "The peer gives nothing that can be used."),
    ]
}

/// A stored credential, without what is secret of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LinkView {
    #[schemars(with = "String")]
    id: Id,
    name: String,
    kind: LinkKind,
    /// Where it may be sent.
    hosts: Vec<String>,
    config: Value,
    /// The names of its secret settings, each with `***`.
    secret: Value,
    /// Whether there is what calls can carry, or what it can be fetched with.
    connected: bool,
    /// Until when the token that was fetched last is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_at: Option<Timestamp>,
    /// Why the last token could not be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&StoredLink> for LinkView {
    fn from(link: &StoredLink) -> Self {
        Self {
            id: link.id,
            name: link.name.clone(),
            kind: link.kind,
            hosts: link.hosts.clone(),
            config: link.config.clone(),
            secret: masked(link.secret_names.iter().map(String::as_str)),
            connected: link.kind != LinkKind::Oauth || link.token.is_some(),
            token_expires_at: link.token.as_ref().and_then(|token| token.expires_at),
            trouble: link.trouble.as_ref().map(|trouble| trouble.failure.message.clone()),
            created_at: link.created_at,
            updated_at: link.updated_at,
        }
    }
}

/// A link as the audit log has it.
fn shown(link: &StoredLink) -> Value {
    Value::map([
        ("name", Value::from(link.name.as_str())),
        ("kind", model::value::to_value(&link.kind).unwrap_or_default()),
        ("hosts", Value::list(link.hosts.iter().map(String::as_str))),
        ("config", link.config.clone()),
        ("secret", masked(link.secret_names.iter().map(String::as_str))),
    ])
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

/// Which link.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    #[schemars(with = "String")]
    id: Id,
}

/// A credential to store.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewLink {
    name: String,
    kind: LinkKind,
    /// Where it may be sent: `api.example.com`, `*.example.com`, `erp.internal:8080`. By https alone,
    /// unless the port is named.
    hosts: Vec<String>,
    #[serde(default = "Value::empty_map")]
    config: Value,
    /// Its secret settings, by name.
    #[serde(default = "Value::empty_map")]
    secret: Value,
}

/// What becomes of a credential.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedLink {
    name: Option<String>,
    hosts: Option<Vec<String>>,
    config: Option<Value>,
    /// All its secret settings; they stay as they are when left out, unless `hosts` or `config` change.
    secret: Option<Value>,
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<LinkView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let query = DocQuery::all(call.company()?, DocKind::Link, COMPONENTS);
    let mut views = Vec::new();
    for doc in call.app.engine.store().docs(&query).await? {
        views.push(LinkView::from(&StoredLink::read(&doc)?));
    }
    Ok(Reply::ok(paging.cut(views)))
}

async fn found<Q, B>(call: &Call<ById, Q, B>) -> Result<(StoredLink, u64), ApiError> {
    let id = call.path.id;
    let doc = call.app.engine.store().doc(&links::doc_key(call.company()?, id)).await?;
    let doc = doc.ok_or_else(|| ApiError::not_found("LINK_NOT_FOUND", format!("there is no link {id}")))?;
    Ok((StoredLink::read(&doc)?, doc.revision))
}

async fn get(call: Call<ById>) -> Result<Reply<LinkView>, ApiError> {
    Ok(Reply::ok(LinkView::from(&found(&call).await?.0)))
}

fn internal(error: PackError) -> ApiError {
    ApiError::internal(error.to_string())
}

/// Checks and seals the settings of a link.
fn settle<P, Q, B>(call: &Call<P, Q, B>, link: &mut StoredLink, secret: &Value) -> Result<(), ApiError> {
    checked_object("config", &link.config)?;
    checked_object("secret", secret)?;
    LinkSettings::of(link.kind, &link.config, secret).map_err(ApiError::invalid)?;
    link.secret_names = names(secret);
    link.sealed = links::seal(call.app.engine.seal(), call.company()?, link.id, secret).map_err(internal)?;
    link.updated_at = call.app.engine.now();
    Ok(())
}

async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    link: &StoredLink,
    expect: Expect,
    (action, before): (&str, Value),
) -> Result<(), ApiError> {
    let audit = call.audit(action, ("link", &link.id.to_string()), before, shown(link))?;
    let doc = links::write(call.company()?, link, expect);
    match call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await {
        Err(CommitError::Conflict(Conflict::Key(_))) => {
            let message = format!("there is a link {:?} already", link.name);
            Err(ApiError::conflict("LINK_NAME_TAKEN", message))
        }
        ended => ended.map(drop).map_err(Into::into),
    }
}

async fn create(call: Call<Nothing, Nothing, Json<NewLink>>) -> Result<Reply<LinkView>, ApiError> {
    let Json(new) = &call.body;
    let engine = &call.app.engine;
    let query = DocQuery::all(call.company()?, DocKind::Link, COMPONENTS);
    if engine.store().docs(&query).await?.len() >= COMPONENTS {
        return Err(ApiError::invalid(format!("a company has at most {COMPONENTS} links")));
    }
    let now = engine.now();
    let mut link = StoredLink {
        id: engine.new_id(),
        name: checked_name(&new.name)?,
        kind: new.kind,
        hosts: links::checked_hosts(&new.hosts).map_err(ApiError::invalid)?,
        config: new.config.clone(),
        secret_names: Vec::new(),
        sealed: model::seal::Sealed([].into()),
        token: None,
        turn: None,
        trouble: None,
        begun: None,
        created_at: now,
        updated_at: now,
    };
    settle(&call, &mut link, &new.secret)?;
    write(&call, &link, Expect::Absent, ("link.create", Value::Null)).await?;
    Ok(Reply::with(StatusCode::CREATED, LinkView::from(&link)))
}

async fn update(call: Call<ById, Nothing, Json<ChangedLink>>) -> Result<Reply<LinkView>, ApiError> {
    let Json(change) = &call.body;
    let (mut link, revision) = found(&call).await?;
    let before = shown(&link);
    let hosts = change.hosts.as_deref().map(links::checked_hosts).transpose().map_err(ApiError::invalid)?;
    let leads_elsewhere = hosts.as_ref().is_some_and(|hosts| *hosts != link.hosts)
        || change.config.as_ref().is_some_and(|config| *config != link.config);
    if leads_elsewhere && change.secret.is_none() && !link.secret_names.is_empty() {
        let message = "secret: give it again where hosts or config change: it would go somewhere else";
        return Err(ApiError::invalid(message));
    }
    if let Some(name) = change.name.as_deref().map(checked_name).transpose()?.filter(|name| *name != link.name) {
        free_of_name(&call, &Used::Link([link.name.clone(), link.name.clone()]), "LINK_IN_USE").await?;
        link.name = name;
    }
    link.hosts = hosts.unwrap_or(link.hosts);
    link.config = change.config.clone().unwrap_or(link.config);
    if leads_elsewhere || change.secret.is_some() {
        (link.token, link.turn, link.begun) = (None, None, None);
    }
    link.trouble = None;
    let secret = match &change.secret {
        Some(secret) => secret.clone(),
        None => link.open(call.company()?, call.app.engine.seal(), &link.sealed)?,
    };
    settle(&call, &mut link, &secret)?;
    write(&call, &link, Expect::Revision(revision), ("link.update", before)).await?;
    Ok(Reply::ok(LinkView::from(&link)))
}

async fn remove(call: Call<ById, RemoveQuery>) -> Result<(), ApiError> {
    let (link, revision) = found(&call).await?;
    let id = link.id.to_string();
    let forced = free(&call, &Used::Link([id.clone(), link.name.clone()]), "LINK_IN_USE").await?;
    let audit = call.audit("link.delete", ("link", &id), shown(&link), forced)?;
    let doc = DocWrite::remove(links::doc_key(call.company()?, link.id), Expect::Revision(revision));
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(())
}

/// How an agreement begins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Agreement {
    /// Where the peer sends people afterwards: flow8's own `/api/links/callback`, as they reach it.
    redirect_uri: String,
}

/// Where somebody agrees.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AgreementPage {
    /// The page of the peer.
    url: String,
    /// How long the agreement may take.
    expires_at: Timestamp,
}

async fn authorize(call: Call<ById, Nothing, Json<Agreement>>) -> Result<Reply<AgreementPage>, ApiError> {
    let (mut link, revision) = found(&call).await?;
    let engine = &call.app.engine;
    let company = call.company()?;
    let LinkSettings::Oauth { config, .. } = link.settings(company, engine.seal())? else {
        return Err(ApiError::conflict("LINK_KIND", "nobody agrees to a link of this kind; oauth alone is agreed to"));
    };
    let redirect_uri = call.body.0.redirect_uri.trim();
    let is_ours = redirect_uri.ends_with("/links/callback") && redirect_uri.len() <= URL_CHARS;
    if !is_ours || !(redirect_uri.starts_with("https://") || redirect_uri.starts_with("http://")) {
        let message = "redirectUri: is the URL of /api/links/callback, as people reach it";
        return Err(ApiError::invalid(message));
    }
    let fresh = || Token::fresh("").map_err(|error| ApiError::internal(error.to_string()));
    let (state, verifier) = (fresh()?, fresh()?);
    let expires_at = engine.now().plus(LINK_AGREEMENT);
    link.begun = Some(Begun {
        state_hash: state.hash().0,
        verifier: links::seal(engine.seal(), company, link.id, &verifier.reveal()).map_err(internal)?,
        redirect_uri: redirect_uri.to_owned(),
        expires_at,
        actor: call.caller()?.actor.clone(),
    });
    let url = links::agreement_url(&config, state.reveal(), verifier.reveal(), redirect_uri);
    write(&call, &link, Expect::Revision(revision), ("link.authorize", Value::Null)).await?;
    Ok(Reply::ok(AgreementPage { url, expires_at }))
}

/// What a peer gives after somebody agreed; it may add what it likes.
#[derive(Deserialize, JsonSchema)]
struct Answered {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// What came of an agreement.
#[derive(Serialize, JsonSchema)]
struct Connected {
    /// The link's name.
    name: String,
    /// Whether it has a token now.
    connected: bool,
}

async fn callback(call: Call<Nothing, Answered>) -> Result<Reply<Connected>, ApiError> {
    let engine = &call.app.engine;
    let unknown = || {
        let message = "this agreement was not begun here, was ended already, or took too long; begin anew";
        ApiError::invalid(message)
    };
    let state = call.query.state.as_deref().filter(|state| state.len() <= URL_CHARS).ok_or_else(unknown)?;
    let doc = engine.store().doc_by(&links::state_key(&TokenHash::of(state).0)).await?.ok_or_else(unknown)?;
    let company = doc.key.company;
    engine.bring_keys(company).await?;
    let mut link = StoredLink::read(&doc)?;
    let begun = link.begun.take().filter(|begun| begun.expires_at > engine.now()).ok_or_else(unknown)?;
    // It counts once, whatever comes of it.
    let used = links::write(company, &link, Expect::Revision(doc.revision));
    let audit = |action: &str| model::audit::AuditRow {
        company,
        at: engine.now(),
        actor: begun.actor.clone(),
        action: action.to_owned(),
        entity: "link".into(),
        entity_id: link.id.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: call.request.id.clone(),
        ip: call.request.ip.clone(),
    };
    engine.store().commit(Batch::of_docs(vec![used], audit("link.callback"))).await?;
    let refused = |message: String| ApiError::new(StatusCode::BAD_GATEWAY, "LINK_NOT_CONNECTED", message);
    let code = match (&call.query.code, &call.query.error) {
        (Some(code), None) if code.len() <= URL_CHARS => code.clone(),
        _ => return Err(refused("the peer says that nobody agreed".into())),
    };
    let verifier: String = link.open(company, engine.seal(), &begun.verifier)?;
    let grant = Grant::Code { code, verifier, redirect_uri: begun.redirect_uri.clone() };
    let connected = engine.connect_link(company, &link, grant, audit("link.connect")).await;
    connected.map_err(|failure| refused(failure.message))?;
    Ok(Reply::ok(Connected { name: link.name.clone(), connected: true }))
}
