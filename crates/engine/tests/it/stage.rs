//! The stage: an engine on the in-memory store, a virtual clock, and a peer that flowlets call.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use engine::decide::Command;
use engine::driver::{Admit, AdmitError, EngineError, Report, RequestInfo};
use engine::flows::{Edit, PublishedVersion};
use engine::history::{LayerQuery, LayerRow};
use engine::world::World;
use engine::{Engine, Parts, Settings};
use model::actor::{Actor, ActorKind};
use model::doc::Doc;
use model::flow::FlowDef;
use model::ids::{CompanyId, Id, LayerId, UserId};
use model::play::{LayerState, PlayHeader, PlayKey, PlayState, Trigger};
use model::record::Resolution;
use model::seal::{Binding, Seal, SealError, Sealed};
use model::time::Timestamp;
use model::value::{Value, from_value};
use schemars::JsonSchema;
use sdk::http::{Http, HttpError, HttpRequest, HttpResponse};
use sdk::storage::{FileInfo, Storage, StorageError};
use sdk::{EffectCtx, Group, Mishap, Module, Nature, Registry};
use serde::{Deserialize, Serialize};
use store::Store;
use store::memory::MemoryStore;
use tokio::time::Instant;

pub(crate) const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));

pub(crate) struct Stage {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) files: Arc<Files>,
    settings: Settings,
}

/// Ever longer pauses of virtual time, years in all.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..40_000_u64).map(|round| Duration::from_millis(20 + round * round / 100))
}

/// JSON from text.
pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).expect("JSON")
}

/// A flow from YAML.
pub(crate) fn flow(text: &str) -> FlowDef {
    from_value(&yaml::read(text).expect("YAML").value).expect("a flow")
}

