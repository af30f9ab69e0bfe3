//! Channels: endpoints whose routes start flows.
//!
//! A [`Channel`] is data: who may come, which paths lead to which flows, and how they answer.
//! [`Channels`] has those that are in use at hand, lets a request in or not, turns it into the wish
//! to run a flow ([`engine::driver::Admit`]) and what became of the play into an answer. Each kind of
//! channel is one file in [`kind`]. Nothing here opens a port or reads from a connection: the
//! gateway does. What waits in queues and mailboxes is fetched by [`Intakes`], and becomes plays in the same way.

mod answer;
mod auth;
mod channel;
mod cors;
mod desk;
mod door;
mod files;
mod intake;
mod keep;
mod kind;
mod log;
mod pace;
mod request;
mod route;
mod sockets;
mod start;
mod table;
mod tools;

pub use answer::{Reply, Streamed};
pub use auth::{Algorithm, Auth, AuthMode, Digits, Scheme, Secret};
pub use channel::{Channel, Cors, Definition, Kind, RateLimit};
pub use desk::{Channels, Visit};
pub use door::{Doorman, Guest};
pub use intake::{Intake, IntakeState, Intakes};
pub use keep::{MASK, by_slug, doc_key, of_company, port_key, seal, slug_key, write};
pub use kind::websocket::{Meeting, Said};
pub use log::{Logged, requests};
pub use request::Arrival;
pub use route::{HttpMethod, OWN_TOOLS, ResponseMode, Route};
pub use sockets::{Connection, Seat, Sockets};
pub use start::{Outcome, Refused, Wanted};
pub use tools::{Called, Tool, ToolCall, Toolbox, Tools};
