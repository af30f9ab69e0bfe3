//! Retention: what is kept how long, and legal holds.

use engine::driver::Clearing;
use engine::kept::{Policies, Policy, RULES};
use http::Method;
use model::batch::Batch;
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, FlowId, GroupId, Id};
use model::retention::{Hold, Rule, Rules, Scope};
use model::span::Span;
use model::value::{Value, to_value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::cleaning::clean_up;
use crate::error::ApiError;

/// Characters of the reason of a hold.
const REASON_CHARS: usize = 1_000;

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    let lists = "Gives what is kept how long: by the installation, and by the company's own rules and holds.";
    let sets = "Sets what a company, a group or a flow keeps how long, or holds.";
    let cleans = "Clears away what the company does not keep any longer, or says what that would be.";
    vec![
        Route::new((Method::GET, "/retention"), "getRetention", admin, lists, list),
        Route::new((Method::PUT, "/retention"), "setRetention", admin, sets, set)
            .also(404, "There is no such group or flow."),
        Route::new((Method::DELETE, "/retention"), "deleteRetention", admin, "Removes rules, and a hold.", remove)
            .also(404, "There are none."),
        Route::new((Method::POST, "/retention/cleanup"), "cleanUp", admin, cleans, clean),
    ]
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeName {
    Company,
    Group,
    Flow,
}

fn scope(name: ScopeName, owner: Option<Id>) -> Result<Scope, ApiError> {
    match (name, owner) {
        (ScopeName::Company, None) => Ok(Scope::Company),
        (ScopeName::Company, Some(_)) => Err(ApiError::invalid("ownerId: the scope company has none")),
        (ScopeName::Group, Some(id)) => Ok(Scope::Group(GroupId(id))),
        (ScopeName::Flow, Some(id)) => Ok(Scope::Flow(FlowId(id))),
        (_, None) => Err(ApiError::invalid("ownerId: says which group or flow")),
    }
}

fn key(company: CompanyId, scope: Scope) -> DocKey {
    DocKey::new(company, DocKind::Retention, scope)
}

/// What the installation keeps how long.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Installed {
    plays: PolicyView,
    plays_filtered: PolicyView,
    audit_logs: PolicyView,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PolicyView {
    /// How long at least: `90d`.
    cadence: Span,
    /// How many at least, however old.
    min_entries: u64,
    /// The shortest that any rule may say.
    enforced_minimum: Span,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        let Policy { kept, min_entries, enforced } = policy;
        Self { cadence: kept.into(), min_entries, enforced_minimum: enforced.into() }
    }
}

/// The rules of a scope.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RulesView {
    scope: ScopeName,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plays: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plays_filtered: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_logs: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
}

impl RulesView {
    fn of(scope: Scope, rules: Rules) -> Self {
        let (scope, owner_id) = match scope {
            Scope::Company => (ScopeName::Company, None),
            Scope::Group(group) => (ScopeName::Group, Some(group.0)),
            Scope::Flow(flow) => (ScopeName::Flow, Some(flow.0)),
        };
        let Rules { plays, plays_filtered, audit_logs, hold } = rules;
        Self { scope, owner_id, plays, plays_filtered, audit_logs, hold }
    }
}

/// What is kept how long.
#[derive(Serialize, JsonSchema)]
struct Retention {
    /// What holds where no rule says otherwise.
    installation: Installed,
    /// The company's own rules.
    data: Vec<RulesView>,
}

async fn list(call: Call) -> Result<Reply<Retention>, ApiError> {
    let Policies { plays, filtered, audit } = call.app.retention();
    let installation = Installed { plays: plays.into(), plays_filtered: filtered.into(), audit_logs: audit.into() };
    let mut data = Vec::new();
    for doc in call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Retention, RULES)).await? {
        let scope = doc.key.id.parse().map_err(|error| ApiError::internal(format!("{}: {error}", doc.key.id)))?;
        data.push(RulesView::of(scope, doc.read()?));
    }
    Ok(Reply::ok(Retention { installation, data }))
}

/// Rules for a scope. What is left out is as for the next wider scope; without `hold`, there is none any more.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRules {
    scope: ScopeName,
    /// Which group or flow.
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
    plays: Option<Rule>,
    plays_filtered: Option<Rule>,
    /// Of a company alone.
    audit_logs: Option<Rule>,
    /// Of a company or a flow: while it is there, nothing of it goes.
    hold: Option<NewHold>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewHold {
    /// Why.
    reason: String,
}

impl NewRules {
    fn check(&self, policies: &Policies, scope: Scope) -> Result<(), ApiError> {
        let Policies { plays, filtered, audit } = policies;
        let rules = [
            ("plays", self.plays, plays),
            ("playsFiltered", self.plays_filtered, filtered),
            ("auditLogs", self.audit_logs, audit),
        ];
        for (name, rule, policy) in rules {
            let (Some(rule), shortest) = (rule, Span::from(policy.enforced)) else { continue };
            if rule.cadence < shortest {
                let message = format!("{name}.cadence: the installation enforces at least {shortest}");
                return Err(ApiError::invalid(message));
            }
        }
        if self.audit_logs.is_some() && scope != Scope::Company {
            return Err(ApiError::invalid("auditLogs: the audit log is the company's; set it for the scope company"));
        }
        if self.hold.is_some() && matches!(scope, Scope::Group(_)) {
            let message = "hold: flows move between groups; hold the company, or each flow";
            return Err(ApiError::invalid(message));
        }
        if let Some(hold) = &self.hold {
            let reason = hold.reason.trim();
            if reason.is_empty() || reason.chars().count() > REASON_CHARS {
                return Err(ApiError::invalid(format!("hold.reason: has 1 to {REASON_CHARS} characters")));
            }
        }
        Ok(())
    }
}

