//! [`Installation`]: all parts of flow8 put together: store, keys, providers, engine, gateway.
//!
//! It opens no port and starts no play by itself; whoever opens it does ([`crate::cli`]).

mod components;
mod guide;
mod keys;
pub mod moving;
mod objects;
mod oidc;
mod retention;
mod sealing;
pub mod tls;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::objects::BucketError;
use audit::Log;
use channels::Intakes;
use engine::Engine;
use engine::components::Declared;
use engine::world::{Ids, World as _};
use gateway::{App, Bootstrap, Caller, FirstAdmin, Gateway, Rates};
use model::doc::DocKind;
use model::ids::CompanyId;
use modules::provider::{HttpClient, HttpOptions};
use schedules::{Figures, Keeper};
use sdk::Registry;
use store::memory::MemoryStore;
use store::sqlite::{SqliteOptions, SqliteStore, make_folder};
use store::{DocQuery, Store};
use store_mongo::{MongoOptions, MongoStore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vault::{KeyRing, MasterKey, TokenHash};

pub use guide::{Address, Guide, GuideError};
pub use keys::{KeyFileError, replace_in as replace_key_in};
pub(crate) use objects::service;

use crate::config::{Config, SameSite, WebUrl};
use crate::failpoint::Faults;
use world::SystemWorld;

/// Who the first administrator is where nobody says.
const ADMIN: &str = "admin@localhost";

/// How long a process that stops takes to seal the audit log.
const SEALING: Duration = Duration::from_secs(2);

/// Where plays are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// In the data folder.
    InFolder,
    /// Nowhere: all is gone with the process.
    InMemory,
}

/// All parts of flow8, put together.
pub struct Installation {
    /// What runs plays.
    pub engine: Arc<Engine>,
    /// What answers requests.
    pub gateway: Gateway,
    /// What the first start made.
    pub bootstrap: Bootstrap,
    /// How the command line on this machine finds a server; none without a data folder.
    pub guide: Guide,
    /// What calls others.
    http: Arc<HttpClient>,
    audit: Log,
    schedules: Keeper,
    intakes: Intakes,
    /// Removed with the installation, where nothing is kept.
    _scratch: Option<tempfile::TempDir>,
}

