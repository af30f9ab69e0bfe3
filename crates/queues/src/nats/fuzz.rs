//! What is made of something said, whatever it is.

use std::time::Duration;

use super::wire::{Delivery, Said};
use super::{Place, answered, pull};
use crate::fault::Hush;
use crate::message::Came;

pub(crate) fn message(said: Said) -> Option<Came> {
    let Said::Published(message) = said else { return None };
    let _ = answered(&message, &Hush::default());
    let delivery = message.reply.as_deref().and_then(Delivery::of)?;
    let place = Place { stream: "orders".into(), consumer: "c".into(), subject: None, idle: Duration::from_secs(1) };
    pull::came(&place, message, &delivery).ok()
}
