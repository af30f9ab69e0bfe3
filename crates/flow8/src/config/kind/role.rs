//! Settings that give people roles. An owner is made in flow8 alone, by another owner.

use gateway::Role;
use model::Value;

use super::{Kind, scalar, unfit};

/// A role that may be given from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenRole(pub Role);

impl GivenRole {
    fn named(word: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|role| role.as_str() == word && *role != Role::Owner).map(Self)
    }
}

impl Kind for GivenRole {
    fn expected() -> String {
        let words: Vec<&str> = Role::ALL.into_iter().filter(|role| *role != Role::Owner).map(Role::as_str).collect();
        format!("one of the roles {}", words.join(", "))
    }

    fn read(given: &Value) -> Result<Self, String> {
        scalar(given).and_then(|word| Self::named(&word)).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.as_str().into()
    }
}

/// A group at the sign-in provider, and the role that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The group, as the provider names it.
    pub group: String,
    /// What whoever is in it is here.
    pub role: GivenRole,
}

impl Kind for RoleRule {
    fn expected() -> String {
        format!("GROUP=ROLE, with {}", GivenRole::expected())
    }

    fn read(given: &Value) -> Result<Self, String> {
        let rule = |text: String| {
            // A group may have a = in its name, a role has none.
            let (group, role) = text.rsplit_once('=')?;
            let (group, role) = (group.trim().to_owned(), GivenRole::named(role.trim())?);
            (!group.is_empty()).then_some(Self { group, role })
        };
        scalar(given).and_then(rule).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        format!("{}={}", self.group, self.role.0.as_str()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_gives_any_role_but_owner() {
        let rule = RoleRule::read(&"ou=staff=builder".into()).expect("a rule");
        assert_eq!((rule.group.as_str(), rule.role.0), ("ou=staff", Role::Builder));
        assert_eq!(RoleRule::read(&rule.show()), Ok(rule));
        for wrong in ["staff", "staff=", "=builder", "staff=owner", "staff=king"] {
            let error = RoleRule::read(&wrong.into()).expect_err(wrong);
            assert!(error.contains("admin, builder, operator, approver, auditor, not"), "{error}");
        }
    }
}
