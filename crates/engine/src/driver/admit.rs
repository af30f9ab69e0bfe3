//! Admission: a play is born, and whoever asked for it is told when that is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expr::{Budget, Given};
use model::Failure;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, PlayWrite};
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, LayerId, PlayId};
use model::limits::{ARGS_BYTES, IDEMPOTENCY_KEPT, JSON_DEPTH};
use model::payload::{Digest, Payload};
use model::play::{FlowAt, LimitKey, PlayHeader, PlayKey, PlayState as Standing, Slot, SlotPlace, Trigger};
use model::record::{Admission, Entry, Record, RetryFrom};
use model::time::Timestamp;
use model::trace::TraceParent;
use model::value::Value;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, StoreError};
use tokio::sync::oneshot;

use super::awaited::Patience;
use super::commit::{NotCommitted, encode_records, is_object};
use super::play::{Note, Running};
use super::{Engine, Report, audit};
use crate::flows::{FlowError, Published};
use crate::pack::{PackError, Packed, Packer};
use crate::state::PlayState;

/// A wish to run a flow.
#[derive(Debug, Clone)]
pub struct Admit {
    /// Whose flow.
    pub company: CompanyId,
    /// Which one: its id or its permanent id.
    pub flow: String,
    /// The play's arguments.
    pub args: Value,
    /// Who wishes it.
    pub actor: Actor,
    /// What made them wish it.
    pub trigger: Trigger,
    /// For people to find the play by.
    pub labels: BTreeMap<String, String>,
    /// The same key for the same wish: it is granted once.
    pub idempotency_key: Option<String>,
    /// Not to begin before.
    pub start_at: Option<Timestamp>,
    /// Run the draft, and run it even where the flow is not enabled.
    pub force: bool,
    /// The request behind it, for the audit log.
    pub request: RequestInfo,
    /// Documents that change in the same commit, if a play is born: all of it happens, or nothing.
    pub docs: Vec<DocWrite>,
}

/// What is settled of a play before it is admitted, by somebody who writes of it in the same commit.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen {
    /// The id that it gets; nobody else has it.
    pub play: PlayId,
    /// What an idempotency key stands for, in place of the digest of all arguments: of these, some may be of
    /// each attempt to ask.
    pub same: Digest,
}

/// The request that something was asked by.
#[derive(Debug, Clone, Default)]
pub struct RequestInfo {
    /// Its id.
    pub id: Option<String>,
    /// The address it came from.
    pub ip: Option<String>,
    /// Where in a trace it is.
    pub trace: Option<TraceParent>,
}

/// Why a play was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The flow cannot be run.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The flow is not enabled.
    #[error("the flow {0} is not enabled; enable it, or run it with force")]
    Disabled(String),
    /// The arguments are too large, too deep, or no object.
    #[error("{0}")]
    BadArguments(String),
    /// The idempotency key was used with other arguments.
    #[error("the idempotency key was used before with other arguments; use a new key for a new play")]
    KeyReused,
    /// No slot is free, and the flow says that plays do not queue.
    #[error("the flow's concurrency limit is reached; try again later")]
    LimitReached,
    /// Too many plays queue.
    #[error("too many plays queue under the flow's concurrency limit; try again later")]
    QueueFull,
    /// flow8 is shutting down.
    #[error("flow8 is shutting down; ask again in a moment")]
    Draining,
    /// A document is not as the wish expects: somebody else was first.
    #[error("the {} {} has changed meanwhile", .0.kind, .0.id)]
    Overtaken(DocKey),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug, or a damaged store.
    #[error("{0}")]
    Internal(String),
}

/// What is remembered of an idempotency key.
#[derive(Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) play: PlayId,
    args: Digest,
}

/// Everything about a play that is about to be born.
pub(super) struct Birth {
    pub(super) published: Arc<Published>,
    pub(super) header: PlayHeader,
    pub(super) args: Value,
    /// What an idempotency key stands for.
    pub(super) same: Digest,
    pub(super) keys: BTreeMap<LayerId, String>,
    /// Documents that change with it.
    pub(super) docs: Vec<DocWrite>,
    pub(super) audit: Vec<AuditRow>,
    /// For a retry: where it begins again.
    pub(super) retry: Option<RetryFrom>,
}

impl Birth {
    fn admission(&self, args: Payload, deferred: bool) -> Record {
        Record::Admitted(Admission { args, deferred, keys: self.keys.clone(), retry: self.retry.clone() })
    }
}

