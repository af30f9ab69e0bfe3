//! [`Config`]: every setting, typed. A field here has its row in the table, under the same name.
//!
//! The sections' own `Default` is blank; only [`Config::default`] has the defaults of the table.
#![expect(missing_docs, reason = "what a field is for stands once, in its row of the table")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use modules::provider::{BadRule, EgressPolicy, ProxyOptions};
use vault::{KeyError, MasterKey};

use super::integrations::Declaration;
use super::kind::{
    Algorithm, EgressRule, EmailAddress, GivenRole, HexSecret, Hours, LogFormat, LogLevel, Megabytes, MongoUri, Origin,
    Port, PortRange, Profile, ProxyUrl, Ratio, RoleRule, SameSite, Seconds, Secret, Span, VariableName, WebUrl, Whole,
};

/// Every setting of flow8.
#[derive(Debug, Clone)]
pub struct Config {
    pub profile: Profile,
    pub data_dir: PathBuf,
    pub server: Server,
    pub limits: Limits,
    pub metrics: Metrics,
    pub mcp: Mcp,
    pub channels: Channels,
    pub mongodb: Mongodb,
    pub encryption: Encryption,
    pub session: Session,
    pub oauth2: OAuth2,
    pub storage: Storage,
    pub retention: Retention,
    pub engine: EngineLimits,
    pub expressions: Expressions,
    pub egress: Egress,
    pub integrations: Integrations,
    pub bootstrap: Bootstrap,
    pub log: Log,
    pub otel: Otel,
}

/// The HTTP API and the page.
#[derive(Debug, Clone)]
pub struct Server {
    pub port: Port,
    pub bind: IpAddr,
    pub max_request_size_mb: Megabytes<1, 1024>,
    pub read_timeout_seconds: Seconds<1, 3600>,
    pub drain_seconds: Seconds<0, 3600>,
    pub worker_threads: Option<Whole<1, 1024>>,
    pub public_url: Option<WebUrl>,
    pub trusted_proxies: Vec<IpNet>,
    pub allowed_origins: Vec<Origin>,
    pub tls: Tls,
}

/// The certificate that flow8 itself shows; none where something in front of it does.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// How many requests each replica takes from one and the same, in a second.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    pub requests_per_address: Whole<0, 1_000_000>,
    pub requests_per_key: Whole<0, 1_000_000>,
}

/// Numbers for Prometheus.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub port: Option<Port>,
}

/// The MCP endpoint.
#[derive(Debug, Clone, Default)]
pub struct Mcp {
    pub port: Port,
}

/// Channels: the endpoints whose routes start flows.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    pub port: Port,
    pub port_range: Option<PortRange>,
}

/// MongoDB; where it has no URI, the embedded store is used.
#[derive(Debug, Clone, Default)]
pub struct Mongodb {
    pub uri: Option<MongoUri>,
    pub database: Option<String>,
    pub max_pool_size: Whole<1, 10_000>,
    pub tls_ca_file: Option<PathBuf>,
    pub tls_cert_key_file: Option<PathBuf>,
    pub auto_migrate: bool,
}

/// What seals secrets at rest.
#[derive(Debug, Clone, Default)]
pub struct Encryption {
    pub algorithm: Algorithm,
    pub key: Option<HexSecret<256>>,
    pub key_salt: Option<HexSecret<64>>,
    pub master_key: Option<HexSecret<64>>,
    pub previous_key: Option<HexSecret<256>>,
    pub previous_key_salt: Option<HexSecret<64>>,
    pub previous_master_key: Option<HexSecret<64>>,
}

/// The session of a person who signed in.
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub ttl_hours: Hours<1, 720>,
    pub cookie_secure: bool,
    pub cookie_http_only: bool,
    pub cookie_same_site: SameSite,
}

/// Signing in through an OpenID provider.
#[derive(Debug, Clone, Default)]
pub struct OAuth2 {
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub issuer: Option<WebUrl>,
    pub scopes: Vec<String>,
    pub roles_claim: Option<String>,
    pub roles: Vec<RoleRule>,
    pub default_roles: Vec<GivenRole>,
    pub create_people: bool,
}

/// Where objects are: files, large outputs, backups.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    pub dir: Option<PathBuf>,
    pub shared: bool,
    pub s3: S3,
    pub gcs: Gcs,
    pub azure: Azure,
    /// What the platform says of who this workload is. No setting: each cloud has its own variables.
    pub identity: BTreeMap<String, String>,
}

/// An S3-compatible store; used where it has a bucket.
#[derive(Debug, Clone, Default)]
pub struct S3 {
    pub bucket: Option<String>,
    pub endpoint: Option<WebUrl>,
    pub region: Option<String>,
    pub prefix: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub force_path_style: bool,
}

/// Google Cloud Storage; used where it has a bucket.
#[derive(Debug, Clone, Default)]
pub struct Gcs {
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub service_account_file: Option<PathBuf>,
    pub endpoint: Option<WebUrl>,
}

/// Azure Blob Storage; used where it has a container.
#[derive(Debug, Clone, Default)]
pub struct Azure {
    pub account: Option<String>,
    pub container: Option<String>,
    pub access_key: Option<Secret>,
    pub prefix: Option<String>,
    pub endpoint: Option<WebUrl>,
}

