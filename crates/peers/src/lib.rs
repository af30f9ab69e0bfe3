//! Servers of others that tests talk to: real ones, on this machine. Each ends when it is dropped, and
//! leaves nothing behind. For tests alone.

mod imap;
mod mail;
mod nats;
mod owner;
mod postgres;
mod program;
mod rabbit;
mod redis;

pub use imap::{ImapServer, Lying};
pub use mail::MailServer;
pub use nats::Nats;
pub use postgres::Postgres;
pub use program::place;
pub use rabbit::Rabbit;
pub use redis::Redis;
