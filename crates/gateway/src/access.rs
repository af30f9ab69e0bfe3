//! Who may do what: [`Permission`], [`Role`], and the [`Caller`] that a request comes from.

use std::collections::{BTreeMap, BTreeSet};

use model::actor::Actor;
use model::ids::{CompanyId, GroupId, Id, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vault::TokenHash;

/// Something that a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Permission {
    /// Everything about users, keys and the company.
    #[serde(rename = "admin")]
    Admin,
    /// To decide on approvals.
    #[serde(rename = "approvals:decide")]
    ApprovalsDecide,
    /// To read the audit log.
    #[serde(rename = "audit:view")]
    AuditView,
    /// To make, change, publish and remove flows.
    #[serde(rename = "flows:edit")]
    FlowsEdit,
    /// To run flows.
    #[serde(rename = "flows:run")]
    FlowsRun,
    /// To see flows.
    #[serde(rename = "flows:view")]
    FlowsView,
    /// To call, over MCP, the tools of channels.
    #[serde(rename = "mcp")]
    Mcp,
    /// To call, over MCP, the tools with which flows are looked after: as far as the other permissions go.
    #[serde(rename = "mcp:manage")]
    McpManage,
    /// To cancel, hold, resume, resolve and retry plays.
    #[serde(rename = "plays:control")]
    PlaysControl,
    /// To see plays and their outputs.
    #[serde(rename = "plays:view")]
    PlaysView,
    /// To change secrets and key/values.
    #[serde(rename = "secrets:manage")]
    SecretsManage,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Admin,
        Self::ApprovalsDecide,
        Self::AuditView,
        Self::FlowsEdit,
        Self::FlowsRun,
        Self::FlowsView,
        Self::Mcp,
        Self::McpManage,
        Self::PlaysControl,
        Self::PlaysView,
        Self::SecretsManage,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ApprovalsDecide => "approvals:decide",
            Self::AuditView => "audit:view",
            Self::FlowsEdit => "flows:edit",
            Self::FlowsRun => "flows:run",
            Self::FlowsView => "flows:view",
            Self::Mcp => "mcp",
            Self::McpManage => "mcp:manage",
            Self::PlaysControl => "plays:control",
            Self::PlaysView => "plays:view",
            Self::SecretsManage => "secrets:manage",
        }
    }
}

/// A set of permissions that a person may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, and the last one cannot be removed.
    Owner,
    /// Everything.
    Admin,
    /// Makes flows and sees them run, but does not run them.
    Builder,
    /// Runs flows, and looks after plays.
    Operator,
    /// Decides on approvals.
    Approver,
    /// Sees everything, changes nothing.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Owner, Self::Admin, Self::Builder, Self::Operator, Self::Approver, Self::Auditor];

    /// The word for it, as flows name it in `needsApproval`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Builder => "builder",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
        }
    }

    /// What it allows.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::{
            ApprovalsDecide, AuditView, FlowsEdit, FlowsRun, FlowsView, Mcp, McpManage, PlaysControl, PlaysView,
            SecretsManage,
        };
        match self {
            Self::Owner | Self::Admin => &Permission::ALL,
            // Neither to run flows nor to call them as tools: whoever makes a payment run does not start it.
            Self::Builder => &[FlowsView, FlowsEdit, McpManage, PlaysView, SecretsManage],
            Self::Operator => &[FlowsView, FlowsRun, Mcp, McpManage, PlaysView, PlaysControl],
            Self::Approver => &[FlowsView, PlaysView, ApprovalsDecide],
            Self::Auditor => &[FlowsView, PlaysView, AuditView],
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever has the permission.
    Needs(Permission),
}