/// Whether arguments are within their limits.
///
/// # Errors
/// With what they are not.
pub(super) fn check_args(args: &Value) -> Result<(), String> {
    if args.as_map().is_none() {
        return Err(format!("the arguments are an object, not a {}", args.type_name()));
    }
    let measure = args.measure(ARGS_BYTES, JSON_DEPTH);
    if measure.bytes > ARGS_BYTES {
        return Err(format!("the arguments are larger than {} MiB", ARGS_BYTES >> 20));
    }
    if measure.depth > JSON_DEPTH {
        return Err(format!("the arguments nest deeper than {JSON_DEPTH} levels"));
    }
    Ok(())
}

/// The slot that a play of a flow needs, if the flow sets a limit.
///
/// # Errors
/// Where the key cannot be evaluated.
pub(super) fn slot_of(published: &Published, args: &Value) -> Result<Option<Slot>, String> {
    let Some(concurrency) = &published.plan.def.concurrency else { return Ok(None) };
    let digest = match &published.plan.limit_key {
        None => Digest::of(&[]),
        Some(key) => {
            let at = &published.at;
            let flow = Value::map([
                ("id", Value::from(at.id.to_string())),
                ("permanentId", (&*at.permanent_id).into()),
                ("version", at.version.into()),
                ("name", at.name.as_str().into()),
            ]);
            let scope = Given { args: Some(args.clone()), flow: Some(flow), ..Given::default() };
            let value = key.eval(&scope, &mut Budget::default()).map_err(|stop| format!("concurrency.key: {stop}"))?;
            Digest::of(value.to_canonical_json().as_bytes())
        }
    };
    let key = LimitKey { flow: published.at.id, key: digest };
    Ok(Some(Slot { key, limit: concurrency.limit, place: SlotPlace::Later }))
}

/// A play with its first records, which has not begun; and those of its values that are to be put where
/// objects are before it is committed.
pub(super) fn admitted(
    engine: &Engine,
    header: PlayHeader,
    args: Payload,
    records: impl FnOnce(Payload) -> Vec<Record>,
) -> Result<(PlayWrite, Vec<Packed>), PackError> {
    let mut packer = Packer::new(header.key, engine.parts.seal.clone());
    let records = records(packer.pack(&args)?);
    let count = records.len() as u32;
    let mut bytes = Vec::new();
    for record in records {
        model::codec::append(&mut bytes, &Entry { at: header.created_at, record })?;
    }
    let (large, values): (Vec<Packed>, Vec<Packed>) = packer.take_new().into_iter().partition(is_object);
    let write = PlayWrite {
        header: PlayHeader { revision: 1, records: count.into(), ..header },
        chunk: Some(Chunk { from: 0, count, bytes: encode_records(&bytes) }),
        snapshot: None,
        values: values.into_iter().map(|packed| (packed.at.digest, packed.bytes)).collect(),
        waits: Vec::new(),
        waited: Vec::new(),
        read: Vec::new(),
    };
    Ok((write, large))
}

impl Engine {
    /// A header of a play that nobody knows of yet.
    pub(super) fn new_header(
        &self,
        company: CompanyId,
        at: &FlowAt,
        trigger: Trigger,
        actor: Actor,
        now: Timestamp,
    ) -> PlayHeader {
        PlayHeader {
            key: PlayKey { company, play: PlayId(self.new_id()) },
            revision: 0,
            records: 0,
            flow: at.clone(),
            state: Standing::New,
            trigger,
            actor,
            labels: BTreeMap::new(),
            created_at: now,
            start_at: None,
            started_at: None,
            ended_at: None,
            due: None,
            owner: None,
            slot: None,
            parent: None,
            cause: None,
            retry_of: None,
            error: None,
            failed_ref: None,
            compensation: None,
            trace: None,
        }
    }

    /// Admits a play. It is durable when this returns. With `wait`, it returns when the play has
    /// answered, has ended or waits for something, or when that time is over.
    ///
    /// # Errors
    /// Where the play was not admitted.
    pub async fn admit(self: &Arc<Self>, admit: Admit, wait: Option<Duration>) -> Result<Report, AdmitError> {
        self.admit_as(admit, None, wait.map(Patience::from)).await
    }

