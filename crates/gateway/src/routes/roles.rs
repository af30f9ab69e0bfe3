//! The roles there are, and what each of them allows.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Access, Permission, Role};
use crate::answer::Reply;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Lists the roles, each with the permissions that it gives.";
    vec![Route::new((Method::GET, "/roles"), "listRoles", Access::SignedIn, summary, list)]
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

/// A role.
#[derive(Serialize, JsonSchema)]
struct RoleView {
    /// As people are given it, and flows name it in `needsApproval`.
    name: Role,
    /// What whoever has it may do.
    permissions: &'static [Permission],
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<RoleView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let roles = Role::ALL.map(|name| RoleView { name, permissions: name.permissions() });
    Ok(Reply::ok(paging.cut(roles.into())))
}
