//! Sharing a group of flows with single people. What they may do there stands in their own document, so that it comes
//! and goes with everything else that they may: at once, and at every replica.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{Doc, DocKey, DocKind, Expect};
use model::ids::{GroupId, UserId};
use model::limits::{PEOPLE, SHARES_PER_PERSON};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;

use super::groups::{ById, found};
use super::users::sorted;
use crate::access::{Caller, Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::people::User;
use crate::reach::NamesGroup;

pub(super) fn routes() -> Vec<Route> {
    let admin = Permission::Admin;
    vec![
        Route::about(
            (Method::GET, "/groups/{id}/shares"),
            "listGroupShares",
            admin,
            "Lists with whom a group is shared.",
            list,
        ),
        Route::about(
            (Method::POST, "/groups/{id}/shares"),
            "shareGroup",
            admin,
            "Shares a group with a person of the company, or changes what they are there.",
            share,
        )
        .also(404, "There is no such group or person.")
        .also(409, "The person has too many shares, or changed at this moment."),
        Route::about(
            (Method::DELETE, "/groups/{id}/shares/{userId}"),
            "unshareGroup",
            admin,
            "Takes a share back, at once and everywhere.",
            unshare,
        )
        .also(404, "It is not shared with that person."),
    ]
}

/// What somebody is in one group.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareView {
    group_id: GroupId,
    roles: Vec<Role>,
}

impl ShareView {
    /// All shares of a person.
    pub(crate) fn all(user: &User) -> Vec<Self> {
        user.shares.iter().map(|(group, roles)| Self { group_id: *group, roles: roles.clone() }).collect()
    }

    /// All shares of whoever asks.
    pub(crate) fn of(caller: &Caller) -> Vec<Self> {
        caller.shares.iter().map(|(group, share)| Self { group_id: *group, roles: share.roles.clone() }).collect()
    }
}

/// Somebody with whom a group is shared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SharedWith {
    user_id: UserId,
    email: String,
    name: String,
    /// What they are there.
    roles: Vec<Role>,
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

/// With whom to share a group.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewShare {
    /// With whom; or `email`.
    user_id: Option<UserId>,
    /// With whom; or `userId`.
    email: Option<String>,
    /// What they are there; never `owner`.
    roles: Vec<Role>,
}

/// Which share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ByUser {
    id: GroupId,
    user_id: UserId,
}

impl NamesGroup for ByUser {
    fn group(&self) -> GroupId {
        self.id
    }
}

/// The people of the company, each with the revision they stand at.
async fn people<P, Q, B>(call: &Call<P, Q, B>) -> Result<Vec<(User, u64)>, ApiError> {
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::User, PEOPLE)).await?;
    docs.iter().map(|doc: &Doc| Ok((doc.read()?, doc.revision))).collect()
}

/// With whom a group is shared.
pub(super) async fn shared_with<P, Q, B>(call: &Call<P, Q, B>, group: GroupId) -> Result<Vec<User>, ApiError> {
    let people = people(call).await?.into_iter().map(|(user, _)| user);
    Ok(people.filter(|user| user.shares.contains_key(&group)).collect())
}

async fn list(call: Call<ById, ListQuery>, group: GroupId) -> Result<Reply<Page<SharedWith>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    found(&call, group).await?;
    let view = |user: User| {
        let roles = user.shares.get(&group).cloned().unwrap_or_default();
        SharedWith { user_id: user.id, email: user.email, name: user.name, roles }
    };
    Ok(Reply::ok(paging.cut(shared_with(&call, group).await?.into_iter().map(view).collect())))
}

async fn share(call: Call<ById, Nothing, Json<NewShare>>, group: GroupId) -> Result<Reply<SharedWith>, ApiError> {
    let Json(new) = &call.body;
    let roles = sorted(&new.roles);
    if roles.is_empty() || roles.contains(&Role::Owner) {
        return Err(ApiError::invalid("roles: give at least one, and not owner: that is for the company as a whole"));
    }
    found(&call, group).await?;
    let is_meant: Box<dyn Fn(&User) -> bool + Send + Sync> = match (new.user_id, &new.email) {
        (Some(id), None) => Box::new(move |user| user.id == id),
        (None, Some(email)) => {
            let email = email.trim().to_lowercase();
            Box::new(move |user| user.email.trim().to_lowercase() == email)
        }
        _ => return Err(ApiError::invalid("say with whom: userId or email, and not both")),
    };
    let unknown = || ApiError::not_found("USER_NOT_FOUND", "there is no such person in the company; add them first");
    let (mut user, revision) = people(&call).await?.into_iter().find(|(user, _)| is_meant(user)).ok_or_else(unknown)?;
    let before = user.shares.insert(group, roles.clone());
    if user.shares.len() > SHARES_PER_PERSON {
        let message =
            format!("with one person at most {SHARES_PER_PERSON} groups are shared; give them a role instead");
        return Err(ApiError::conflict("TOO_MANY_SHARES", message));
    }
    let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    write(&call, "group.share", group, &user, revision, before.as_deref()).await?;
    Ok(Reply::with(status, SharedWith { user_id: user.id, email: user.email, name: user.name, roles }))
}

async fn unshare(call: Call<ByUser>, group: GroupId) -> Result<(), ApiError> {
    let id = call.path.user_id;
    let none = || ApiError::not_found("SHARE_NOT_FOUND", format!("the group is not shared with {id}"));
    let key = DocKey::new(call.company()?, DocKind::User, id);
    let doc = call.app.engine.store().doc(&key).await?.ok_or_else(none)?;
    let mut user: User = doc.read()?;
    let before = user.shares.remove(&group).ok_or_else(none)?;
    write(&call, "group.unshare", group, &user, doc.revision, Some(&before)).await
}

/// Writes what somebody may do now, with its row in the audit log.
async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    action: &str,
    group: GroupId,
    user: &User,
    revision: u64,
    before: Option<&[Role]>,
) -> Result<(), ApiError> {
    let shown = |roles: Option<&[Role]>| match roles {
        None => Value::Null,
        Some(roles) => {
            let roles = Value::list(roles.iter().map(|role| role.as_str()));
            let who = [("userId", Value::from(user.id.to_string())), ("email", user.email.as_str().into())];
            Value::map(who.into_iter().chain([("roles", roles)]).collect::<BTreeMap<_, _>>())
        }
    };
    let after = user.shares.get(&group).map(Vec::as_slice);
    let audit = call.audit(action, ("group", &group.to_string()), shown(before), shown(after))?;
    let doc = user.write(call.company()?, Expect::Revision(revision));
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    call.app.known.forget();
    Ok(())
}
