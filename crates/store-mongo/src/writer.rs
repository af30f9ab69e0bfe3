//! Group commit: batches that wait are written together, in one transaction.
//!
//! As in the embedded store, nobody waits for a group to fill: while one is on its way, the next
//! gathers. A few groups are on their way at once, since most of their time is spent on the wire.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::batch::{Batch, Committed};
use mongodb::bson::Bson;
use mongodb::{Client, ClientSession, Database};
use store::turns::Turns;
use store::{CommitError, StoreError};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::apply::{apply, fill_places, gather, is_plain, wanted};
use crate::fault::Fault;
use crate::feed::Numbers;
use crate::lease;
use crate::tx::{self, Ops, Tx};

/// Batches that may wait; beyond, whoever commits waits.
const QUEUE: usize = 4_096;

/// Batches in one transaction.
const GROUP: usize = 128;

/// The same while more than one company waits: who has little to commit waits for what others have, too.
const SHARED_GROUP: usize = 32;

/// Bytes of values and records in one transaction, about. A transaction of MongoDB is at its best below 16 MB.
const GROUP_BYTES: usize = 4 << 20;

/// Groups on their way at once. With more of them the groups are smaller, and the server does more for each play.
const WRITERS: usize = 2;

/// How often a transaction that met another is tried in all.
const TRIES: u32 = 30;

/// How long it waits before the second time; a little longer each time.
const PAUSE: Duration = Duration::from_millis(2);

/// A batch, and where its answer goes.
struct Work {
    batch: Batch,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
}

impl Work {
    fn bytes(&self) -> usize {
        let of_play = |write: &model::batch::PlayWrite| {
            write.chunk.as_ref().map_or(0, |chunk| chunk.bytes.len())
                + write.snapshot.as_ref().map_or(0, |bytes| bytes.len())
                + write.values.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
        };
        self.batch.plays.iter().map(of_play).sum()
    }
}

/// What waits to be written: what was sent, and of that what was looked at and is not in a group yet.
struct Inbox {
    sent: mpsc::Receiver<Work>,
    waiting: Turns<Work>,
}

impl Inbox {
    fn take_in(&mut self, work: Work) {
        self.waiting.push(work.batch.company(), work);
    }

    /// What is written next: a company's batches in their order, companies in turn, so that many
    /// batches of one hold up no other.
    async fn next_group(&mut self) -> Option<Vec<Work>> {
        if self.waiting.is_empty() {
            let first = self.sent.recv().await?;
            self.take_in(first);
        }
        while self.waiting.len() < QUEUE
            && let Ok(work) = self.sent.try_recv()
        {
            self.take_in(work);
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        let most = if self.waiting.is_shared() { SHARED_GROUP } else { GROUP };
        while group.len() < most
            && bytes < GROUP_BYTES
            && let Some(work) = self.waiting.pop()
        {
            bytes += work.bytes();
            group.push(work);
        }
        Some(group)
    }
}

/// The way to those who write. They end when it is dropped, after what is queued.
pub(crate) struct Writer {
    queue: mpsc::Sender<Work>,
    sessions: Arc<Sessions>,
}

/// The sessions in which is or may be written, for whoever must end them.
#[derive(Default)]
struct Sessions(std::sync::Mutex<[Vec<Bson>; WRITERS]>);

impl Sessions {
    fn set(&self, writer: usize, sessions: Vec<Bson>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[writer] = sessions;
    }

    fn all(&self) -> Vec<Bson> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().cloned().collect()
    }
}

impl Writer {
    pub(crate) async fn start(client: &Client, db: &Database) -> Result<Self, Fault> {
        let (queue, sent) = mpsc::channel(QUEUE);
        let inbox = Arc::new(Mutex::new(Inbox { sent, waiting: Turns::default() }));
        let sessions = Arc::new(Sessions::default());
        for number in 0..WRITERS {
            let link = Link::open(client, number, sessions.clone()).await?;
            tokio::spawn(run(link, db.clone(), inbox.clone()));
        }
        Ok(Self { queue, sessions })
    }

