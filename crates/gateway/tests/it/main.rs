//! The gateway as clients see it: over a real connection, with a real engine behind it.

mod access;
mod api_keys;
mod approvals;
mod audit;
mod canary;
mod client;
mod commands;
mod companies;
mod components;
mod connections;
mod document;
mod events;
mod flow_files;
mod flow_versions;
mod flows;
mod kept;
mod links;
mod peer;
mod plays;
mod runs;
mod sign_in;
mod stage;
mod trial;
mod users;
mod walk;
mod world;
