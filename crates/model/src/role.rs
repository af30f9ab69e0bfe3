//! What roles are called: flows name them in `needsApproval`. What each of them allows, the gateway knows.

/// The names of all roles.
pub const ROLES: [&str; 6] = ["owner", "admin", "builder", "operator", "approver", "auditor"];