    /// The sessions in which is written.
    pub(crate) fn sessions(&self) -> Vec<Bson> {
        self.sessions.all()
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let gone = || StoreError::Failed("the store is closing".into());
        let (answer, answered) = oneshot::channel();
        self.queue.send(Work { batch, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// One writer's way to the server.
struct Link {
    client: Client,
    number: usize,
    /// The one in which is written.
    session: ClientSession,
    /// The one that comes after it. Others know of it by then, as of the first: were it made when it is
    /// needed, a process that ends at once would leave a transaction behind that nobody could end.
    spare: ClientSession,
    sessions: Arc<Sessions>,
}

impl Link {
    async fn open(client: &Client, number: usize, sessions: Arc<Sessions>) -> Result<Self, Fault> {
        let (session, spare) = (client.start_session().await?, client.start_session().await?);
        let link = Self { client: client.clone(), number, session, spare, sessions };
        link.publish();
        Ok(link)
    }

    fn publish(&self) {
        let known = [&self.session, &self.spare].into_iter().filter_map(|session| lease::session(session.id()));
        self.sessions.set(self.number, known.collect());
    }

    /// Takes another session for what follows.
    async fn renew(&mut self) {
        match self.client.start_session().await {
            Ok(fresh) => {
                self.session = std::mem::replace(&mut self.spare, fresh);
                self.publish();
            }
            Err(error) => tracing::warn!(%error, "no new session can be had; the old one is used on"),
        }
    }
}

async fn run(mut link: Link, db: Database, inbox: Arc<Mutex<Inbox>>) {
    while let Some(group) = next_group(&inbox).await {
        let (plain, others): (Vec<_>, Vec<_>) = group.into_iter().partition(|work| is_plain(&work.batch));
        let mut alone = others;
        if plain.len() == 1 {
            alone.extend(plain);
        } else if !plain.is_empty() {
            alone.extend(commit_group(&mut link, &db, plain).await);
        }
        for work in alone {
            let outcome = commit_alone(&mut link, &db, &work.batch).await;
            // Whoever asked may have gone away.
            let _ = work.answer.send(outcome);
        }
    }
}

async fn next_group(inbox: &Mutex<Inbox>) -> Option<Vec<Work>> {
    inbox.lock().await.next_group().await
}

/// Commits plain batches together. Those that it could not commit so come back.
async fn commit_group(link: &mut Link, db: &Database, group: Vec<Work>) -> Vec<Work> {
    match try_group(link, db, &group).await {
        Ok(outcomes) => {
            for (work, committed) in group.into_iter().zip(outcomes) {
                let _ = work.answer.send(Ok(committed));
            }
            Vec::new()
        }
        Err(fault) if fault.is_unknown() => {
            // Whether it happened is for each of them to find out.
            link.renew().await;
            let error = fault.into_store();
            for work in group {
                let _ = work.answer.send(Err(error.clone().into()));
            }
            Vec::new()
        }
        Err(fault) => {
            tracing::debug!(?fault, batches = group.len(), "a group is committed one by one");
            group
        }
    }
}

async fn try_group(link: &mut Link, db: &Database, group: &[Work]) -> Result<Vec<Committed>, Fault> {
    let session = &mut link.session;
    let (feed, audit) = group.iter().map(|work| wanted(&work.batch)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let taken = Numbers::take(db, feed, audit).await?;
    let mut numbers = taken.clone();
    let mut ops = Ops::default();
    let committed: Vec<_> =
        group.iter().map(|work| gather(&work.batch, &mut numbers, &mut ops)).collect::<Result<_, _>>()?;
    fill_places(&mut numbers, &mut ops);
    let mut tx = Tx::begin(db, session).await?;
    if let Err(fault) = tx.apply(&mut ops).await {
        tx.abort().await;
        taken.give_back(db).await;
        return Err(fault);
    }
    tx.commit().await?;
    Ok(committed)
}

/// Commits one batch, with every check; again and again while others come in between.
async fn commit_alone(link: &mut Link, db: &Database, batch: &Batch) -> Result<Committed, CommitError> {
    for tries in 1.. {
        match try_alone(link, db, batch).await {
            Ok(committed) => return Ok(committed),
            Err(Fault::Conflict(conflict)) => {
                // Whoever hears of it reads what stood in the way, and must find it.
                return match tx::settle(db).await {
                    Ok(()) => Err(conflict.into()),
                    Err(fault) => Err(fault.into_store().into()),
                };
            }
            Err(fault) if fault.may_pass() && tries < TRIES => tokio::time::sleep(PAUSE * tries).await,
            Err(fault) => {
                link.renew().await;
                return Err(fault.into_store().into());
            }
        }
    }
    Err(Fault::Raced.into_store().into())
}

async fn try_alone(link: &mut Link, db: &Database, batch: &Batch) -> Result<Committed, Fault> {
    let session = &mut link.session;
    let mut taken = None;
    let numbers = async || {
        let (feed, audit) = wanted(batch);
        Ok(taken.insert(Numbers::take(db, feed, audit).await?).clone())
    };
    let mut tx = Tx::begin(db, session).await?;
    match apply(&mut tx, batch, numbers).await {
        Ok(committed) => tx.commit().await.map(|()| committed),
        Err(fault) => {
            tx.abort().await;
            if let Some(taken) = taken {
                taken.give_back(db).await;
            }
            Err(fault)
        }
    }
}
