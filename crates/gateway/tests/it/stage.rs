//! The stage: an engine on the in-memory store, the gateway before it, people who use it.

use std::sync::Arc;
use std::time::Duration;

use engine::components::Declared;
use engine::kept::{Policies, Policy};
use engine::world::{Ids, World as _};
use engine::{Engine, Parts as EngineParts, Settings as EngineSettings};
use gateway::{App, Bootstrap, FirstAdmin, Gateway, OidcSettings, Parts, Settings, Stop, serve};
use model::batch::Batch;
use model::doc::{Doc, DocKind, DocPut, DocWrite, Expect, UniqueKey};
use model::ids::CompanyId;
use modules::provider::{Dialer, EgressPolicy, HttpClient, HttpOptions, Postgres, Smtp, TokenClient, Web};
use sdk::Registry;
use sdk::component::{Backends, Component, Kind};
use sdk::http::Http;
use serde_json::{Value, json};
use std::net::SocketAddr;
use store::memory::MemoryStore;
use store::{DocQuery, Store};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use vault::{KeyRing, MasterKey, Token};

use crate::client::Ask;
use crate::heap::Heap;
use crate::world::{Files, NoHttp, TestWorld};

pub(crate) const EMAIL: &str = "ada@flow8.test";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// How long the installation keeps something: so many days, and so many in any case; no rule may say less than so many
/// days.
fn policy(kept: u64, min_entries: u64, enforced: u64) -> Policy {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    Policy { kept: days(kept), min_entries, enforced: days(enforced) }
}

/// What a first start makes. It is made once for all tests: hashing the password takes long.
struct Seed {
    master: String,
    docs: Vec<Doc>,
}

static SEED: OnceCell<Seed> = OnceCell::const_new();

impl Seed {
    async fn make() -> Self {
        let master = MasterKey::fresh_hex().expect("random").to_string();
        let (store, ring) = (MemoryStore::default(), KeyRing::new(MasterKey::from_hex(&master).expect("a key")));
        let (world, ids) = (TestWorld::default(), Ids::default());
        let first = FirstAdmin { email: EMAIL.into(), password: Some(PASSWORD.into()) };
        let made = Bootstrap::prepare(&store, &ring, first, world.now(), || ids.next(&world)).await.expect("prepares");
        let mut docs = Vec::new();
        for (company, kind) in [
            (CompanyId::INSTALLATION, DocKind::Company),
            (made.company, DocKind::DataKey),
            (made.company, DocKind::User),
        ] {
            docs.extend(store.docs(&DocQuery::all(company, kind, 10)).await.expect("reads"));
        }
        Self { master, docs }
    }

    /// Writes it in another store.
    async fn sow(&self, store: &dyn Store) {
        let write = |doc: &Doc| {
            let is_user = doc.key.kind == DocKind::User;
            let email =
                UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::User, text: format!("email:{EMAIL}") };
            let unique = is_user.then_some(email).into_iter().collect();
            let put = DocPut { body: doc.body.clone(), unique, expires_at: doc.expires_at };
            DocWrite { key: doc.key.clone(), expect: Expect::Absent, put: Some(put) }
        };
        let docs = self.docs.iter().map(write).collect();
        store.commit(Batch { docs, ..Batch::default() }).await.expect("commits");
    }
}

pub(crate) struct Stage {
    pub(crate) at: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    /// Takes nothing in before a test starts it.
    pub(crate) intakes: channels::Intakes,
    pub(crate) gateway: Gateway,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) world: Arc<TestWorld>,
    pub(crate) company: CompanyId,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) served: tokio::task::JoinHandle<()>,
    /// Of the command line: it may do everything.
    token: Token,
}

/// What a stage is set up with.
struct Place {
    store: Arc<dyn Store>,
    world: Arc<TestWorld>,
    settings: Settings,
    oidc: Option<OidcSettings>,
    http: Arc<dyn Http>,
    declared: Vec<Component>,
    queue: Option<Heap>,
}

impl Place {
    /// On that store; all else is as usual.
    fn of(store: Arc<dyn Store>) -> Self {
        let (world, http) = (Arc::<TestWorld>::default(), Arc::new(NoHttp));
        Self { store, world, settings: Settings::default(), oidc: None, http, declared: Vec::new(), queue: None }
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::of(Place { settings, ..Place::of(Self::store().await) }).await
    }

