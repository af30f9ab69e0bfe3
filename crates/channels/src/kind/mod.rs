//! The kinds of channels, one file each: what their routes are like, and how what comes through
//! them becomes arguments.

pub(crate) mod http;
mod intake;
mod mcp;
pub(crate) mod websocket;

use crate::channel::{Definition, Kind};

/// Whether the routes of a channel are such as its kind has, and can be told apart.
pub(crate) fn check(definition: &Definition) -> Result<(), String> {
    match definition.kind {
        Kind::Http => http::check(definition),
        Kind::Websocket => websocket::check(definition),
        Kind::Mcp => mcp::check(definition),
        Kind::Queue | Kind::Mailbox => intake::check(definition),
    }
}
