//! Whose sign-in it is: the person that the provider's subject was bound to before, else the one with
//! the address that the provider has verified, else nobody, or somebody new.

use std::collections::BTreeMap;

use model::audit::AuditRow;
use model::doc::{DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::value::Value;

use super::token::Claims;
use super::{OidcSettings, refused};
use crate::access::Role;
use crate::app::App;
use crate::call::Call;
use crate::error::ApiError;
use crate::people::{Identity, User, caller_for, room, user_by_email, user_by_identity};

/// Who signs in, and what changes with that.
pub(super) struct Person {
    pub(super) company: CompanyId,
    pub(super) user: User,
    pub(super) write: Option<DocWrite>,
    pub(super) audit: Option<AuditRow>,
    /// Whether somebody has other rights than before.
    pub(super) has_changed: bool,
}

/// Finds whose sign-in it is.
///
/// # Errors
/// In words for whoever signs in, where they are not let in.
pub(super) async fn find<P, Q, B>(
    app: &App,
    settings: &OidcSettings,
    claims: &Claims,
    call: &Call<P, Q, B>,
) -> Result<Person, ApiError> {
    let identity = Identity { issuer: claims.issuer.clone(), subject: claims.subject.clone() };
    let granted = granted(settings, claims);
    if let Some((company, revision, user)) = user_by_identity(app, &identity).await? {
        return known(settings, (company, revision, user), granted, None, call);
    }
    // An address that anybody could have typed in there is nobody's.
    let email = claims.text("email").map(str::trim).filter(|email| email.contains('@'));
    let email = email.ok_or_else(|| {
        refused(
            "EMAIL_UNKNOWN",
            "the sign-in provider does not tell your address; allow it to, or ask an administrator",
        )
    })?;
    if !claims.is_email_verified() {
        let message = format!(
            "the sign-in provider has not verified that {} is your address; do that there first",
            super::quoted(email)
        );
        return Err(refused("EMAIL_NOT_VERIFIED", message));
    }
    if let Some((company, revision, user)) = user_by_email(app, email).await? {
        if user.identities.iter().any(|bound| bound.issuer == identity.issuer) {
            let message =
                format!("{} signs in as somebody else at the sign-in provider; ask an administrator", user.email);
            return Err(refused("ALREADY_BOUND", message));
        }
        return known(settings, (company, revision, user), granted, Some(identity), call);
    }
    if !settings.creates_people {
        let message = format!("nobody has added {} here; ask an administrator of flow8 to", super::quoted(email));
        return Err(refused("PERSON_UNKNOWN", message));
    }
    if granted.is_empty() {
        return Err(no_role());
    }
    room(app, app.company).await?;
    new(app, email, claims, granted, identity, call)
}

/// Somebody who was here before, or was added with this address.
fn known<P, Q, B>(
    settings: &OidcSettings,
    (company, revision, mut user): (CompanyId, u64, User),
    granted: Vec<Role>,
    bind: Option<Identity>,
    call: &Call<P, Q, B>,
) -> Result<Person, ApiError> {
    let before = user.clone();
    // What a group means was said by whoever looks after the first company; others give their own roles.
    if settings.roles_claim.is_some() && company == call.app.company {
        let mut roles = granted;
        // Owners are made in flow8 alone; else the last one could lose flow8 to a change elsewhere.
        roles.extend(user.roles.iter().filter(|role| **role == Role::Owner));
        if roles.is_empty() && user.shares.is_empty() {
            return Err(no_role());
        }
        roles.sort_unstable();
        user.roles = roles;
    }
    user.identities.extend(bind);
    let has_changed = user.roles != before.roles;
    if !has_changed && user.identities.len() == before.identities.len() {
        return Ok(Person { company, user, write: None, audit: None, has_changed });
    }
    let audit = row(call, company, &user, "user.update", before.shown());
    let write = Some(user.write(company, Expect::Revision(revision)));
    Ok(Person { company, user, write, audit: Some(audit), has_changed })
}

/// Somebody whom nobody has added: of the first company, whose administrators chose the provider.
fn new<P, Q, B>(
    app: &App,
    email: &str,
    claims: &Claims,
    roles: Vec<Role>,
    identity: Identity,
    call: &Call<P, Q, B>,
) -> Result<Person, ApiError> {
    let email = crate::routes::checked_email(email)?;
    let name =
        claims.text("name").and_then(|name| crate::routes::checked_name(name).ok()).filter(|name| !name.is_empty());
    let user = User {
        id: UserId(app.engine.new_id()),
        email: email.to_owned(),
        name: name.unwrap_or(email).to_owned(),
        roles,
        password: None,
        shares: BTreeMap::new(),
        must_change_password: false,
        identities: vec![identity],
        sessions: 0,
        one_time: None,
        second_factor: None,
        created_at: app.engine.now(),
    };
    let audit = row(call, app.company, &user, "user.create", Value::Null);
    let write = Some(user.write(app.company, Expect::Absent));
    Ok(Person { company: app.company, user, write, audit: Some(audit), has_changed: false })
}

/// The roles that the provider's groups give.
fn granted(settings: &OidcSettings, claims: &Claims) -> Vec<Role> {
    let groups = settings.roles_claim.as_deref().map(|claim| claims.texts(claim)).unwrap_or_default();
    let given = settings.roles.iter().filter(|(group, _)| groups.contains(group.as_str()));
    let mut roles: Vec<Role> = given.map(|(_, role)| *role).collect();
    if roles.is_empty() {
        roles.clone_from(&settings.default_roles);
    }
    roles.retain(|role| *role != Role::Owner);
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn no_role() -> ApiError {
    refused("NO_ROLE", "your groups at the sign-in provider give you no role here; ask an administrator of flow8")
}

fn row<P, Q, B>(call: &Call<P, Q, B>, company: CompanyId, user: &User, action: &str, before: Value) -> AuditRow {
    AuditRow {
        company,
        at: call.app.engine.now(),
        actor: caller_for(company, user).actor,
        action: action.into(),
        entity: "user".into(),
        entity_id: user.id.to_string(),
        before,
        after: user.shown(),
        request_id: call.request.id.clone(),
        ip: call.request.ip.clone(),
    }
}