    /// On a store where somebody was before, in a world that others may share.
    pub(crate) async fn replica(
        store: Arc<dyn Store>,
        world: Arc<TestWorld>,
        settings: Settings,
        oidc: Option<OidcSettings>,
    ) -> Self {
        Self::of(Place { world, settings, oidc, ..Place::of(store) }).await
    }

    /// A stage that reaches real peers on this machine, with components of the configuration.
    pub(crate) async fn reaching(declared: Vec<Component>) -> Self {
        Self::of(Place { http: http(), declared, ..Place::of(Self::store().await) }).await
    }

    /// A stage whose queues and mailboxes are that one.
    pub(crate) async fn taking(queue: Heap) -> Self {
        Self::of(Place { queue: Some(queue), ..Place::of(Self::store().await) }).await
    }

    /// A replica on a store of several, which reaches real peers on this machine. One of them begins.
    pub(crate) async fn on(store: Arc<dyn Store>, begins: bool) -> Self {
        if begins {
            SEED.get_or_init(Seed::make).await.sow(&*store).await;
        }
        Self::of(Place { http: http(), ..Place::of(store) }).await
    }

    async fn of(place: Place) -> Self {
        let Place { store, world, settings, oidc, http, declared, queue } = place;
        let master = MasterKey::from_hex(&SEED.get_or_init(Seed::make).await.master).expect("a key");
        let (ring, files) = (Arc::new(KeyRing::new(master)), Arc::<Files>::default());
        let engine = Engine::new(EngineParts {
            store: store.clone(),
            modules: Registry::new(modules::all()),
            world: world.clone(),
            seal: ring.clone(),
            http: http.clone(),
            files: files.clone(),
            objects: files,
            backends: backends(http.clone(), queue),
            declared: Arc::new(Declared::new(declared)),
            settings: EngineSettings::default(),
            probe: None,
        });
        engine.start().await.expect("starts");
        let nobody = FirstAdmin { email: String::new(), password: None };
        let made =
            Bootstrap::prepare(&*store, &ring, nobody, engine.now(), || engine.new_id()).await.expect("prepares");
        assert!(made.made.is_none(), "there is a company already");
        let token = Token::fresh("").expect("random");
        let intakes = channels::Intakes::new(engine.clone());
        let parts = Parts {
            engine: engine.clone(),
            ring: ring.clone(),
            settings,
            company: made.company,
            cli_token: Some(token.hash()),
            retention: Policies { plays: policy(90, 0, 0), filtered: policy(30, 10, 3), audit: policy(30, 10, 14) },
            ticks: schedules::Figures::default(),
            intakes: intakes.clone(),
            oidc,
        };
        let app = App::new(parts);
        app.set_ready(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("an address");
        let (stop, stopped) = Stop::switch();
        let gateway = Gateway::new(app);
        let served = tokio::spawn(serve(listener, gateway.clone(), stopped, Duration::from_secs(5)));
        Self { at, engine, intakes, gateway, ring, world, company: made.company, stop, served, token }
    }

    /// A store where somebody was before: the first administrator.
    pub(crate) async fn store() -> Arc<dyn Store> {
        let store = Arc::new(MemoryStore::default());
        SEED.get_or_init(Seed::make).await.sow(&*store).await;
        store
    }

    /// A request of somebody who may do everything.
    pub(crate) fn ask(&self, line: &str) -> Ask {
        Ask::new(self.at, line).bearer(self.token.reveal())
    }

    pub(crate) fn token(&self) -> &str {
        self.token.reveal()
    }

    /// Signs in, and gives the session's cookie.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let said = self.ask("POST /api/auth/login").nobody().json(json!({"email": email, "password": password}));
        let said = said.send().await;
        assert_eq!(said.status, 200, "{}", said.text());
        let cookie = said.header("set-cookie");
        cookie.split(';').next().and_then(|pair| pair.strip_prefix("sid=")).expect("a session").to_owned()
    }

    /// Adds a person with these roles, and signs them in.
    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> String {
        let email = format!("{name}@flow8.test");
        let person = json!({"email": email, "name": name, "roles": roles, "password": PASSWORD});
        self.ask("POST /api/users").json(person).gives(201).await;
        self.sign_in(&email, PASSWORD).await
    }