/// Whom a request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The company they act in.
    pub company: CompanyId,
    /// Who they are, for the records.
    pub actor: Actor,
    /// The person behind it; none for the command line on the machine itself.
    pub user: Option<UserId>,
    /// What they are.
    pub roles: Vec<Role>,
    /// What they may do, whatever it is about.
    pub permissions: Vec<Permission>,
    /// What they may do in single groups of flows, beside that.
    pub shares: BTreeMap<GroupId, Share>,
    /// The session, where they signed in with one.
    pub session: Option<TokenHash>,
    /// Whether they show an API key that may do less than its owner.
    pub is_narrowed: bool,
}

impl Caller {
    /// The command line on the machine itself: whoever may read the data folder may do all.
    pub fn cli(company: CompanyId) -> Self {
        Self {
            company,
            actor: Actor::cli(),
            user: None,
            roles: Role::ALL.into(),
            permissions: Permission::ALL.into(),
            shares: BTreeMap::new(),
            session: None,
            is_narrowed: false,
        }
    }

    /// Whether an API key, which that person owns, is theirs to see and to take back. What a narrowed key is told of
    /// is itself: else one that may only look could take back those that do the work.
    pub(crate) fn looks_after_key(&self, key: Id, owner: UserId) -> bool {
        let is_theirs = if self.is_narrowed { self.actor.id == Some(key) } else { self.user == Some(owner) };
        is_theirs || self.may(Permission::Admin)
    }

    /// Whether they have a permission, whatever it is about.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Whether they have a permission in some group at least.
    pub fn may_somewhere(&self, permission: Permission) -> bool {
        self.may(permission) || self.shares.values().any(|share| share.permissions.contains(&permission))
    }

    /// Whether they have a permission for what lies in that group, or in none.
    pub fn may_in(&self, group: Option<GroupId>, permission: Permission) -> bool {
        let share = group.and_then(|group| self.shares.get(&group));
        self.may(permission) || share.is_some_and(|share| share.permissions.contains(&permission))
    }

    /// Whether it is no secret to them that there is something in that group, or in none.
    pub fn knows_of(&self, group: Option<GroupId>) -> bool {
        !self.permissions.is_empty() || group.is_some_and(|group| self.shares.contains_key(&group))
    }

    /// The groups in which they have a permission; none where they have it whatever it is about.
    pub fn groups(&self, permission: Permission) -> Option<BTreeSet<GroupId>> {
        let allowed = |share: &Share| share.permissions.contains(&permission);
        let groups = || self.shares.iter().filter(|(_, share)| allowed(share)).map(|(group, _)| *group).collect();
        (!self.may(permission)).then(groups)
    }

    /// What they are where that group is concerned.
    pub fn roles_in(&self, group: Option<GroupId>) -> Vec<Role> {
        let share = group.and_then(|group| self.shares.get(&group));
        self.roles.iter().chain(share.iter().flat_map(|share| &share.roles)).copied().collect()
    }
}

/// What somebody may do in one group of flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What they are there.
    pub roles: Vec<Role>,
    /// What they may do there.
    pub permissions: Vec<Permission>,
}

/// What roles allow together.
pub(crate) fn permissions_of(roles: &[Role]) -> Vec<Permission> {
    let mut all: Vec<Permission> = roles.iter().flat_map(|role| role.permissions().iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_may_name_the_roles_there_are() {
        assert_eq!(Role::ALL.map(Role::as_str), model::role::ROLES);
    }

    #[test]
    fn who_builds_who_runs_and_who_approves_may_be_different_people() {
        let allowed = permissions_of(&[Role::Builder, Role::Operator]);
        assert!(allowed.contains(&Permission::FlowsEdit));
        assert!(!allowed.contains(&Permission::ApprovalsDecide));
        assert!(!permissions_of(&[Role::Approver]).contains(&Permission::FlowsEdit));
        for runs in [Permission::FlowsRun, Permission::Mcp] {
            assert!(!permissions_of(&[Role::Builder, Role::Approver]).contains(&runs), "{runs:?}");
            assert!(permissions_of(&[Role::Operator]).contains(&runs), "{runs:?}");
        }
        assert!(!permissions_of(&[Role::Operator, Role::Approver]).contains(&Permission::FlowsEdit));
    }
}
