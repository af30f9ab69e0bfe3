//! [`Keeper`]: has the session of an open folder, and does one thing after the other: hears what became of mails,
//! hands the next one out, looks what is there, waits.
//!
//! How long it waits ends with whatever comes first: somebody settles a mail, somebody has room for the next one, the
//! server tells of mails, one that is to come again is due, or it is time to look. The last of these finds out
//! where the server is gone without a word: it owes an answer then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::failure::Failure;
use model::limits::{MAILBOX_LISTED, MAILBOX_MAIL_BYTES};
use model::value::Value;
use sdk::intake::{Content, Message, Ticket, Verdict};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until};

use super::{KEYWORD, Place, Settling};
use crate::BROKEN;
use crate::mail::{Taken, moment, take_apart};
use crate::session::Session;
use crate::settings::{After, Source};

/// Looks after a folder.
pub(super) struct Keeper {
    session: Session,
    place: Place,
    source: Source,
    at_once: usize,
    /// Mails that wait, by their numbers.
    listed: VecDeque<u32>,
    /// Whether there are more of them than are listed.
    has_more: bool,
    /// Mails that were handed out and are not settled.
    out: BTreeSet<u32>,
    /// Mails that are to come again, and when.
    again: BTreeMap<u32, Instant>,
    /// When the folder is looked at, whatever the server tells.
    look_at: Instant,
}

/// The flags of a mail that was dealt with, and is still there.
pub(super) fn flags(after: &After) -> &'static [&'static str] {
    match after {
        After::Seen => &["\\Seen"],
        After::Keyword => &[KEYWORD],
        After::Delete | After::Move(_) => &["\\Deleted"],
    }
}

/// Those of a mail that can never be taken: people find it by its flag.
fn flags_of_dead(after: &After) -> &'static [&'static str] {
    match after {
        After::Seen => &["\\Flagged", "\\Seen"],
        After::Keyword => &["\\Flagged", KEYWORD],
        // What is flagged is left alone.
        After::Delete | After::Move(_) => &["\\Flagged"],
    }
}

/// Which mails are not dealt with.
fn waiting(after: &After) -> String {
    match after {
        After::Seen => "UNSEEN UNDELETED".to_owned(),
        After::Keyword => format!("UNKEYWORD {KEYWORD} UNDELETED"),
        After::Delete | After::Move(_) => "UNFLAGGED UNDELETED".to_owned(),
    }
}

/// What ended a wait.
enum Woken {
    Settling(Option<Settling>),
    Room,
    News,
    Due,
}

impl Keeper {
    pub(super) fn new(session: Session, place: Place, source: Source, at_once: usize) -> Self {
        Self {
            session,
            place,
            source,
            at_once,
            listed: VecDeque::new(),
            has_more: false,
            out: BTreeSet::new(),
            again: BTreeMap::new(),
            look_at: Instant::now(),
        }
    }

    /// Works until something fails, and tells what; or until nobody listens.
    pub(super) async fn work(
        &mut self,
        hand_out: &mpsc::Sender<Message>,
        hear: &mut mpsc::Receiver<Settling>,
    ) -> Failure {
        loop {
            if let Err(failure) = self.turn(hand_out, hear).await {
                return failure;
            }
        }
    }

    async fn turn(
        &mut self,
        hand_out: &mpsc::Sender<Message>,
        hear: &mut mpsc::Receiver<Settling>,
    ) -> Result<(), Failure> {
        while let Ok(settling) = hear.try_recv() {
            self.settle(settling).await?;
        }
        self.bring_back();
        if self.may_hand_out() {
            match hand_out.try_reserve() {
                Ok(room) => {
                    if let Some(message) = self.fetch().await? {
                        room.send(message);
                    }
                    return Ok(());
                }
                Err(TrySendError::Closed(())) => return Err(closed()),
                Err(TrySendError::Full(())) => {}
            }
        }
        let is_used_up = self.listed.is_empty() && self.has_more;
        if self.session.has_news() || is_used_up || self.look_at <= Instant::now() {
            return self.look().await;
        }
        self.rest(hand_out, hear).await
    }

    fn may_hand_out(&self) -> bool {
        // Whatever is to come again is remembered, which has its bound.
        !self.listed.is_empty() && self.out.len() < self.at_once && self.again.len() < MAILBOX_LISTED
    }

    /// What is to come again, and is due, comes first.
    fn bring_back(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self.again.iter().filter(|(_, at)| **at <= now).map(|(uid, _)| *uid).collect();
        for uid in due.into_iter().rev() {
            self.again.remove(&uid);
            self.listed.push_front(uid);
        }
    }

    /// Looks which mails wait.
    async fn look(&mut self) -> Result<(), Failure> {
        let most = MAILBOX_LISTED + self.out.len() + self.again.len();
        let (found, has_more) = self.session.search(&waiting(&self.source.after), most).await?;
        let is_known = |uid: &u32| self.out.contains(uid) || self.again.contains_key(uid);
        self.listed = found.into_iter().filter(|uid| !is_known(uid)).collect();
        self.has_more = has_more;
        self.look_at = Instant::now() + self.source.poll();
        Ok(())
    }