    /// As [`Engine::admit`], of a play of which something is settled already.
    ///
    /// # Errors
    /// Where the play was not admitted.
    pub async fn admit_as(
        self: &Arc<Self>,
        admit: Admit,
        foreseen: Option<Foreseen>,
        patience: Option<Patience>,
    ) -> Result<Report, AdmitError> {
        if self.is_draining() {
            return Err(AdmitError::Draining);
        }
        check_args(&admit.args).map_err(AdmitError::BadArguments)?;
        let (published, mut docs) = if admit.force {
            Box::pin(self.draft_as_published(admit.company, &admit.flow)).await?
        } else {
            let published = self.published(admit.company, &admit.flow).await?;
            if !published.enabled {
                return Err(AdmitError::Disabled(published.at.permanent_id.to_string()));
            }
            (published, Vec::new())
        };
        let now = self.now();
        let slot = slot_of(&published, &admit.args).map_err(AdmitError::BadArguments)?;
        let mut header = PlayHeader {
            labels: admit.labels,
            start_at: admit.start_at.filter(|at| *at > now),
            slot,
            trace: admit.request.trace.or_else(|| self.new_trace()),
            ..self.new_header(admit.company, &published.at, admit.trigger, admit.actor, now)
        };
        let same = match foreseen {
            Some(Foreseen { play, same }) => {
                header.key.play = play;
                same
            }
            // Nothing is compared where there is no key.
            None if admit.idempotency_key.is_none() => Digest::of(&[]),
            None => digest_of(&admit.args),
        };
        docs.extend(admit.docs);
        if let Some(key) = &admit.idempotency_key {
            docs.push(remember(&header, key, same, Expect::Absent, now));
        }
        tracing::debug!(
            request = admit.request.id.as_deref(),
            play = %header.key.play,
            flow = %header.flow.id,
            "a play is admitted"
        );
        let audit = header.actor.is_person().then(|| run_audit(&header, &admit.request, now));
        let birth = Box::new(Birth {
            published,
            header,
            args: admit.args,
            same,
            keys: BTreeMap::new(),
            docs,
            audit: audit.into_iter().collect(),
            retry: None,
        });
        self.bear(birth, patience).await
    }

    /// Records that a flow was to run and was not, as a play in `SKIP`. It is durable when this returns.
    ///
    /// # Errors
    /// Where the flow could not have been run.
    pub async fn record_skipped(self: &Arc<Self>, admit: Admit, why: Failure) -> Result<PlayHeader, AdmitError> {
        if self.is_draining() {
            return Err(AdmitError::Draining);
        }
        check_args(&admit.args).map_err(AdmitError::BadArguments)?;
        let published = self.published(admit.company, &admit.flow).await?;
        let now = self.now();
        let header = PlayHeader {
            labels: admit.labels,
            state: Standing::Skip,
            ended_at: Some(now),
            error: Some(why),
            ..self.new_header(admit.company, &published.at, admit.trigger, admit.actor, now)
        };
        let internal = |error: PackError| AdmitError::Internal(error.to_string());
        let (write, large) = admitted(self, header, admit.args.into(), |args| {
            let admission = Admission { args, deferred: false, keys: BTreeMap::new(), retry: None };
            let ended = Record::Ended { state: Standing::Skip, out: Payload::Plain(Value::Null), compensation: None };
            vec![Record::Admitted(admission), ended]
        })
        .map_err(internal)?;
        let header = write.header.clone();
        self.put_objects(header.key, &large).await.map_err(AdmitError::from)?;
        let batch = Batch { plays: vec![write], docs: admit.docs, ..Batch::default() };
        let committed = self.parts.store.commit(batch).await.map_err(|error| match error {
            CommitError::Conflict(Conflict::Doc(key)) => AdmitError::Overtaken(key),
            CommitError::Conflict(conflict) => AdmitError::Internal(conflict.to_string()),
            CommitError::Store(error) => error.into(),
        })?;
        self.figures.admitted();
        self.figures.ended(&header);
        self.follow(&committed);
        Ok(header)
    }

    /// Brings a play into the world, or finds the one that its idempotency key stands for.
    pub(super) async fn bear(
        self: &Arc<Self>,
        mut birth: Box<Birth>,
        patience: Option<Patience>,
    ) -> Result<Report, AdmitError> {
        loop {
            // The play must not depend on whoever asked for it: they may go away at any moment.
            let (told, telling) = oneshot::channel();
            let (watcher, watched) = oneshot::channel();
            let watcher = patience.is_some().then_some(watcher);
            // On the heap at once: a task's future is moved several times, and this one is large.
            tokio::spawn(Box::pin(begin(self.clone(), birth, told, watcher)));
            let outcome =
                telling.await.map_err(|_| AdmitError::Internal("the play was lost before it began".into()))?;
            match outcome {
                Ok(report) => return self.await_end(report, patience, watched).await,
                Err((NotBorn::Refused(error), _)) => return Err(error),
                Err((NotBorn::Remembered(key), unborn)) => match Box::pin(self.first_of(&key, &unborn)).await? {
                    First::Report(report) => {
                        let (watcher, watched) = oneshot::channel();
                        if patience.is_some() && !report.header.state.is_ended() {
                            self.note(report.header.key, Note::Watch(watcher));
                        }
                        return self.await_end(*report, patience, watched).await;
                    }
                    First::Forgotten(write) => {
                        birth = unborn;
                        birth.docs.retain(|doc| doc.key != key);
                        birth.docs.push(write);
                    }
                },
            }
        }
    }