/// A person.
pub(crate) fn person(number: u8) -> Actor {
    let user = Id::from_bytes([number; 12]);
    Actor { kind: ActorKind::User, id: Some(user), name: format!("person {number}"), user: Some(UserId(user)) }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(MemoryStore::default()), Settings::default()).await
    }

    pub(crate) async fn with(store: Arc<dyn Store>, settings: Settings) -> Self {
        let (peer, files) = (Arc::new(Peer::default()), Arc::new(Files::default()));
        let engine = start(&store, &peer, &files, settings.clone()).await;
        Self { engine, store, peer, files, settings }
    }

    /// Ends the process, as far as the store can tell, and starts another.
    pub(crate) async fn restart(&mut self) {
        // Every task of the old engine is gone with its runtime in real life; here it is fenced off.
        self.peer.fence();
        self.engine = start(&self.store, &self.peer, &self.files, self.settings.clone()).await;
    }

    pub(crate) fn edit(&self) -> Edit {
        Edit { company: COMPANY, actor: person(1), groups: None, request: RequestInfo::default() }
    }

    /// Makes a flow and publishes it.
    pub(crate) async fn publish(&self, text: &str) -> PublishedVersion {
        let made = self.engine.create_flow(&self.edit(), flow(text)).await.expect("creates");
        self.engine.publish_flow(&self.edit(), &made.id.to_string()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn wish(flow: &str, args: &str) -> Admit {
        Admit {
            company: COMPANY,
            flow: flow.to_owned(),
            args: json(args),
            actor: person(1),
            trigger: Trigger::Run,
            labels: BTreeMap::new(),
            idempotency_key: None,
            start_at: None,
            force: false,
            request: RequestInfo::default(),
            docs: Vec::new(),
        }
    }

    /// Starts a play of a published flow.
    pub(crate) async fn start(&self, flow: &str, args: &str) -> PlayKey {
        self.admit(Self::wish(flow, args)).await.expect("is admitted").header.key
    }

    pub(crate) async fn admit(&self, admit: Admit) -> Result<Report, AdmitError> {
        self.engine.admit(admit, None).await
    }

    /// Publishes a flow, runs it, and waits until it has ended or waits for something.
    pub(crate) async fn run(&self, text: &str, args: &str) -> Report {
        let published = self.publish(text).await;
        self.run_published(&published.flow.id.to_string(), args).await
    }

    pub(crate) async fn run_published(&self, flow: &str, args: &str) -> Report {
        let wait = Some(Duration::from_secs(300));
        self.engine.admit(Self::wish(flow, args), wait).await.expect("is admitted")
    }

    /// Publishes a flow, runs it to a good end, and gives its output.
    pub(crate) async fn out(&self, text: &str, args: &str) -> String {
        let report = self.run(text, args).await;
        assert_eq!(report.header.state, PlayState::Done, "{:?}", report.header.error);
        report.out.expect("an ended play has an output").to_json()
    }

    pub(crate) async fn header(&self, play: PlayKey) -> PlayHeader {
        self.store.header(play).await.expect("reads").expect("is there")
    }

    pub(crate) async fn state(&self, play: PlayKey) -> PlayState {
        self.header(play).await.state
    }

    /// Lets time pass until the play is in a state.
    pub(crate) async fn until(&self, play: PlayKey, state: PlayState) -> PlayHeader {
        for pause in pauses() {
            let header = self.header(play).await;
            if header.state == state {
                return header;
            }
            assert!(!header.state.is_ended(), "{} instead of {state}: {:?}", header.state, header.error);
            tokio::time::sleep(pause).await;
        }
        panic!("the play never came to be {state}: {:?}", self.header(play).await);
    }

    /// Lets time pass until the play has ended.
    pub(crate) async fn ended(&self, play: PlayKey) -> PlayHeader {
        for pause in pauses() {
            let header = self.header(play).await;
            if header.state.is_ended() {
                return header;
            }
            tokio::time::sleep(pause).await;
        }
        panic!("the play never ended: {:?}", self.header(play).await);
    }

    pub(crate) async fn output(&self, play: PlayKey) -> String {
        self.engine.output_of(play).await.expect("reads").to_json()
    }

    /// The records of a play's flowlets, as `ref state` in the order in which they began.
    pub(crate) async fn layers(&self, play: PlayKey) -> Vec<String> {
        let rows = self.rows(play).await;
        rows.into_iter().map(|(name, row)| format!("{name}{:?} {}", &row.step.items[..], row.state)).collect()
    }

    pub(crate) async fn rows(&self, play: PlayKey) -> Vec<(String, LayerRow)> {
        let header = self.header(play).await;
        let plan = self.engine.plan_for(&header).await.expect("compiles");
        let query = LayerQuery { limit: usize::MAX, ..LayerQuery::default() };
        let (rows, total) = self.engine.layers(play, &query).await.expect("reads");
        assert_eq!(rows.len(), total);
        rows.into_iter().map(|row| (plan.layer(&row.step).name().to_owned(), row)).collect()
    }

    /// The record of a flowlet.
    pub(crate) async fn row(&self, play: PlayKey, name: &str) -> LayerRow {
        let rows = self.rows(play).await;
        rows.into_iter().find(|(is, _)| is == name).unwrap_or_else(|| panic!("{name} has not begun")).1
    }

    pub(crate) async fn layer_state(&self, play: PlayKey, name: &str) -> LayerState {
        self.row(play, name).await.state
    }

    pub(crate) async fn layer_id(&self, play: PlayKey, name: &str) -> LayerId {
        self.row(play, name).await.id
    }

    pub(crate) async fn command(&self, play: PlayKey, command: Command) -> Result<(), EngineError> {
        self.engine.command(play, command, &RequestInfo::default()).await
    }

    pub(crate) async fn approve(&self, play: PlayKey, name: &str, who: u8, approved: bool) -> Result<(), EngineError> {
        let layer = self.layer_id(play, name).await;
        self.approve_layer(play, layer, who, approved, &["approver"]).await
    }

    pub(crate) async fn approve_layer(
        &self,
        play: PlayKey,
        layer: LayerId,
        who: u8,
        approved: bool,
        roles: &[&str],
    ) -> Result<(), EngineError> {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let actor = person(who);
        self.command(play, Command::Approve { layer, approved, seen: None, note: None, actor, roles }).await
    }

    pub(crate) async fn resolve(&self, play: PlayKey, name: &str, decision: Resolution, out: Option<&str>) {
        let layer = self.layer_id(play, name).await;
        let out = out.map(json);
        let resolve = Command::Resolve { layer, decision, out, note: None, actor: person(2) };
        self.command(play, resolve).await.expect("resolves");
    }

    pub(crate) async fn cancel(&self, play: PlayKey, compensate: bool) {
        let cancel = Command::Cancel { compensate, reason: None, actor: person(1) };
        self.command(play, cancel).await.expect("cancels");
    }

    pub(crate) async fn post(&self, key: &str, data: &str) {
        self.engine.post_event(COMPANY, key, json(data), None, Vec::new()).await.expect("posts");
    }
}

async fn start(store: &Arc<dyn Store>, peer: &Arc<Peer>, files: &Arc<Files>, settings: Settings) -> Arc<Engine> {
    let engine = Engine::new(Parts {
        store: store.clone(),
        modules: Registry::new(modules::all().into_iter().chain(peer_modules(peer))),
        world: Arc::new(TestWorld::default()),
        seal: Arc::new(Upside),
        http: Arc::new(NoHttp),
        files: files.clone(),
        objects: files.clone(),
        backends: Default::default(),
        declared: Default::default(),
        settings,
        probe: None,
    });
    engine.start().await.expect("starts");
    engine
}

/// A clock that stands on tokio's, so that a test may pause it, and randomness from a seed.
pub(crate) struct TestWorld {
    begun: Instant,
    random: AtomicU64,
}

/// All tests begin at the same time.
pub(crate) const BEGIN: i64 = 1_800_000_000_000;

static SEEDS: AtomicU64 = AtomicU64::new(1);

impl Default for TestWorld {
    fn default() -> Self {
        // Two engines of one test must not draw the same ids.
        Self { begun: start_of_time(), random: AtomicU64::new(SEEDS.fetch_add(0x9e37_79b9, Ordering::Relaxed)) }
    }
}

/// The same instant for all engines of one test: its thread's first look at the clock.
fn start_of_time() -> Instant {
    thread_local! {
        static START: std::cell::OnceCell<Instant> = const { std::cell::OnceCell::new() };
    }
    START.with(|start| *start.get_or_init(Instant::now))
}

#[async_trait]
impl World for TestWorld {
    fn now(&self) -> Timestamp {
        Timestamp(BEGIN).plus(self.begun.elapsed())
    }

    fn random(&self) -> u64 {
        // SplitMix64.
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Nobody sets this clock.
    fn longest_sleep(&self) -> Duration {
        Duration::from_secs(7 * 24 * 3600)
    }
}

/// Seals by turning every bit, so that what is sealed can be told from what is not.
pub(crate) struct Upside;

impl Seal for Upside {
    fn seal(&self, _: Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        Ok(Sealed(plain.iter().map(|byte| !byte).collect()))
    }

    fn open(&self, _: Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        Ok(sealed.0.iter().map(|byte| !byte).collect())
    }

    fn knows(&self, _: CompanyId) -> bool {
        true
    }

    fn learn(&self, _: &Doc) -> Result<(), SealError> {
        Ok(())
    }
}

pub(crate) struct NoHttp;

#[async_trait]
impl Http for NoHttp {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError { code: "HTTP_CONNECT", message: "there is no network on stage".into(), maybe_done: false })
    }
}

