//! [`Folder`]: a folder that is open. A task of its own, the [`Keeper`], has the session; what it hands out and what
//! it is told go through channels of few places, so that whoever waits may stop waiting at any time.

mod keeper;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use model::failure::Failure;
use sdk::component::Component;
use sdk::intake::{Inbox, Message, Ticket, Verdict};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::BROKEN;
use crate::session::Session;
use crate::settings::{self, After, Source};

use self::keeper::Keeper;

/// The keyword of mails that became plays, where they are kept apart by one.
pub(crate) const KEYWORD: &str = "$Flow8";

/// What became of a mail, and whom to tell that this was written down.
struct Settling {
    ticket: Ticket,
    verdict: Verdict,
    told: oneshot::Sender<Result<(), Failure>>,
}

/// What ended the task.
type Ended = Arc<OnceLock<Failure>>;

/// A folder that is open.
pub(crate) struct Folder {
    mails: mpsc::Receiver<Message>,
    settlings: mpsc::Sender<Settling>,
    ended: Ended,
    task: JoinHandle<()>,
}

/// Which folder, for whoever reads of it.
pub(crate) struct Place {
    pub(crate) component: String,
    pub(crate) folder: String,
    /// What its mails are told from those of all other folders by.
    key: String,
    pub(crate) validity: u32,
}

impl Place {
    /// What tells a mail from all others: its number, which holds for this folder as long as its validity does.
    pub(crate) fn key(&self, uid: u32) -> String {
        format!("{}/{}/{uid}", self.key, self.validity)
    }
}

impl Folder {
    /// Looks into a folder.
    ///
    /// # Errors
    /// Where it, or the folder that mails go to, is not there, or cannot be changed as it is to be.
    pub(crate) async fn open(
        mut session: Session,
        component: &Component,
        source: Source,
        at_once: usize,
    ) -> Result<Self, Failure> {
        if let After::Move(to) = &source.after {
            session.is_there(to).await?;
        }
        let selected = session.select(&source.folder).await?;
        let flags = keeper::flags(&source.after);
        let keeps = |flag: &str| selected.keeps.iter().any(|kept| kept == "\\*" || *kept == flag.to_ascii_lowercase());
        // A server that does not say what it keeps, keeps all.
        if !selected.keeps.is_empty()
            && let Some(flag) = flags.iter().find(|flag| !keeps(flag))
        {
            let message = format!("the folder {}: the mail server keeps no flag {flag} there", source.folder);
            return Err(Failure::new(crate::REFUSED, message));
        }
        let (config, _) = settings::of(component)?;
        let digest = Sha256::digest(format!("{}\0{}\0{}", config.user, config.host, source.folder));
        let place = Place {
            component: component.name.clone(),
            folder: source.folder.clone(),
            key: hex::encode(&digest[..16]),
            validity: selected.validity,
        };
        let (hand_out, mails) = mpsc::channel(1);
        let (settlings, hear) = mpsc::channel(at_once.max(1));
        let mut keeper = Keeper::new(session, place, source, at_once.max(1));
        let ended = Ended::default();
        let task = tokio::spawn({
            let ended = ended.clone();
            async move {
                let mut hear = hear;
                let failure = keeper.work(&hand_out, &mut hear).await;
                // Known before anybody can see that the channels are closed.
                let _ = ended.set(failure);
            }
        });
        Ok(Self { mails, settlings, ended, task })
    }

    fn failure(&self) -> Failure {
        let gone = || Failure::new(BROKEN, "whoever looked after the folder is gone");
        self.ended.get().cloned().unwrap_or_else(gone)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Inbox for Folder {
    async fn next(&mut self) -> Result<Message, Failure> {
        match self.mails.recv().await {
            Some(message) => Ok(message),
            None => Err(self.failure()),
        }
    }

    async fn settle(&mut self, ticket: Ticket, verdict: Verdict) -> Result<(), Failure> {
        let (told, hear) = oneshot::channel();
        if self.settlings.send(Settling { ticket, verdict, told }).await.is_err() {
            return Err(self.failure());
        }
        hear.await.unwrap_or_else(|_| Err(self.failure()))
    }
}