    /// The next mail that waits, where it is still there and such as is taken.
    async fn fetch(&mut self) -> Result<Option<Message>, Failure> {
        let Some(uid) = self.listed.pop_front() else { return Ok(None) };
        let Some(known) = self.session.size(uid).await? else { return Ok(None) };
        if known.size > MAILBOX_MAIL_BYTES as u64 {
            self.bury(uid, &too_large()).await?;
            return Ok(None);
        }
        let Some(bytes) = self.session.mail(uid).await? else { return Ok(None) };
        // What a server says of the size need not be so.
        if bytes.len() > MAILBOX_MAIL_BYTES {
            self.bury(uid, &too_large()).await?;
            return Ok(None);
        }
        let size = bytes.len();
        let taken = tokio::task::spawn_blocking(move || take_apart(&bytes)).await;
        let Taken { headers, value, files } = match taken {
            Ok(Ok(taken)) => taken,
            Ok(Err(why)) => {
                self.bury(uid, &why.to_string()).await?;
                return Ok(None);
            }
            Err(error) if error.is_panic() => {
                self.bury(uid, "it cannot be read").await?;
                return Ok(None);
            }
            Err(_) => return Err(closed()),
        };
        self.out.insert(uid);
        let about = Value::map([
            ("folder", Value::from(self.place.folder.as_str())),
            ("uid", uid.into()),
            ("uidValidity", self.place.validity.into()),
            ("size", size.into()),
            ("receivedAt", known.date.as_deref().and_then(moment).into()),
        ]);
        let content = Content::Parsed { value, files };
        let (key, ticket) = (Some(self.place.key(uid)), Ticket(uid.into()));
        Ok(Some(Message { key, headers, about, content, ticket }))
    }

    /// Writes down what became of a mail.
    async fn settle(&mut self, Settling { ticket, verdict, told }: Settling) -> Result<(), Failure> {
        let Some(uid) = u32::try_from(ticket.0).ok().filter(|uid| self.out.remove(uid)) else {
            // Nobody may listen any more; the same below.
            let _ = told.send(Err(Failure::new(BROKEN, "no mail with that ticket was handed out")));
            return Ok(());
        };
        let settled = match verdict {
            Verdict::Done => self.finish(uid).await,
            Verdict::Again(delay) => {
                self.again.insert(uid, Instant::now() + delay);
                Ok(())
            }
            Verdict::Dead(why) => self.bury(uid, &why).await,
        };
        let _ = told.send(settled.clone());
        settled
    }

    async fn finish(&mut self, uid: u32) -> Result<(), Failure> {
        match &self.source.after {
            after @ (After::Seen | After::Keyword) => self.session.flag(uid, flags(after)).await,
            After::Delete => self.session.delete(uid).await,
            After::Move(to) => self.session.put(uid, to).await,
        }
    }

    /// Leaves a mail that can never be taken in its folder, with a flag.
    async fn bury(&mut self, uid: u32, why: &str) -> Result<(), Failure> {
        let (component, folder) = (&*self.place.component, &*self.place.folder);
        tracing::warn!(component, folder, uid, why, "a mail cannot be taken; it stays in its folder, and is flagged");
        self.session.flag(uid, flags_of_dead(&self.source.after)).await
    }

    /// Waits until there is something to do.
    async fn rest(
        &mut self,
        hand_out: &mpsc::Sender<Message>,
        hear: &mut mpsc::Receiver<Settling>,
    ) -> Result<(), Failure> {
        let idle = if self.session.can("IDLE") { Some(self.session.begin_idle().await?) } else { None };
        let until = self.again.values().copied().chain([self.look_at]).min().unwrap_or(self.look_at);
        let may_hand_out = self.may_hand_out();
        let woken = tokio::select! {
            biased;
            settling = hear.recv() => Woken::Settling(settling),
            room = hand_out.reserve(), if may_hand_out => room.map(|_| Woken::Room).map_err(|_| closed())?,
            // Without IDLE too: a server that hangs up is heard at once.
            news = self.session.news() => news.map(|()| Woken::News)?,
            () = sleep_until(until) => Woken::Due,
        };
        match &idle {
            Some(tag) => self.session.end_idle(tag).await?,
            None if matches!(woken, Woken::Due) => self.session.ask_for_news().await?,
            None => {}
        }
        match woken {
            Woken::Settling(Some(settling)) => self.settle(settling).await,
            Woken::Settling(None) => Err(closed()),
            Woken::Room | Woken::News | Woken::Due => Ok(()),
        }
    }
}

fn too_large() -> String {
    format!("it is larger than {} MiB", MAILBOX_MAIL_BYTES >> 20)
}

/// Nobody listens any more, or the process ends.
fn closed() -> Failure {
    Failure::new(BROKEN, "the folder is not looked after any more")
}