    /// The play that an idempotency key stands for.
    async fn first_of(&self, key: &DocKey, birth: &Birth) -> Result<First, AdmitError> {
        let Some(doc) = self.parts.store.doc(key).await? else {
            // It was forgotten between two looks.
            return Ok(First::Forgotten(remember_again(birth, key, Expect::Absent, self.now())));
        };
        let remembered: Remembered = read(&doc)?;
        let play = PlayKey { play: remembered.play, ..birth.header.key };
        let header = self.parts.store.header(play).await?;
        let is_over = header.as_ref().is_none_or(|header| header.state.is_ended());
        if doc.expires_at.is_some_and(|at| at <= self.now()) && is_over {
            return Ok(First::Forgotten(remember_again(birth, key, Expect::Revision(doc.revision), self.now())));
        }
        if remembered.args != birth.same {
            return Err(AdmitError::KeyReused);
        }
        match header {
            Some(header) => Ok(First::Report(Box::new(Report { header, out: None, replayed: true }))),
            None => Ok(First::Forgotten(remember_again(birth, key, Expect::Revision(doc.revision), self.now()))),
        }
    }
}

enum First {
    Report(Box<Report>),
    Forgotten(DocWrite),
}

/// Why a play did not come to be.
enum NotBorn {
    Refused(AdmitError),
    /// Its idempotency key is known.
    Remembered(DocKey),
}

fn digest_of(args: &Value) -> Digest {
    Digest::of(args.to_canonical_json().as_bytes())
}

fn remember(header: &PlayHeader, key: &str, same: Digest, expect: Expect, now: Timestamp) -> DocWrite {
    let id = format!("run/{}/{key}", header.flow.permanent_id);
    let doc = DocKey::new(header.key.company, DocKind::Idempotency, id);
    DocWrite::put(doc, expect, &Remembered { play: header.key.play, args: same }).expiring(now.plus(IDEMPOTENCY_KEPT))
}

fn remember_again(birth: &Birth, key: &DocKey, expect: Expect, now: Timestamp) -> DocWrite {
    let remembered = Remembered { play: birth.header.key.play, args: birth.same };
    DocWrite::put(key.clone(), expect, &remembered).expiring(now.plus(IDEMPOTENCY_KEPT))
}

fn read<T: serde::de::DeserializeOwned>(doc: &Doc) -> Result<T, AdmitError> {
    doc.read().map_err(|error| AdmitError::Internal(error.to_string()))
}

fn run_audit(header: &PlayHeader, request: &RequestInfo, now: Timestamp) -> AuditRow {
    let flow = &header.flow;
    let after = Value::map([("flowId", Value::from(flow.id.to_string())), ("version", flow.version.into())]);
    audit::of_play(header, &header.actor, "play.run", after, request, now)
}

/// Admits a play, tells whoever asked, and runs it.
async fn begin(
    engine: Arc<Engine>,
    mut birth: Box<Birth>,
    told: oneshot::Sender<Result<Report, (NotBorn, Box<Birth>)>>,
    watcher: Option<oneshot::Sender<Report>>,
) {
    let is_later = birth.header.start_at.is_some() || engine.plays.len() >= engine.parts.settings.max_active;
    // From its first commit on, others may see the play and want something of it.
    let key = birth.header.key;
    let Some(inbox) = engine.plays.take_in(key) else { return };
    let born = if is_later {
        defer(&engine, &birth, SlotPlace::Later).await.map(Err)
    } else {
        start(&engine, &mut birth).await
    };
    let mut running = match born {
        Ok(Ok(running)) => running,
        Ok(Err(header)) => {
            let _ = told.send(Ok(Report { header, out: None, replayed: false }));
            return engine.leave(key, inbox);
        }
        Err(error) => {
            let is_known = !matches!(&error, NotBorn::Refused(AdmitError::Store(_)));
            let _ = told.send(Err((error, birth)));
            // Where the store failed, the play may have been born all the same.
            return if is_known { engine.drop_out(key) } else { engine.wake(key, inbox) };
        }
    };
    if running.state.is_ended() {
        let out = engine.clone().given(key, running.out.clone()).await;
        let _ = told.send(Ok(Report { header: running.header, out, replayed: false }));
        return engine.leave(key, inbox);
    }
    let out = if watcher.is_some() { running.answered().await } else { None };
    running.watchers.extend(watcher.filter(|_| out.is_none()));
    let _ = told.send(Ok(Report { header: running.header.clone(), out, replayed: false }));
    running.launch();
    running.run(inbox).await;
}