async fn set(call: Call<Nothing, Nothing, Json<NewRules>>) -> Result<Reply<RulesView>, ApiError> {
    let (company, new) = (call.company()?, &call.body.0);
    let scope = scope(new.scope, new.owner_id)?;
    new.check(&call.app.retention(), scope)?;
    owned(&call, company, scope).await?;
    let before = stored(&call, company, scope).await?;
    let held = before.as_ref().and_then(|(_, rules)| rules.hold.clone());
    let hold = match &new.hold {
        None => None,
        Some(new) => {
            let reason = new.reason.trim().to_owned();
            let same = held.filter(|held| held.reason == reason);
            Some(same.unwrap_or(Hold { reason, by: call.caller()?.actor.clone(), since: call.app.engine.now() }))
        }
    };
    let rules = Rules { plays: new.plays, plays_filtered: new.plays_filtered, audit_logs: new.audit_logs, hold };
    write(&call, scope, before, Some(&rules)).await?;
    Ok(Reply::ok(RulesView::of(scope, rules)))
}

/// Whether what the rules are for is there.
async fn owned<P, Q, B>(call: &Call<P, Q, B>, company: CompanyId, scope: Scope) -> Result<(), ApiError> {
    let (kind, id, code) = match scope {
        Scope::Company => return Ok(()),
        Scope::Group(group) => (DocKind::Group, group.0, "GROUP_NOT_FOUND"),
        Scope::Flow(flow) => (DocKind::Flow, flow.0, "FLOW_NOT_FOUND"),
    };
    match call.app.engine.store().doc(&DocKey::new(company, kind, id)).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::not_found(code, format!("there is no {kind} {id}"))),
    }
}

async fn stored<P, Q, B>(
    call: &Call<P, Q, B>,
    company: CompanyId,
    scope: Scope,
) -> Result<Option<(Doc, Rules)>, ApiError> {
    match call.app.engine.store().doc(&key(company, scope)).await? {
        Some(doc) => {
            let rules = doc.read()?;
            Ok(Some((doc, rules)))
        }
        None => Ok(None),
    }
}

/// Writes the rules of a scope, or that there are none any more; a hold that comes or goes has a word of its own.
async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    scope: Scope,
    before: Option<(Doc, Rules)>,
    after: Option<&Rules>,
) -> Result<(), ApiError> {
    let key = key(call.company()?, scope);
    let (expect, before) = match before {
        Some((doc, rules)) => (Expect::Revision(doc.revision), Some(rules)),
        None => (Expect::Absent, None),
    };
    let is_held = |rules: Option<&Rules>| rules.is_some_and(|rules| rules.hold.is_some());
    let action = match (is_held(before.as_ref()), is_held(after)) {
        (false, true) => "retention.hold",
        (true, false) => "retention.release",
        _ => "retention.set",
    };
    let shown = |rules: Option<&Rules>| rules.map_or(Ok(Value::Null), to_value);
    let audit = call.audit(action, ("retention", &scope.to_string()), shown(before.as_ref())?, shown(after)?)?;
    let doc = match after {
        Some(rules) => DocWrite::put(key, expect, rules),
        None => DocWrite::remove(key, expect),
    };
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(())
}

/// Whose rules.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WhichQuery {
    scope: ScopeName,
    /// Which group or flow.
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
}

async fn remove(call: Call<Nothing, WhichQuery>) -> Result<(), ApiError> {
    let scope = scope(call.query.scope, call.query.owner_id)?;
    let before = stored(&call, call.company()?, scope).await?;
    if before.is_none() {
        return Err(ApiError::not_found("RETENTION_NOT_FOUND", format!("there are no rules for {scope}")));
    }
    write(&call, scope, before, None).await
}

/// How.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CleanUp {
    /// Nothing goes; it is only counted.
    #[serde(default)]
    dry_run: bool,
}

/// What went, or would go.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CleanedUpView {
    dry_run: bool,
    /// Plays.
    plays: u64,
    /// Rows of the audit log.
    audit_rows: u64,
    /// Whether a hold keeps all of the company.
    is_held: bool,
}

async fn clean(call: Call<Nothing, Nothing, Json<CleanUp>>) -> Result<Reply<CleanedUpView>, ApiError> {
    let dry_run = call.body.0.dry_run;
    let clearing = if dry_run { Clearing::Count } else { Clearing::Remove };
    let done = clean_up(&call.app, call.company()?, clearing).await?;
    if !dry_run {
        let after = Value::map([("plays", Value::from(done.cleared.plays)), ("auditRows", done.audit_rows.into())]);
        let row = call.audit("retention.cleanup", ("retention", ""), Value::Null, after)?;
        call.app.engine.store().commit(Batch { audit: vec![row], ..Batch::default() }).await?;
    }
    let (plays, audit_rows) = (done.cleared.plays, done.audit_rows);
    Ok(Reply::ok(CleanedUpView { dry_run, plays, audit_rows, is_held: done.is_held }))
}
