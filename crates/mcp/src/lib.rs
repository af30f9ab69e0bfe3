//! The MCP server: the routes of a company's channels of kind `mcp` as tools, plays as resources, and tools to look
//! after flows with.
//!
//! [`Mcp`] answers one request. It keeps nothing between two: whatever a later one must know of an earlier one stands
//! in the store, so any replica answers any request. rmcp speaks the protocol, in all its revisions, and holds no
//! session; who asks, and whether they may, is a [`Caller`], whom the gateway knows. Nothing here opens a port.

mod call;
mod cancel;
mod door;
mod manage;
mod plays;
mod progress;
mod result;
mod schema;
mod server;
mod service;
mod shape;

pub use door::{ApiAnswer, ApiCall, Caller, Right};
pub use schema::check_schema;
pub use server::{Asked, Mcp};
