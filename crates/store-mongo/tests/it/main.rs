//! What only a store that several replicas share can show, against a real MongoDB.

mod beginning;
mod dumps;
mod files;
mod leases;
mod races;
mod signing_in;
mod stage;
mod watching;