    /// An API key of the administrator with these scopes.
    pub(crate) async fn key(&self, scopes: &[&str]) -> String {
        let sid = self.sign_in(EMAIL, PASSWORD).await;
        let made = self.ask("POST /api/auth/api-keys").cookie(&sid).json(json!({"name": "test", "scopes": scopes}));
        made.gives(201).await["key"].as_str().expect("a key").to_owned()
    }

    /// Makes a flow and publishes it; gives its id.
    pub(crate) async fn flow(&self, flow: Value) -> String {
        let made = self.ask("POST /api/flows").json(flow).gives(201).await;
        assert_eq!(made["published"], true, "{made}");
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Runs a flow and waits for its end.
    pub(crate) async fn run(&self, flow: &str, args: Value) -> Value {
        self.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({"args": args})).gives(200).await
    }

    /// Runs a flow until it waits; gives the play's id.
    pub(crate) async fn run_until_it_waits(&self, flow: &str) -> String {
        let said = self.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({})).gives(202).await;
        said["playId"].as_str().expect("an id").to_owned()
    }

    /// The record of a flowlet of a play.
    pub(crate) async fn layer(&self, play: &str, name: &str) -> Value {
        let layers = self.ask(&format!("GET /api/plays/{play}/layers?ref={name}")).gives(200).await;
        layers["data"][0].clone()
    }

    /// Waits until a play has ended, and gives it.
    pub(crate) async fn ended(&self, play: &str) -> Value {
        let mut feed = self.engine.feed();
        loop {
            feed.borrow_and_update();
            let said = self.ask(&format!("GET /api/plays/{play}")).gives(200).await;
            if said["endedAt"].is_string() {
                return said;
            }
            feed.changed().await.expect("the engine runs");
        }
    }

    /// Another company, in its owner's hands.
    pub(crate) async fn other_company(&self) -> Other {
        let owner = json!({"email": OTHER, "password": PASSWORD});
        let made = self.ask("POST /api/companies").json(json!({"name": "Other", "owner": owner})).gives(201).await;
        let id = made["id"].as_str().expect("an id").to_owned();
        Other { at: self.at, id, sid: self.sign_in(OTHER, PASSWORD).await }
    }
}

/// A client that reaches this machine.
fn http() -> Arc<dyn Http> {
    let policy = EgressPolicy::new(["127.0.0.1"], []).expect("a policy");
    Arc::new(HttpClient::new(&HttpOptions { policy, ..HttpOptions::default() }).expect("a client"))
}

/// What stands behind components.
fn backends(http: Arc<dyn Http>, queue: Option<Heap>) -> Backends {
    let dialer = Arc::new(Dialer::new(&HttpOptions::default()).expect("a dialer"));
    Backends {
        db: Arc::new(Postgres::new(dialer.clone())),
        mail: Arc::new(Smtp::new(dialer)),
        request: Arc::new(Web::new(Kind::Request, http.clone(), http.clone())),
        tokens: Arc::new(TokenClient::new(http)),
        ..queue.map_or_else(Backends::default, |queue| Backends {
            mailbox: Arc::new(queue.clone()),
            queue: Arc::new(queue),
            ..Backends::default()
        })
    }
}

/// The owner of another company.
pub(crate) const OTHER: &str = "grace@flow8.test";

/// Another company, in its owner's hands.
pub(crate) struct Other {
    at: SocketAddr,
    pub(crate) id: String,
    sid: String,
}

impl Other {
    /// The owner's session.
    pub(crate) fn sid(&self) -> &str {
        &self.sid
    }

    pub(crate) fn ask(&self, line: &str) -> Ask {
        Ask::new(self.at, line).cookie(&self.sid)
    }
}

/// A flow of one flowlet.
pub(crate) fn one(name: &str, app_id: &str, args: Value) -> Value {
    json!({"name": name, "layers": [{"ref": "step", "appId": app_id, "args": args}]})
}

/// A flow that gives back what it is run with.
pub(crate) fn echo() -> Value {
    one("Echo", "var", json!({"value": "{{ $prev.args }}"}))
}

/// A flow that waits for an event.
pub(crate) fn waiting() -> Value {
    one("Waiting", "wait-event", json!({"key": "go"}))
}
