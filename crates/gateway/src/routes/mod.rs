//! The table of routes: every route of the API, one file for each area.

mod api_keys;
mod approvals;
mod audit;
mod auth;
mod calendars;
mod channel_requests;
mod channel_routes;
mod channels;
mod companies;
mod components;
mod data_keys;
mod events;
mod expressions;
mod files;
mod flow_checks;
mod flow_files;
mod flow_layers;
mod flow_runs;
mod flow_trials;
mod flow_versions;
mod flows;
mod group_shares;
mod groups;
mod kv;
mod links;
mod modules;
mod new_passwords;
mod oidc;
mod play_bulk;
mod play_commands;
mod plays;
mod retention;
mod roles;
mod schedules;
mod second_factor;
mod secrets;
mod user_access;
mod users;
mod uses;

pub(crate) use users::{checked_email, checked_name};

use crate::call::Route;

/// All routes.
pub(crate) fn all() -> Vec<Route> {
    [
        api_keys::routes(),
        approvals::routes(),
        audit::routes(),
        auth::routes(),
        calendars::routes(),
        channel_requests::routes(),
        channel_routes::routes(),
        channels::routes(),
        companies::routes(),
        components::routes(),
        data_keys::routes(),
        events::routes(),
        expressions::routes(),
        files::routes(),
        flow_checks::routes(),
        flow_files::routes(),
        flow_layers::routes(),
        flow_runs::routes(),
        flow_trials::routes(),
        flow_versions::routes(),
        flows::routes(),
        group_shares::routes(),
        groups::routes(),
        kv::routes(),
        links::routes(),
        modules::routes(),
        new_passwords::routes(),
        oidc::routes(),
        play_bulk::routes(),
        play_commands::routes(),
        plays::routes(),
        retention::routes(),
        roles::routes(),
        schedules::routes(),
        second_factor::routes(),
        secrets::routes(),
        user_access::routes(),
        users::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::all;
    use crate::table::Table;

    #[test]
    fn no_name_and_no_path_comes_twice_and_every_path_can_be_told_apart() {
        let table = all();
        let names: BTreeSet<_> = table.iter().map(|route| route.name).collect();
        let places: BTreeSet<_> = table.iter().map(|route| (route.path, route.method.as_str())).collect();
        assert_eq!((names.len(), places.len()), (table.len(), table.len()));
        for route in &table {
            assert!(route.summary.ends_with('.'), "{}: {}", route.name, route.summary);
        }
        Table::new(table).map(drop).expect("paths that can be told apart");
    }
}