/// What files hold, and when they were written, by their paths.
type Kept = BTreeMap<String, (bytes::Bytes, Timestamp)>;

/// Files in memory.
#[derive(Default)]
pub(crate) struct Files {
    kept: Mutex<Kept>,
    /// Whether it cannot be reached.
    pub(crate) refuses: AtomicBool,
}

impl Files {
    pub(crate) fn paths(&self) -> Vec<String> {
        self.kept.lock().expect("files").keys().cloned().collect()
    }

    fn reached(&self) -> Result<MutexGuard<'_, Kept>, StorageError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(StorageError::Failed("the files are away".into()));
        }
        Ok(self.kept.lock().expect("files"))
    }
}

fn info(path: &str, (bytes, modified): &(bytes::Bytes, Timestamp)) -> FileInfo {
    FileInfo { path: path.into(), size: bytes.len() as u64, modified: *modified }
}

#[async_trait]
impl Storage for Files {
    async fn read(&self, _: CompanyId, path: &str, _: usize) -> Result<bytes::Bytes, StorageError> {
        let found = self.reached()?.get(path).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| StorageError::NotFound(path.into()))
    }

    async fn write(&self, _: CompanyId, path: &str, bytes: bytes::Bytes) -> Result<(), StorageError> {
        let now = Timestamp(BEGIN).plus(start_of_time().elapsed());
        self.reached()?.insert(path.into(), (bytes, now));
        Ok(())
    }

    async fn rename(&self, _: CompanyId, from: &str, to: &str) -> Result<(), StorageError> {
        let mut files = self.reached()?;
        let file = files.remove(from).ok_or_else(|| StorageError::NotFound(from.into()))?;
        files.insert(to.into(), file);
        Ok(())
    }

    async fn delete(&self, _: CompanyId, path: &str) -> Result<bool, StorageError> {
        Ok(self.reached()?.remove(path).is_some())
    }

    async fn head(&self, _: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError> {
        Ok(self.reached()?.get(path).map(|file| info(path, file)))
    }

    async fn list(
        &self,
        _: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let files = self.reached()?;
        let is_asked = |path: &str| path.starts_with(prefix) && after.is_none_or(|after| path > after);
        let found = files.iter().filter(|(path, _)| is_asked(path)).take(limit);
        Ok(found.map(|(path, file)| info(path, file)).collect())
    }
}

