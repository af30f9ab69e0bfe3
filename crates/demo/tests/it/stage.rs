//! The stage: an engine on the in-memory store with real HTTP, real files and the real time, and
//! the demo peers behind a port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use demo::{Call, Peers, examples};
use engine::decide::Command;
use engine::driver::{Admit, EngineError, RequestInfo};
use engine::flows::Edit;
use engine::history::{LayerQuery, LayerRow};
use engine::world::World;
use engine::{Engine, Parts, Settings};
use model::Value;
use model::actor::{Actor, ActorKind};
use model::doc::Doc;
use model::flow::FlowDef;
use model::ids::{CompanyId, Id, UserId};
use model::play::{PlayHeader, PlayKey, PlayState, Trigger};
use model::record::Resolution;
use model::seal::{Binding, Seal, SealError, Sealed};
use model::time::Timestamp;
use model::value::from_value;
use modules::provider::{EgressPolicy, HttpClient, HttpOptions, LocalFiles};
use sdk::Registry;
use sdk::http::{Http, HttpRequest, HttpResponse};
use sdk::storage::Storage;
use store::memory::MemoryStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Demo peers behind a port of their own, until the test ends.
pub(crate) struct Server {
    pub(crate) peers: Peers,
    url: String,
    http: Arc<HttpClient>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let peers = Peers::default();
        let served = peers.clone();
        tokio::spawn(async move { served.serve(listener, std::future::pending()).await });
        let policy = EgressPolicy::new(["127.0.0.0/8"], []).expect("rules");
        let http = HttpClient::new(&HttpOptions { policy, ..HttpOptions::default() }).expect("a client");
        Self { peers, url, http: Arc::new(http) }
    }

    /// What a peer answers.
    pub(crate) async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: Option<&str>) -> HttpResponse {
        let request = HttpRequest {
            company: COMPANY,
            method: method.to_owned(),
            url: format!("{}{path}", self.url),
            headers: key.map(|key| ("idempotency-key".to_owned(), key.to_owned())).into_iter().collect(),
            body: body.map(|body| body.to_owned().into()),
            timeout: PATIENCE,
            follow_redirects: false,
            max_body: 1 << 20,
        };
        self.http.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// What is there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        Value::from_json(&self.ask("GET", path, None, None).await.body).expect("JSON")
    }

    /// Plans a fault.
    pub(crate) async fn fault(&self, fault: &str) {
        assert_eq!(self.ask("POST", "/faults", None, Some(fault)).await.status, 201);
    }

    /// The calls of a method whose path begins so.
    pub(crate) fn calls(&self, method: &str, path: &str) -> Vec<Call> {
        let mut calls = self.peers.log();
        calls.retain(|call| call.method == method && call.path.starts_with(path));
        calls
    }

    /// What is undone, in order: the paths of DELETE.
    pub(crate) fn undone(&self) -> Vec<String> {
        self.calls("DELETE", "/").into_iter().map(|call| call.path).collect()
    }
}

/// An engine and its peers.
pub(crate) struct Stage {
    pub(crate) server: Server,
    engine: Arc<Engine>,
    files: Arc<LocalFiles>,
    _folder: TempDir,
}

/// JSON from text.
pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The text of an example's flow file, and its arguments.
pub(crate) fn example(name: &str) -> (&'static str, Value) {
    let example = examples().iter().find(|example| example.name == name).expect("an example");
    (example.yaml, json(example.args))
}

/// The flow of a flow file.
pub(crate) fn flow(text: &str) -> FlowDef {
    let document = yaml::read(text).unwrap_or_else(|error| panic!("{error}")).value;
    let mut fields = document.as_map().cloned().expect("an object");
    for (key, value) in [("apiVersion", "flow8/v1"), ("kind", "Flow")] {
        assert_eq!(fields.shift_remove(key), Some(Value::from(value)), "{key}");
    }
    from_value(&fields.into()).unwrap_or_else(|error| panic!("{error}"))
}

