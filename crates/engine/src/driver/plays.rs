//! [`Plays`]: the plays in memory, and how they are told things.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::play::PlayKey;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::play::Note;

/// What a play in memory is told.
pub(super) type Inbox = UnboundedReceiver<Note>;

/// The plays in memory. A play is in here from before it is loaded until after it has let go.
#[derive(Default)]
pub(super) struct Plays {
    notes: Mutex<HashMap<PlayKey, UnboundedSender<Note>>>,
    count: AtomicUsize,
    changed: Notify,
}

impl Plays {
    fn notes(&self) -> MutexGuard<'_, HashMap<PlayKey, UnboundedSender<Note>>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a play in; none where it is in memory already.
    pub(super) fn take_in(&self, play: PlayKey) -> Option<Inbox> {
        let mut notes = self.notes();
        if notes.contains_key(&play) {
            return None;
        }
        let (sender, inbox) = unbounded_channel();
        notes.insert(play, sender);
        self.counted(notes);
        Some(inbox)
    }

    /// Whether a play is in memory.
    pub(super) fn has(&self, play: PlayKey) -> bool {
        self.notes().contains_key(&play)
    }

    /// The plays in memory.
    pub(super) fn all(&self) -> Vec<PlayKey> {
        self.notes().keys().copied().collect()
    }

    /// Tells a play something. Where it is not in memory, it is taken in, and its inbox with the
    /// note in it is returned: the caller must load it.
    pub(super) fn note(&self, play: PlayKey, note: Note) -> Option<Inbox> {
        let mut notes = self.notes();
        if let Some(sender) = notes.get(&play) {
            // An inbox lives as long as its entry here.
            let _ = sender.send(note);
            return None;
        }
        let (sender, inbox) = unbounded_channel();
        let _ = sender.send(note);
        notes.insert(play, sender);
        self.counted(notes);
        Some(inbox)
    }

    /// Lets a play go, unless it was told something that it has not read.
    pub(super) fn let_go(&self, play: PlayKey, inbox: &Inbox) -> bool {
        let mut notes = self.notes();
        if !inbox.is_empty() {
            return false;
        }
        notes.remove(&play);
        self.counted(notes);
        true
    }

    /// Lets a play go, whatever it was told.
    pub(super) fn drop_out(&self, play: PlayKey) {
        let mut notes = self.notes();
        notes.remove(&play);
        self.counted(notes);
    }

    fn counted(&self, notes: MutexGuard<'_, HashMap<PlayKey, UnboundedSender<Note>>>) {
        self.count.store(notes.len(), Ordering::Release);
        drop(notes);
        self.changed.notify_waiters();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Returns when their number is as wanted.
    pub(super) async fn until(&self, wanted: impl Fn(usize) -> bool) {
        loop {
            // Whoever waits must do so before looking, or a change between the two is missed.
            let changed = self.changed.notified();
            if wanted(self.len()) {
                return;
            }
            changed.await;
        }
    }
}
