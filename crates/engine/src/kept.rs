//! [`Kept`]: what a company keeps how long, of which flow: what the installation says, and what the rules of
//! the company, of its groups and of its flows say instead.

use std::collections::BTreeMap;
use std::time::Duration;

use model::doc::DocKind;
use model::flow::Flow;
use model::ids::{CompanyId, FlowId, GroupId};
use model::retention::{Rule, Rules, Scope};
use store::{DocQuery, Store, StoreError};

/// Rules that one company may have.
pub const RULES: usize = 10_000;

/// Flows that are looked at, for those that lie in a group.
const FLOWS: usize = 100_000;

/// How long the installation keeps things.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies {
    /// Plays that ran.
    pub plays: Policy,
    /// Plays whose flowlets were all filtered out.
    pub filtered: Policy,
    /// The audit log.
    pub audit: Policy,
}

/// How long one kind of thing is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// How long at least, from the end.
    pub kept: Duration,
    /// How many at least, however old.
    pub min_entries: u64,
    /// The shortest that anybody may keep them.
    pub enforced: Duration,
}

impl Policy {
    /// What a rule makes of it: never less than what is enforced.
    fn under(self, rule: Option<Rule>) -> Self {
        let with = |kept: Duration, min_entries| Self { kept: kept.max(self.enforced), min_entries, ..self };
        match rule {
            Some(rule) => with(rule.cadence.duration(), rule.min_entries),
            None => with(self.kept, self.min_entries),
        }
    }
}

/// How long plays are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaysKept {
    /// Those that ran.
    pub ran: Policy,
    /// Those whose flowlets were all filtered out.
    pub filtered: Policy,
}

impl PlaysKept {
    fn under(self, rules: &Rules) -> Self {
        Self { ran: self.ran.under(rules.plays), filtered: self.filtered.under(rules.plays_filtered) }
    }
}

/// What a company keeps how long.
#[derive(Debug, Clone)]
pub struct Kept {
    /// A hold: nothing of the company goes.
    pub is_held: bool,
    /// The audit log.
    pub audit: Policy,
    /// The plays of most flows.
    pub plays: PlaysKept,
    /// The plays of flows that have rules of their own or lie in a group that has; none where a hold keeps them.
    pub flows: BTreeMap<FlowId, Option<PlaysKept>>,
}

/// What a company keeps how long.
///
/// # Errors
/// Where the store fails or is damaged.
pub async fn kept(store: &dyn Store, company: CompanyId, policies: &Policies) -> Result<Kept, StoreError> {
    let mut of_company = Rules::default();
    let mut of_groups: BTreeMap<GroupId, Rules> = BTreeMap::new();
    let mut of_flows: BTreeMap<FlowId, Rules> = BTreeMap::new();
    for doc in store.docs(&DocQuery::all(company, DocKind::Retention, RULES)).await? {
        let damaged =
            |error: &dyn std::fmt::Display| StoreError::Damaged(format!("retention of {}: {error}", doc.key.id));
        let rules = doc.read().map_err(|error| damaged(&error))?;
        match doc.key.id.parse().map_err(|error| damaged(&error))? {
            Scope::Company => of_company = rules,
            Scope::Group(group) => drop(of_groups.insert(group, rules)),
            Scope::Flow(flow) => drop(of_flows.insert(flow, rules)),
        }
    }
    let plays = PlaysKept { ran: policies.plays.under(None), filtered: policies.filtered.under(None) };
    let plays = plays.under(&of_company);
    let mut flows = BTreeMap::new();
    if !of_groups.is_empty() {
        for doc in store.docs(&DocQuery::all(company, DocKind::Flow, FLOWS)).await? {
            let flow: Flow = doc.read().map_err(|error| StoreError::Damaged(error.to_string()))?;
            if let Some(rules) = flow.draft.group_id.and_then(|group| of_groups.get(&group)) {
                flows.insert(flow.id, rules.hold.is_none().then(|| plays.under(rules)));
            }
        }
    }
    for (flow, rules) in of_flows {
        let wider = flows.get(&flow).copied().unwrap_or(Some(plays));
        let own = wider.filter(|_| rules.hold.is_none()).map(|wider| wider.under(&rules));
        flows.insert(flow, own);
    }
    let audit = policies.audit.under(of_company.audit_logs);
    Ok(Kept { is_held: of_company.hold.is_some(), audit, plays, flows })
}