fn person(number: u8) -> Actor {
    let user = Id::from_bytes([number; 12]);
    Actor { kind: ActorKind::User, id: Some(user), name: format!("person {number}"), user: Some(UserId(user)) }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let files = Arc::new(LocalFiles::open(&folder.path().join("files")).expect("opens"));
        let objects = Arc::new(LocalFiles::open(&folder.path().join("objects")).expect("opens"));
        let engine = Engine::new(Parts {
            store: Arc::new(MemoryStore::default()),
            modules: Registry::new(modules::all()),
            world: Arc::new(Clock { begun: Instant::now(), drawn: AtomicU64::new(1) }),
            seal: Arc::new(Upside),
            http: server.http.clone(),
            files: files.clone(),
            objects,
            backends: Default::default(),
            declared: Default::default(),
            settings: Settings::default(),
            probe: None,
        });
        engine.start().await.expect("starts");
        Self { server, engine, files, _folder: folder }
    }

    /// Publishes a flow; gives its id.
    pub(crate) async fn publish(&self, text: &str) -> String {
        let edit = Edit { company: COMPANY, actor: person(1), groups: None, request: RequestInfo::default() };
        let made = self.engine.create_flow(&edit, flow(text)).await.expect("creates");
        let published = self.engine.publish_flow(&edit, &made.id.to_string()).await;
        published.unwrap_or_else(|error| panic!("{}: {error}", made.permanent_id)).flow.id.to_string()
    }

    /// Starts a play, with the address of the peers among its arguments.
    pub(crate) async fn start(&self, flow: &str, args: &Value) -> PlayKey {
        let mut args = args.as_map().cloned().unwrap_or_default();
        args.insert("peers".into(), self.server.url.as_str().into());
        let admit = Admit {
            company: COMPANY,
            flow: flow.to_owned(),
            args: args.into(),
            actor: person(1),
            trigger: Trigger::Run,
            labels: BTreeMap::new(),
            idempotency_key: None,
            start_at: None,
            force: false,
            request: RequestInfo::default(),
            docs: Vec::new(),
        };
        self.engine.admit(admit, None).await.expect("is admitted").header.key
    }

    /// Starts a play of an example with its own arguments, but for some of them.
    pub(crate) async fn play(&self, name: &str, others: &str) -> PlayKey {
        let (text, args) = example(name);
        let flow = self.publish(text).await;
        let mut args = args.as_map().cloned().expect("an object");
        args.extend(json(others).as_map().cloned().expect("an object"));
        self.start(&flow, &args.into()).await
    }

    /// The same, to a good end; gives the output.
    pub(crate) async fn out(&self, name: &str, others: &str) -> Value {
        let play = self.play(name, others).await;
        self.done(play).await
    }

    async fn header(&self, play: PlayKey) -> PlayHeader {
        self.engine.store().header(play).await.expect("reads").expect("is there")
    }

    /// Waits until the play is in a state, or has ended.
    pub(crate) async fn until(&self, play: PlayKey, state: PlayState) -> PlayHeader {
        let begun = Instant::now();
        loop {
            let header = self.header(play).await;
            if header.state == state || header.state.is_ended() {
                assert_eq!(header.state, state, "{:?} {:?}", header.failed_ref, header.error);
                return header;
            }
            assert!(begun.elapsed() < PATIENCE, "{} instead of {state}", header.state);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for a good end; gives the output.
    pub(crate) async fn done(&self, play: PlayKey) -> Value {
        self.until(play, PlayState::Done).await;
        self.engine.output_of(play).await.expect("reads")
    }

    /// The record of a flowlet.
    pub(crate) async fn row(&self, play: PlayKey, name: &str) -> Option<LayerRow> {
        let plan = self.engine.plan_for(&self.header(play).await).await.expect("compiles");
        let query = LayerQuery { limit: usize::MAX, ..LayerQuery::default() };
        let (rows, _) = self.engine.layers(play, &query).await.expect("reads");
        rows.into_iter().find(|row| plan.layer(&row.step).name() == name)
    }

    /// Somebody decides an approval.
    pub(crate) async fn decide(
        &self,
        play: PlayKey,
        name: &str,
        who: u8,
        role: &str,
        approved: bool,
    ) -> Result<(), EngineError> {
        let layer = self.row(play, name).await.expect("has begun").id;
        let (actor, roles) = (person(who), std::iter::once(role.to_owned()).collect());
        let approve = Command::Approve { layer, approved, seen: None, note: None, actor, roles };
        self.engine.command(play, approve, &RequestInfo::default()).await
    }

    /// Somebody says what became of a flowlet.
    pub(crate) async fn resolve(&self, play: PlayKey, name: &str, decision: Resolution, out: Option<&str>) {
        let layer = self.row(play, name).await.expect("has begun").id;
        let resolve = Command::Resolve { layer, decision, out: out.map(json), note: None, actor: person(2) };
        self.engine.command(play, resolve, &RequestInfo::default()).await.expect("resolves");
    }

    pub(crate) async fn post(&self, key: &str, data: &str) {
        self.engine.post_event(COMPANY, key, json(data), None, Vec::new()).await.expect("posts");
    }

    /// Puts a file into the storage.
    pub(crate) async fn write(&self, path: &str, text: &str) {
        self.files.write(COMPANY, path, text.to_owned().into()).await.expect("writes");
    }

    /// What a file of the storage holds.
    pub(crate) async fn read(&self, path: &str) -> String {
        let bytes = self.files.read(COMPANY, path, 1 << 20).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}

/// The real time, from a beginning that is always the same.
struct Clock {
    begun: Instant,
    drawn: AtomicU64,
}

/// The fifteenth of January 2027, 08:00 UTC.
const BEGIN: i64 = 1_800_000_000_000;

#[async_trait]
impl World for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGIN).plus(self.begun.elapsed())
    }

    fn random(&self) -> u64 {
        // SplitMix64.
        let mut z = self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Seals by turning every bit.
struct Upside;

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