/// How long things are kept.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    pub cleanup_interval: Span,
    pub policies: Policies,
}

/// What is kept how long, by its kind.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    pub audit_logs: Policy,
    pub plays: Policy,
    pub plays_filtered: Policy,
}

/// How long one kind of thing is kept.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub cadence: Span,
    pub min_entries: Whole<0, 1_000_000_000>,
    pub enforced_minimum: Span,
}

/// How much the engine takes on.
#[derive(Debug, Clone, Default)]
pub struct EngineLimits {
    pub max_effects: Whole<1, 1_000_000>,
}

/// What expressions may read.
#[derive(Debug, Clone, Default)]
pub struct Expressions {
    pub env: Vec<VariableName>,
    /// The variables of `env` that are set. No setting: it follows from `env`.
    pub variables: BTreeMap<String, String>,
}

/// Outgoing calls.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    pub allow: Vec<EgressRule>,
    pub deny: Vec<EgressRule>,
    pub http_proxy: Option<ProxyUrl>,
    pub https_proxy: Option<ProxyUrl>,
    pub no_proxy: Vec<String>,
    pub ca_file: Option<PathBuf>,
}

/// Components that files declare.
#[derive(Debug, Clone, Default)]
pub struct Integrations {
    pub dir: PathBuf,
    /// What the files in `dir` declare. No setting: it follows from `dir`.
    pub declared: Vec<Declaration>,
}

/// The administrator that the first start makes.
#[derive(Debug, Clone, Default)]
pub struct Bootstrap {
    pub admin_email: Option<EmailAddress>,
    pub admin_password: Option<Secret>,
}

/// What is logged.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// Traces.
#[derive(Debug, Clone, Default)]
pub struct Otel {
    pub endpoint: Option<WebUrl>,
    pub sample_ratio: Ratio,
}

impl Config {
    /// Every field, and nothing in it.
    pub(super) fn blank() -> Self {
        Self {
            profile: Profile::default(),
            data_dir: PathBuf::new(),
            server: Server {
                port: Port::default(),
                bind: IpAddr::from([127, 0, 0, 1]),
                max_request_size_mb: Megabytes::default(),
                read_timeout_seconds: Seconds::default(),
                drain_seconds: Seconds::default(),
                worker_threads: None,
                public_url: None,
                trusted_proxies: Vec::new(),
                allowed_origins: Vec::new(),
                tls: Tls::default(),
            },
            limits: Limits::default(),
            metrics: Metrics::default(),
            mcp: Mcp::default(),
            channels: Channels::default(),
            mongodb: Mongodb::default(),
            encryption: Encryption::default(),
            session: Session::default(),
            oauth2: OAuth2::default(),
            storage: Storage::default(),
            retention: Retention::default(),
            engine: EngineLimits::default(),
            expressions: Expressions::default(),
            egress: Egress::default(),
            integrations: Integrations::default(),
            bootstrap: Bootstrap::default(),
            log: Log::default(),
            otel: Otel::default(),
        }
    }

    /// The master key that is configured; none where the embedded store keeps its own.
    ///
    /// # Errors
    /// Where anybody could guess it. It takes a moment, since the derivation is made to be slow.
    pub fn master_key(&self) -> Result<Option<MasterKey>, KeyError> {
        let Encryption { key, key_salt, master_key, .. } = &self.encryption;
        master_of(key.as_ref(), key_salt.as_ref(), master_key.as_ref())
    }

    /// The master key before it that is configured.
    ///
    /// # Errors
    /// As [`Config::master_key`].
    pub fn previous_master_key(&self) -> Result<Option<MasterKey>, KeyError> {
        let Encryption { previous_key, previous_key_salt, previous_master_key, .. } = &self.encryption;
        master_of(previous_key.as_ref(), previous_key_salt.as_ref(), previous_master_key.as_ref())
    }

    /// The folder of objects, where they are in a folder.
    pub fn objects_dir(&self) -> PathBuf {
        self.storage.dir.clone().unwrap_or_else(|| self.data_dir.join("objects"))
    }
}

fn master_of(
    key: Option<&HexSecret<256>>,
    salt: Option<&HexSecret<64>>,
    master: Option<&HexSecret<64>>,
) -> Result<Option<MasterKey>, KeyError> {
    match key.zip(salt) {
        Some((key, salt)) => MasterKey::derive(key.reveal(), salt.reveal()).map(Some),
        None => master.map(|key| MasterKey::given(key.reveal())).transpose(),
    }
}

impl Egress {
    /// Where outgoing calls may go.
    ///
    /// # Errors
    /// Where a rule is none; every rule was checked when it was read.
    pub fn policy(&self) -> Result<EgressPolicy, BadRule> {
        EgressPolicy::new(self.allow.iter().map(EgressRule::as_str), self.deny.iter().map(EgressRule::as_str))
    }

    /// Through what outgoing calls go.
    pub fn proxy(&self) -> ProxyOptions {
        let url = |proxy: &Option<ProxyUrl>| proxy.as_ref().map(|url| url.reveal().to_owned());
        ProxyOptions { http: url(&self.http_proxy), https: url(&self.https_proxy), no_proxy: self.no_proxy.join(",") }
    }
}
