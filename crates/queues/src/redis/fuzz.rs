//! What is made of a reply, whatever is in it.

use super::entry::entries;
use super::listed;
use super::wire::Reply;
use crate::fault::Hush;
use crate::message::Came;

pub(crate) fn messages(reply: Reply) -> Vec<Came> {
    let hush = Hush::default();
    let read = super::stream::read(reply.clone(), &hush).unwrap_or_default();
    let found = entries("orders", read, false).into_iter();
    let claimed = entries("orders", listed(reply, &hush).unwrap_or_default(), true);
    found.chain(claimed).filter_map(|entry| entry.came.ok()).collect()
}