/// Why flow8 does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] store::StoreError),
    /// The key file cannot be used.
    #[error("{0}")]
    KeyFile(#[from] KeyFileError),
    /// There is no key, and this is not the time to make one.
    #[error(
        "there is no {}, the key of all that is sealed in this installation and its backups; put it there, or set \
         ENCRYPTION_MASTER_KEY, or ENCRYPTION_KEY and ENCRYPTION_KEY_SALT",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The key before the one that is to be replaced is still there.
    #[error(
        "{} is there still: run flow8 keys rotate, which moves everything to the newest key, and remove the file",
        .0.display()
    )]
    OldKey(PathBuf),
    /// The keys that are configured cannot be used.
    #[error("{0}")]
    Key(#[from] vault::KeyError),
    /// The first company could not be made.
    #[error("{0}")]
    Bootstrap(#[from] gateway::BootstrapError),
    /// A folder cannot be used.
    #[error("{}: {source}", folder.display())]
    Folder {
        /// Which one.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Outgoing calls cannot be set up.
    #[error("egress: {0}")]
    Egress(String),
    /// The certificate that flow8 is to show cannot be used.
    #[error("{0}")]
    Tls(String),
    /// A declared component is not such as what stands behind it takes.
    #[error("{}: the component {name:?}: {why}", file.display())]
    Component {
        /// The file that declares it.
        file: PathBuf,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bucket of objects cannot be used.
    #[error("{section}: {error}; {way_out}")]
    Bucket {
        /// The section of its settings.
        section: &'static str,
        /// Why.
        error: BucketError,
        /// What to do about it.
        way_out: &'static str,
    },
}

impl Installation {
    /// Puts flow8 together.
    ///
    /// # Errors
    /// With what stands in the way, and what to do about it.
    pub async fn open(config: &Config, keep: Keep, faults: Faults) -> Result<Self, OpenError> {
        let scratch = match keep {
            Keep::InMemory => {
                Some(tempfile::tempdir().map_err(|source| folder_error(Path::new("a temporary folder"), source))?)
            }
            Keep::InFolder => None,
        };
        let folder = scratch.as_ref().map_or(config.data_dir.as_path(), |scratch| scratch.path());
        // The lock of the store comes first: whatever else is in the folder belongs to its holder.
        let mut mongo = None;
        let store: Arc<dyn Store> = match keep {
            Keep::InMemory => Arc::new(MemoryStore::default()),
            Keep::InFolder => match mongo_options(config) {
                Some(options) => {
                    // The embedded store makes the folder; here, nobody else would.
                    make_folder(folder).map_err(|source| folder_error(folder, source))?;
                    let opened = MongoStore::open(&options).await?;
                    mongo = Some((opened.files(), opened.values()));
                    Arc::new(opened)
                }
                None => Arc::new(SqliteStore::open(&SqliteOptions::in_folder(folder))?),
            },
        };
        let objects = objects::open(config, keep, folder, mongo).await?;
        let master = match config.master_key()? {
            Some(master) => master,
            // With a fresh key, nothing would open of what a store holds already.
            None if is_in_use(&*store).await? => MasterKey::from_hex(&keys::found_in(folder)?)?,
            None => MasterKey::from_hex(&keys::kept_in(folder)?)?,
        };
        let ring = Arc::new(KeyRing::new(master).after(previous_master(config, folder)?));
        let world = Arc::new(SystemWorld::with_skew(faults.skew));
        let options = http_options(config)?;
        let http = Arc::new(HttpClient::new(&options).map_err(|error| OpenError::Egress(error.to_string()))?);
        let backends = components::backends(&options, http.clone())?;
        let oidc = oidc::settings(config)?;
        let guide = Guide::new(folder)?;
        // Whose they are does not matter yet: what is wrong with them is told before anything is made.
        components::declared(config, CompanyId::INSTALLATION, &backends)?;
        // The password of an administrator who is made here is told once, by whoever gets this installation: nothing
        // may go wrong on the way there.
        let bootstrap = prepare(config, &*store, &ring, &world).await?;
        let declared = components::declared(config, bootstrap.company, &backends)?;
        let engine = Engine::new(engine::Parts {
            store,
            modules: Registry::new(modules::all()),
            world,
            seal: ring.clone(),
            http: http.clone(),
            files: objects.files,
            objects: objects.values,
            backends,
            declared: Arc::new(Declared::new(declared)),
            settings: engine::Settings {
                max_effects: usize::try_from(config.engine.max_effects.get()).unwrap_or(usize::MAX),
                env: config.expressions.variables.clone(),
                ..engine::Settings::default()
            },
            probe: faults.probe,
        });
        let audit = Log::new(engine.store().clone(), ring.clone());
        let ticks = Figures::default();
        let schedules = Keeper::new(engine.clone(), ticks.clone());
        let intakes = Intakes::new(engine.clone());
        let gateway = Gateway::new(App::new(gateway::Parts {
            engine: engine.clone(),
            ring,
            settings: gateway_settings(config),
            company: bootstrap.company,
            cli_token: Some(TokenHash::of(guide.token())),
            retention: retention::policies(config),
            ticks,
            intakes: intakes.clone(),
            oidc,
        }));
        Ok(Self { engine, gateway, bootstrap, guide, http, audit, schedules, intakes, _scratch: scratch })
    }

    /// Begins to run plays.
    ///
    /// # Errors
    /// Where the store cannot be reached.
    pub async fn start(&self) -> Result<(), store::StoreError> {
        self.engine.start().await.map(drop)
    }

    /// Deals with schedules, seals the audit log and clears away what is not kept, as that configuration says, for as long as what is
    /// returned is held.
    pub(crate) fn tend(&self, config: &Config) -> JoinSet<()> {
        let (engine, app) = (&self.engine, self.gateway.app());
        app.set_retention(retention::policies(config));
        let mut chores = JoinSet::new();
        let interval = config.retention.cleanup_interval.duration();
        chores.spawn(retention::keep_clean(engine.clone(), app.clone(), interval));
        chores.spawn(self.schedules.clone().keep());
        chores.spawn(sealing::keep_sealed(self.audit.clone(), engine.clone()));
        chores
    }

    /// Begins to take in what waits in queues and mailboxes.
    pub(crate) fn take_in(&self) {
        self.intakes.start();
    }

    /// Takes nothing more in, lets plays come to a rest, and seals the audit log; says how many plays are left for the next start.
    pub async fn rest(&self, patience: Duration) -> usize {
        let began = Instant::now();
        // While messages can still be admitted: what is under way is settled.
        self.intakes.stop(patience / 2).await;
        let left = self.engine.drain(patience.saturating_sub(began.elapsed())).await;
        self.seal_the_end().await;
        left
    }

    /// Seals what the audit log has by now. A process that stops waits for nobody who still writes a row.
    async fn seal_the_end(&self) {
        let why = match tokio::time::timeout(SEALING, self.audit.seal(self.engine.now())).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {} s", SEALING.as_secs()),
        };
        tracing::warn!(why, "the end of the audit log is not sealed; another replica or the next start will");
    }

    /// Other limits of requests from now on.
    pub(crate) fn set_rates(&self, config: &Config) {
        self.gateway.app().set_rates(rates(config));
    }

    /// Other rules for outgoing calls from now on.
    ///
    /// # Errors
    /// Where they cannot be used; then those before hold.
    pub(crate) fn set_egress(&self, config: &Config) -> Result<(), OpenError> {
        self.http.reconfigure(&http_options(config)?).map_err(|error| OpenError::Egress(error.to_string()))
    }

    /// Other declared components from now on.
    ///
    /// # Errors
    /// Where one of them cannot be used; then those before hold.
    pub(crate) fn set_declared(&self, config: &Config) -> Result<(), OpenError> {
        let components = components::declared(config, self.company(), self.engine.backends())?;
        self.engine.declared().replace(components);
        // Channels may take in from one of them.
        self.engine.ways_in_have_changed();
        Ok(())
    }

    /// The command line on this machine, as a caller of the API.
    pub fn cli(&self) -> Arc<Caller> {
        Arc::new(Caller::cli(self.company()))
    }

    /// The first company.
    pub fn company(&self) -> CompanyId {
        self.bootstrap.company
    }
}

/// The master key before the one that wraps what is new, if there is any.
fn previous_master(config: &Config, folder: &Path) -> Result<Option<MasterKey>, OpenError> {
    match config.previous_master_key()? {
        Some(previous) => Ok(Some(previous)),
        None => Ok(keys::previous_in(folder)?.map(|digits| MasterKey::from_hex(&digits)).transpose()?),
    }
}

/// Where MongoDB is, if plays are kept there.
pub fn mongo_options(config: &Config) -> Option<MongoOptions> {
    let mongodb = &config.mongodb;
    Some(MongoOptions {
        uri: mongodb.uri.as_ref()?.reveal().to_owned(),
        database: mongodb.database.clone(),
        max_pool_size: u32::try_from(mongodb.max_pool_size.get()).ok(),
        tls_ca_file: mongodb.tls_ca_file.clone(),
        tls_cert_key_file: mongodb.tls_cert_key_file.clone(),
        migrates: mongodb.auto_migrate,
        over_unfinished: false,
    })
}

fn folder_error(folder: &Path, source: std::io::Error) -> OpenError {
    OpenError::Folder { folder: folder.to_owned(), source }
}

/// Whether somebody has started on this store before.
async fn is_in_use(store: &dyn Store) -> Result<bool, store::StoreError> {
    let companies = DocQuery::all(CompanyId::INSTALLATION, DocKind::Company, 1);
    Ok(!store.docs(&companies).await?.is_empty())
}

async fn prepare(
    config: &Config,
    store: &dyn Store,
    ring: &KeyRing,
    world: &Arc<SystemWorld>,
) -> Result<Bootstrap, OpenError> {
    let first = FirstAdmin {
        email: config.bootstrap.admin_email.as_ref().map_or(ADMIN, |email| email.as_str()).to_owned(),
        password: config.bootstrap.admin_password.as_ref().map(|password| password.reveal().to_owned()),
    };
    let ids = Ids::default();
    Ok(Bootstrap::prepare(store, ring, first, world.now(), || ids.next(&**world)).await?)
}

fn http_options(config: &Config) -> Result<HttpOptions, OpenError> {
    let egress = &config.egress;
    let policy = egress.policy().map_err(|error| OpenError::Egress(error.to_string()))?;
    Ok(HttpOptions { policy, proxy: egress.proxy(), extra_ca: egress_ca(config)? })
}

/// Authorities to trust beyond those of the web, as PEM.
fn egress_ca(config: &Config) -> Result<Option<Vec<u8>>, OpenError> {
    let file = config.egress.ca_file.as_ref();
    file.map(|file| std::fs::read(file).map_err(|source| folder_error(file, source))).transpose()
}

/// How many requests are taken from one and the same.
fn rates(config: &Config) -> Rates {
    let limit = |number: u64| u32::try_from(number).ok().filter(|number| *number > 0);
    let limits = &config.limits;
    Rates { per_address: limit(limits.requests_per_address.get()), per_key: limit(limits.requests_per_key.get()) }
}

fn gateway_settings(config: &Config) -> gateway::Settings {
    let (server, session) = (&config.server, &config.session);
    let mut allowed_origins: Vec<String> =
        server.allowed_origins.iter().map(|origin| origin.as_str().to_owned()).collect();
    allowed_origins.extend(server.public_url.as_ref().map(|url| url.url().origin().ascii_serialization()));
    gateway::Settings {
        max_body: usize::try_from(server.max_request_size_mb.bytes()).unwrap_or(usize::MAX),
        read_timeout: server.read_timeout_seconds.duration(),
        session_ttl: session.ttl_hours.duration(),
        cookie_secure: session.cookie_secure,
        cookie_same_site: match session.cookie_same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        },
        allowed_origins,
        trusted_proxies: server.trusted_proxies.clone(),
        is_tls: server.tls.cert.is_some() || server.public_url.as_ref().is_some_and(WebUrl::is_https),
        rates: rates(config),
        serves_metrics: config.metrics.port.is_none(),
    }
}
