//! What goes wrong with queues, with stable codes. What a server says is cut short before it is told.

use model::failure::Failure;
use model::limits::QUEUE_SAID_CHARS;

/// The server cannot be reached, or lets nobody in.
pub(crate) fn unreachable(message: impl Into<String>) -> Failure {
    Failure::new("COMPONENT_UNREACHABLE", message)
}

/// The connection was lost, or what came over it is not what is spoken there.
pub(crate) fn broken(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_BROKEN", message)
}

/// There is no such stream or queue.
pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_NOT_FOUND", message)
}

/// The server says no.
pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_REFUSED", message)
}

/// What a server says, as one short line.
pub(crate) fn said(text: &str) -> String {
    let shown = text.trim().chars().take(QUEUE_SAID_CHARS);
    shown.map(|char| if char.is_control() { ' ' } else { char }).collect()
}
