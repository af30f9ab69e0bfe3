//! Mailboxes against a real IMAP server, and against one that is not what it seems.

mod settings;
mod settling;
mod stage;
mod taking;
mod trouble;
