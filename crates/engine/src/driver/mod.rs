//! The driver: it owns the plays in memory, commits what was decided, and acts on it.
//!
//! A play in memory is a task ([`play::Running`]). A play that waits is a row with a due time
//! and nothing else; the scheduler brings it back when its time comes, a message wakes it, or
//! somebody wants something of it.

mod admit;
mod alive;
mod asked;
mod attempts;
mod audit;
mod awaited;
mod belongings;
mod children;
mod commit;
mod erase;
mod facts;
mod figures;
mod identity;
mod kv;
mod links;
mod load;
mod locks;
mod orphans;
mod parking;
mod pending;
mod permits;
mod play;
mod plays;
mod pure;
mod report;
mod retention;
mod retry;
mod rouse;
mod scheduler;
mod signals;
mod spans;
mod tail;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::batch::{Batch, Committed, Event};
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, EventId, FlowId, Id, ReplicaId};
use model::limits::{EARLY_EVENT_KEPT, IDEMPOTENCY_KEPT};
use model::play::PlayKey;
use model::seal::Seal;
use model::time::Timestamp;
use model::value::Value;
use sdk::Registry;
use sdk::component::Backends;
use sdk::http::Http;
use sdk::storage::Storage;
use store::{CommitError, Conflict, Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

pub use admit::{Admit, AdmitError, Foreseen, RequestInfo};
pub use awaited::Patience;
pub(crate) use commit::decode_records;
pub use facts::ReadError;
pub use figures::Figures;
pub use report::Report;
pub use retention::{Cleared, Clearing};
pub use retry::RetryError;
pub use spans::{Span, SpanKind};

use self::identity::Identity;
use self::locks::Locks;
use self::orphans::Orphans;
use self::permits::Permits;
use self::play::Note;
use self::plays::Plays;
use self::scheduler::Alarm;
use crate::components::Declared;
use crate::decide::{Command, Refusal};
use crate::failpoint::FailPoint;
use crate::flows::Flows;
use crate::world::{Ids, World};

/// What is called at every failure point, in tests.
pub type Probe = Arc<dyn Fn(FailPoint) + Send + Sync>;

/// How much the engine takes on at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts under way at once; the rest wait their turn.
    pub max_effects: usize,
    /// Plays in memory at once; the rest wait in the store.
    pub max_active: usize,
    /// Scripts that run at once.
    pub max_blocking: usize,
    /// What `$env` gives: the variables that flows may read, and their values.
    pub env: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_effects: 1_000, max_active: 4_096, max_blocking: 4, env: BTreeMap::new() }
    }
}

/// What an engine is made of.
pub struct Parts {
    /// Where plays and documents are kept.
    pub store: Arc<dyn Store>,
    /// What flowlets can run.
    pub modules: Registry,
    /// The clock and the randomness.
    pub world: Arc<dyn World>,
    /// What seals secrets.
    pub seal: Arc<dyn Seal>,
    /// The way to HTTP peers.
    pub http: Arc<dyn Http>,
    /// The files of companies.
    pub files: Arc<dyn Storage>,
    /// Where values too large for the store are kept.
    pub objects: Arc<dyn Storage>,
    /// What stands behind components.
    pub backends: Backends,
    /// The components of the configuration.
    pub declared: Arc<Declared>,
    /// How much is taken on at once.
    pub settings: Settings,
    /// What is called at failure points; none but in tests.
    pub probe: Option<Probe>,
}

/// Runs plays.
pub struct Engine {
    pub(crate) parts: Parts,
    identity: Identity,
    pub(crate) ids: Ids,
    pub(crate) flows: Flows,
    plays: Plays,
    permits: Permits,
    blocking: Arc<Semaphore>,
    loads: Semaphore,
    kv_locks: Locks<DocKey>,
    link_locks: Locks<DocKey>,
    alarm: Alarm,
    feed: watch::Sender<u64>,
    draining: watch::Sender<bool>,
    /// What says that this replica is alive, among several.
    alive: OnceLock<AbortHandle>,
    /// How far objects that were left behind have been looked for.
    orphans: Orphans,
    /// How often it was heard that what somebody may do has changed.
    access: AtomicU64,
    /// See [`Engine::ways_in`].
    ways_in: watch::Sender<u64>,
    /// What it counts of itself.
    figures: Figures,
    /// Who takes spans, if somebody does.
    spans: spans::Spans,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("replica", &self.replica()).finish_non_exhaustive()
    }
}