/// Begins a play at once: it thinks as far as it can, and its first commit has all of that. The
/// inner error is the header of a play that has to wait for a slot.
async fn start(engine: &Arc<Engine>, birth: &mut Birth) -> Result<Result<Box<Running>, PlayHeader>, NotBorn> {
    let plan = birth.published.plan.clone();
    let mut running = Running::new(engine, plan, birth.header.clone(), PlayState::default());
    if let Some(slot) = &mut running.slot {
        slot.place = SlotPlace::Held;
    }
    running.pending.docs = std::mem::take(&mut birth.docs);
    running.pending.audit = std::mem::take(&mut birth.audit);
    let now = birth.header.created_at;
    running.record(birth.admission(Payload::Plain(birth.args.clone()), false), now);
    running.think_first().await;
    let failed = match running.commit_once().await {
        Ok(()) => return Ok(Ok(running)),
        Err(failed) => failed,
    };
    birth.docs = running.pending.docs;
    birth.audit = running.pending.audit;
    match failed {
        NotCommitted::Conflict(Conflict::SlotBusy) => {
            let queues = birth.published.plan.def.concurrency.as_ref();
            if queues.is_some_and(|limit| limit.on_limit == model::flow::OnLimit::Reject) {
                return Err(NotBorn::Refused(AdmitError::LimitReached));
            }
            defer(engine, birth, SlotPlace::Queued).await.map(Err)
        }
        error => Err(not_born(error)),
    }
}

/// Admits a play that begins later: at its start time, with a slot, or when there is room in memory.
async fn defer(engine: &Arc<Engine>, birth: &Birth, place: SlotPlace) -> Result<PlayHeader, NotBorn> {
    let mut header = birth.header.clone();
    if let Some(slot) = &mut header.slot {
        slot.place = place;
    }
    let waits_for_slot = place == SlotPlace::Queued;
    header.due = if waits_for_slot { None } else { Some(header.start_at.unwrap_or(header.created_at)) };
    header.state = if header.slot.is_some() || header.start_at.is_some() { Standing::Deferred } else { Standing::New };
    let (write, large) = admitted(engine, header, birth.args.clone().into(), |args| vec![birth.admission(args, true)])
        .map_err(|error| NotBorn::Refused(AdmitError::Internal(error.to_string())))?;
    let header = write.header.clone();
    engine.put_objects(header.key, &large).await.map_err(|error| NotBorn::Refused(error.into()))?;
    let batch = Batch { plays: vec![write], docs: birth.docs.clone(), audit: birth.audit.clone(), ..Batch::default() };
    match engine.parts.store.commit(batch).await {
        Ok(committed) => {
            engine.figures.admitted();
            engine.follow(&committed);
            engine.alarm.set(header.due.unwrap_or(Timestamp(i64::MAX)));
            Ok(header)
        }
        Err(CommitError::Conflict(conflict)) => Err(not_born(NotCommitted::Conflict(conflict))),
        Err(CommitError::Store(error)) => match engine.parts.store.header(header.key).await {
            Ok(Some(stored)) => {
                engine.alarm.set(stored.due.unwrap_or(Timestamp(i64::MAX)));
                Ok(stored)
            }
            _ => Err(NotBorn::Refused(error.into())),
        },
    }
}

fn not_born(error: NotCommitted) -> NotBorn {
    match error {
        NotCommitted::Conflict(Conflict::Doc(key)) if key.kind == DocKind::Idempotency => NotBorn::Remembered(key),
        NotCommitted::Conflict(Conflict::Doc(key)) => NotBorn::Refused(AdmitError::Overtaken(key)),
        NotCommitted::Conflict(Conflict::QueueFull) => NotBorn::Refused(AdmitError::QueueFull),
        NotCommitted::Conflict(conflict) => NotBorn::Refused(AdmitError::Internal(conflict.to_string())),
        NotCommitted::Store(error) => NotBorn::Refused(error.into()),
        NotCommitted::Pack(error) => NotBorn::Refused(AdmitError::Internal(error.to_string())),
    }
}
