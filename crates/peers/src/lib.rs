//! Servers of others that tests talk to: real ones, on this machine. Each ends when it is dropped, and
//! leaves nothing behind. For tests alone.

mod mail;
mod postgres;
mod program;

pub use mail::MailServer;
pub use postgres::Postgres;