/// Why something that was asked of the engine did not happen.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such play.
    #[error("there is no play {0}")]
    NoSuchPlay(Id),
    /// The play is not in a state for that, or whoever asks may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// flow8 is shutting down.
    #[error("flow8 is shutting down; ask again in a moment")]
    Draining,
    /// A bug, or a damaged store.
    #[error("{0}")]
    Internal(String),
}

impl Engine {
    /// An engine that does nothing yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let ids = Ids::default();
        let replica = ReplicaId(ids.next(&*parts.world));
        let Settings { max_effects, max_blocking, .. } = parts.settings;
        Arc::new(Self {
            identity: Identity::new(replica),
            ids,
            flows: Flows::default(),
            plays: Plays::default(),
            permits: Permits::new(max_effects),
            blocking: Arc::new(Semaphore::new(max_blocking)),
            loads: Semaphore::new(load::LOADS),
            kv_locks: Locks::default(),
            link_locks: Locks::default(),
            alarm: Alarm::default(),
            feed: watch::Sender::new(0),
            draining: watch::Sender::new(false),
            alive: OnceLock::new(),
            orphans: Orphans::default(),
            access: AtomicU64::new(0),
            ways_in: watch::Sender::new(0),
            figures: Figures::default(),
            spans: spans::Spans::default(),
            parts,
        })
    }

    /// Takes over the plays of processes that are gone, and begins to look after what is due.
    ///
    /// # Errors
    /// Where the store cannot be reached.
    pub async fn start(self: &Arc<Self>) -> Result<u64, StoreError> {
        let lease = self.join().await?;
        // Among several, one that seems to be gone is given some time: see `alive`.
        let adopted = if lease.is_none() { self.parts.store.adopt(self.replica()).await? } else { 0 };
        self.feed.send_replace(self.parts.store.feed_end().await?);
        if let Some(signals) = self.parts.store.watch().await {
            tokio::spawn(signals::run(self.clone(), signals));
        }
        if let Some(lease) = lease {
            let alive = tokio::spawn(alive::run(self.clone(), lease)).abort_handle();
            // Started twice, it would beat twice, which does no harm.
            let _ = self.alive.set(alive);
        }
        tokio::spawn(permits::run(Arc::downgrade(self), self.permits.table()));
        tokio::spawn(scheduler::run(self.clone()));
        Ok(adopted)
    }

    /// Takes nothing new on, lets what is under way finish for a while, and lets go of the rest.
    /// Returns how many plays were still in memory at the end.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.draining.send_replace(true);
        self.alarm.ring();
        let left = tokio::select! {
            biased;
            () = self.plays.until(|count| count == 0) => 0,
            () = self.parts.world.sleep(patience) => self.plays.len(),
        };
        if let Some(alive) = self.alive.get() {
            alive.abort();
        }
        if let Err(error) = self.leave_all().await {
            tracing::warn!(%error, "cannot say that this replica goes; others take over when it is missed");
        }
        left
    }

    /// Whether nothing new is taken on.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns when nothing new is taken on any more.
    async fn until_draining(&self) {
        // The sender lives as long as the engine.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Who this process is, for the store. Another, after others have given it up.
    pub fn replica(&self) -> ReplicaId {
        self.identity.replica()
    }

    /// Whether no other replica can be on its store.
    pub fn is_alone(&self) -> bool {
        self.alive.get().is_none()
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    /// The modules that flowlets can run.
    pub fn modules(&self) -> &Registry {
        &self.parts.modules
    }

    /// What seals secrets.
    pub fn seal(&self) -> &dyn Seal {
        &*self.parts.seal
    }

    /// What stands behind components.
    pub fn backends(&self) -> &Backends {
        &self.parts.backends
    }

    /// The files of companies.
    pub fn files(&self) -> &Arc<dyn Storage> {
        &self.parts.files
    }

    /// The time, the same for all replicas.
    pub fn now(&self) -> Timestamp {
        self.identity.corrected(self.parts.world.now())
    }

    /// A number that rises whenever another replica has changed what somebody may do. Whoever remembers
    /// such things forgets them then.
    pub fn access(&self) -> u64 {
        self.access.load(Ordering::Acquire)
    }

    fn access_has_changed(&self) {
        self.access.fetch_add(1, Ordering::AcqRel);
    }

    /// A number that rises whenever a channel, a component, a schedule or a calendar has changed, here or at another
    /// replica. Whoever goes by them reads them again then.
    pub fn ways_in(&self) -> watch::Receiver<u64> {
        self.ways_in.subscribe()
    }

    /// A channel, a component, a schedule or a calendar was just changed here.
    pub fn ways_in_have_changed(&self) {
        self.ways_in.send_modify(|changes| *changes += 1);
    }

    /// Returns after a while, by the clock that plays go by.
    pub async fn sleep(&self, duration: Duration) {
        self.parts.world.sleep(duration).await;
    }

    /// The longest that anybody sleeps for something that is due: the clock may be set meanwhile.
    pub fn longest_sleep(&self) -> Duration {
        self.parts.world.longest_sleep()
    }

    /// A new id.
    pub fn new_id(&self) -> Id {
        self.ids.next_at(self.now(), &*self.parts.world)
    }

    /// The place of the newest records, as it moves.
    pub fn feed(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    /// Plays in memory.
    pub fn active_plays(&self) -> usize {
        self.plays.len()
    }

    /// Attempts under way.
    pub fn attempts_under_way(&self) -> usize {
        self.parts.settings.max_effects.saturating_sub(self.permits.free())
    }

    /// Carries out a command on a play.
    ///
    /// # Errors
    /// Where there is no such play, or the command cannot be carried out now.
    pub async fn command(
        self: &Arc<Self>,
        play: PlayKey,
        command: Command,
        request: &RequestInfo,
    ) -> Result<(), EngineError> {
        // The play may leave memory between two looks; then it is brought back.
        for _ in 0..COMMAND_TRIES {
            let Some(header) = self.parts.store.header(play).await? else {
                return Err(EngineError::NoSuchPlay(play.play.0));
            };
            if header.state.is_ended() {
                return Err(Refusal::Ended.into());
            }
            if header.owner.is_some_and(|owner| owner != self.replica()) {
                return self.ask_elsewhere(play, command, request).await;
            }
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.note(play, Note::Command(Box::new(command.clone()), request.clone(), reply));
            if let Ok(outcome) = answer.await {
                return outcome;
            }
        }
        Err(EngineError::Internal("the play could not be reached; try again".into()))
    }

    /// Tells a play something, bringing it into memory where it is not.
    fn note(self: &Arc<Self>, play: PlayKey, note: Note) {
        if let Some(inbox) = self.plays.note(play, note) {
            self.wake(play, inbox);
        }
    }

    /// Posts an event: every play that waits for its key goes on; where none does, the first
    /// that will wait within a day. Says whether it is new: an idempotency key may have been
    /// seen before.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn post_event(
        self: &Arc<Self>,
        company: CompanyId,
        key: &str,
        data: Value,
        idempotency_key: Option<&str>,
        audit: Vec<model::audit::AuditRow>,
    ) -> Result<bool, EngineError> {
        let now = self.now();
        let event = Event {
            id: EventId(self.new_id()),
            company,
            key: key.to_owned(),
            data,
            at: now,
            expires_at: now.plus(EARLY_EVENT_KEPT),
        };
        let docs = idempotency_key.map(|once| {
            let id = format!("event/{key}/{once}");
            DocWrite::put(DocKey::new(company, DocKind::Idempotency, id), Expect::Absent, &event.id)
                .expiring(now.plus(IDEMPOTENCY_KEPT))
        });
        let batch = Batch { events: vec![event], docs: docs.into_iter().collect(), audit, ..Batch::default() };
        match self.parts.store.commit(batch).await {
            Ok(committed) => {
                self.follow(&committed);
                Ok(true)
            }
            Err(CommitError::Conflict(Conflict::Doc(_))) => Ok(false),
            Err(CommitError::Conflict(conflict)) => Err(EngineError::Internal(conflict.to_string())),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// A limit may have been raised: whoever is first in a queue looks again.
    pub(crate) async fn look_at_queues(self: &Arc<Self>, company: CompanyId, flow: FlowId) -> Result<(), StoreError> {
        for play in self.parts.store.queue_heads(company, flow).await? {
            self.note(play, Note::Mail);
        }
        Ok(())
    }

    /// Acts on what a commit did beyond what it was told.
    fn follow(self: &Arc<Self>, committed: &Committed) {
        if committed.feed > 0 {
            self.has_fed(committed.feed);
        }
        for (play, owner) in &committed.woken {
            match owner {
                Some(owner) if *owner == self.replica() => {
                    self.note(*play, Note::Mail);
                }
                _ => self.alarm.set(Timestamp::MIN),
            }
        }
    }

    /// There are records up to this place.
    fn has_fed(&self, place: u64) {
        self.feed.send_if_modified(|feed| {
            let is_newer = place > *feed;
            *feed = place.max(*feed);
            is_newer
        });
    }

    fn at(&self, point: FailPoint) {
        if let Some(probe) = &self.parts.probe {
            probe(point);
        }
    }
}

/// How often a command is handed to a play that keeps leaving memory.
const COMMAND_TRIES: u32 = 16;
