//! Who is to approve: roles that there are.

use model::flow::FlowDef;
use model::role::ROLES;
use model::suggest::did_you_mean;

use super::{Place, Problem};

/// What is wrong with the roles that a flow lists. Where nobody can have one, nobody could ever decide.
pub(super) fn check(def: &FlowDef) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, layer) in def.layers.iter().enumerate() {
        let roles = layer.needs_approval.iter().flat_map(|approval| &approval.roles);
        for (number, role) in roles.enumerate().filter(|(_, role)| !ROLES.contains(&role.as_str())) {
            let place = Place::layer(def, at).at(&format!("needsApproval.roles[{number}]"));
            let hint = did_you_mean(role, ROLES);
            problems.push(place.problem(format!("{role:?} is no role{hint}; known are {}", ROLES.join(", "))));
        }
    }
    problems
}
