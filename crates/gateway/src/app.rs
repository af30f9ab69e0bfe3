//! [`App`]: what every request may use.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use audit::Log;
use engine::Engine;
use engine::kept::Policies;
use ipnet::IpNet;
use model::ids::CompanyId;
use vault::{KeyRing, TokenHash};

use crate::guard::{RateLimits, Rates};
use crate::metrics::Metrics;
use crate::oidc::{OidcSettings, Provider};
use crate::people::Known;

/// How requests are taken.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes of one body.
    pub max_body: usize,
    /// How long a request may stand still.
    pub read_timeout: Duration,
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// Whether the session's cookie is sent over TLS alone (browsers make an exception for localhost).
    pub cookie_secure: bool,
    /// `Strict`, `Lax` or `None`.
    pub cookie_same_site: &'static str,
    /// Origins of pages that may use a session, beside our own.
    pub allowed_origins: Vec<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether clients come over TLS, to flow8 itself or to what stands in front of it.
    pub is_tls: bool,
    /// How many requests may come from one and the same.
    pub rates: Rates,
    /// Whether `/metrics` answers here.
    pub serves_metrics: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 100 << 20,
            read_timeout: Duration::from_secs(30),
            session_ttl: Duration::from_secs(3600),
            cookie_secure: true,
            cookie_same_site: "Strict",
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            is_tls: false,
            rates: Rates::default(),
            serves_metrics: true,
        }
    }
}

/// What the gateway is made of.
pub struct Parts {
    /// What runs plays.
    pub engine: Arc<Engine>,
    /// The data keys of all companies.
    pub ring: Arc<KeyRing>,
    /// How requests are taken.
    pub settings: Settings,
    /// The first company: the command line on the machine itself acts in it, and its administrators
    /// look after the installation.
    pub company: CompanyId,
    /// The token of that command line; none where there is none.
    pub cli_token: Option<TokenHash>,
    /// How long the installation keeps things.
    pub retention: Policies,
    /// What became of the ticks of schedules.
    pub ticks: schedules::Figures,
    /// What takes in from queues and mailboxes here.
    pub intakes: channels::Intakes,
    /// Through which provider people sign in; none where they have a password alone.
    pub oidc: Option<OidcSettings>,
}

/// What every request may use. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// See [`App`].
pub struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) audit: Log,
    pub(crate) settings: Settings,
    pub(crate) company: CompanyId,
    pub(crate) cli_token: Option<TokenHash>,
    retention: RwLock<Policies>,
    pub(crate) oidc: Option<Provider>,
    pub(crate) known: Known,
    pub(crate) rates: RateLimits,
    pub(crate) metrics: Metrics,
    pub(crate) intakes: channels::Intakes,
    /// Ports that channels may have to themselves, as far as this process knows; none where it serves none.
    pub(crate) own_ports: std::sync::OnceLock<crate::channels::PortRange>,
    /// Passwords are hard to check on purpose: few at a time, or sign-ins alone fill the machine.
    pub(crate) password_checks: tokio::sync::Semaphore,
    /// A script that is tried may take a core for seconds: few at a time, or plays starve.
    pub(crate) trials: tokio::sync::Semaphore,
    /// Whether connections that stay open must end.
    pub(crate) stopping: tokio::sync::watch::Sender<bool>,
    ready: AtomicBool,
}

/// Passwords that are checked at once.
const PASSWORD_CHECKS: usize = 2;

/// Flowlets that are tried at once.
const TRIALS: usize = 2;

impl App {
    /// What requests may use.
    pub fn new(parts: Parts) -> Self {
        let Parts { engine, ring, settings, company, cli_token, retention, ticks, intakes, oidc } = parts;
        Self(Arc::new(Inner {
            metrics: Metrics::new(&engine, &ticks, &intakes),
            intakes,
            known: Known::default(),
            own_ports: std::sync::OnceLock::new(),
            rates: RateLimits::new(settings.rates),
            stopping: tokio::sync::watch::Sender::new(false),
            password_checks: tokio::sync::Semaphore::new(PASSWORD_CHECKS),
            trials: tokio::sync::Semaphore::new(TRIALS),
            ready: AtomicBool::new(false),
            audit: Log::new(engine.store().clone(), ring.clone()),
            engine,
            ring,
            settings,
            company,
            cli_token,
            retention: RwLock::new(retention),
            oidc: oidc.map(Provider::new),
        }))
    }

    /// Says whether requests may come.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Release);
    }

    /// How long the installation keeps things.
    pub(crate) fn retention(&self) -> Policies {
        *self.0.retention.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The installation keeps things so long from now on.
    pub fn set_retention(&self, policies: Policies) {
        *self.0.retention.write().unwrap_or_else(PoisonError::into_inner) = policies;
    }

    /// Other limits of requests from now on.
    pub fn set_rates(&self, rates: Rates) {
        self.0.rates.set(rates);
    }

    /// The ports that channels may have to themselves, where this process serves them.
    pub fn own_ports(&self) -> Option<crate::channels::PortRange> {
        self.0.own_ports.get().copied()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire) && !self.engine.is_draining()
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