/// What the peer does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It does it, after a while.
    Do(Duration),
    /// It refuses, and has done nothing.
    Refuse,
    /// It refuses after a while.
    RefuseLate(Duration),
    /// It does it, and the answer is lost.
    DoAndLose,
    /// The call is lost on the way, but nobody knows.
    Lose,
    /// It never answers; whether it has done it is not known.
    Hang,
    /// The module breaks.
    Panic,
}

/// A call as the peer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) done: bool,
    pub(crate) at: Timestamp,
}

/// The peer that flowlets call: it notes every call, and does as it was told.
#[derive(Default)]
pub(crate) struct Peer {
    calls: Mutex<Vec<Call>>,
    acts: Mutex<HashMap<String, VecDeque<Act>>>,
    generation: AtomicU64,
}

impl Peer {
    /// The next calls of that name are met so; after them, all is done at once.
    pub(crate) fn will(&self, name: &str, acts: impl IntoIterator<Item = Act>) {
        self.acts.lock().expect("acts").entry(name.into()).or_default().extend(acts);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("calls").clone()
    }

    /// The names that were called, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.name).collect()
    }

    pub(crate) fn calls_of(&self, name: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.name == name).collect()
    }

    /// From now on, calls under way never come back: whoever made them is gone.
    fn fence(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    async fn meet(&self, args: PeerArgs, ctx: Arc<EffectCtx>) -> Result<PeerOut, Mishap> {
        let generation = self.generation.load(Ordering::SeqCst);
        let act = self.acts.lock().expect("acts").get_mut(&args.name).and_then(VecDeque::pop_front);
        let act = act.unwrap_or(Act::Do(Duration::ZERO));
        let note = |done| {
            self.calls.lock().expect("calls").push(Call {
                name: args.name.clone(),
                data: args.data.to_json(),
                key: ctx.idempotency_key.clone(),
                attempt: ctx.attempt,
                done,
                at: Timestamp(BEGIN).plus(start_of_time().elapsed()),
            });
        };
        let failure = |message: &str| model::Failure::new("PEER", message);
        let outcome = match act {
            Act::Do(after) => {
                tokio::time::sleep(after).await;
                note(true);
                Ok(PeerOut::of(&args, ctx.attempt))
            }
            Act::RefuseLate(after) => {
                tokio::time::sleep(after).await;
                note(false);
                Err(Mishap::Failed(failure("refused")))
            }
            Act::Refuse => {
                note(false);
                Err(Mishap::Failed(failure("refused")))
            }
            Act::DoAndLose => {
                note(true);
                Err(Mishap::Unknown(failure("the answer was lost")))
            }
            Act::Lose => {
                note(false);
                Err(Mishap::Unknown(failure("the call was lost")))
            }
            Act::Hang => {
                note(false);
                std::future::pending().await
            }
            Act::Panic => panic!("on purpose"),
        };
        if generation != self.generation.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        outcome
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerArgs {
    /// What to call it.
    pub(crate) name: String,
    /// What to hand over.
    #[serde(default)]
    data: Value,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct PeerOut {
    name: String,
    data: Value,
    attempt: u32,
}

impl PeerOut {
    pub(crate) fn of(args: &PeerArgs, attempt: u32) -> Self {
        Self { name: args.name.clone(), data: args.data.clone(), attempt }
    }
}

/// `call` writes, `put` writes what may be written twice, `look` reads.
fn peer_modules(peer: &Arc<Peer>) -> Vec<Module> {
    [("call", Nature::WRITE), ("put", Nature::PUT), ("look", Nature::READ)]
        .into_iter()
        .map(|(id, nature)| {
            let peer = peer.clone();
            Module::effect(id, Group::Control, "Calls the peer on stage.", nature, move |args: PeerArgs, ctx| {
                let peer = peer.clone();
                async move { peer.meet(args, ctx).await }
            })
        })
        .collect()
}
