//! [`FailPoint`]: the places at which a crash would hurt most. Tests end the process at each.

use std::fmt;
use std::str::FromStr;

/// A place at which tests end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailPoint {
    /// A play is about to be admitted.
    BeforeAdmission,
    /// A play was admitted; nobody was told yet.
    AfterAdmission,
    /// A commit is about to be made.
    BeforeCommit,
    /// A commit was made; nothing followed from it yet.
    AfterCommit,
    /// An attempt is about to be made.
    BeforeEffect,
    /// An attempt was made; nothing was recorded of it yet.
    AfterEffect,
    /// A timer fired; nothing followed from it yet.
    Timer,
    /// An approval was decided; it is not committed yet.
    Approval,
    /// A subflow is about to be admitted with its parent's commit.
    Subflow,
    /// A state was written down instead of many records.
    Compaction,
}

impl FailPoint {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BeforeAdmission,
        Self::AfterAdmission,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeEffect,
        Self::AfterEffect,
        Self::Timer,
        Self::Approval,
        Self::Subflow,
        Self::Compaction,
    ];

    /// Its name, as tests give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeAdmission => "before_admission",
            Self::AfterAdmission => "after_admission",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforeEffect => "before_effect",
            Self::AfterEffect => "after_effect",
            Self::Timer => "timer",
            Self::Approval => "approval",
            Self::Subflow => "subflow",
            Self::Compaction => "compaction",
        }
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FailPoint {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|point| point.name() == name)
            .ok_or_else(|| format!("there is no failure point {name:?}"))
    }
}
