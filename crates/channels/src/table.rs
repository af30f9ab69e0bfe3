//! [`Table`]: the channels that are in use, at hand. What is there is looked at again whenever some
//! channel has changed anywhere, and after a few seconds in any case; what is not there, too.
//!
//! So a replica needs no list of all channels, and a path never leads nowhere because this replica has not
//! heard of it yet.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Engine;
use engine::driver::ReadError;
use http::Method;
use model::doc::{Doc, DocKey, DocKind, UniqueKey};
use model::ids::CompanyId;
use model::limits::{CHANNEL_AT_HAND, CHANNEL_MISSED, CHANNELS_AT_HAND};
use model::value::Value;
use percent_encoding::percent_decode_str;
use store::StoreError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::Guard;
use crate::channel::Channel;
use crate::keep;
use crate::log::Log;
use crate::pace::Pace;
use crate::route::{HttpMethod, Route};

/// Locks under which channels are looked up, so that many requests for one ask once.
const LOOKS: usize = 32;

/// The paths of a channel.
#[derive(Debug)]
pub(crate) struct Paths(matchit::Router<Vec<(HttpMethod, usize)>>);

/// Where a path leads.
pub(crate) enum Way {
    /// To this route, with the names and values in the path.
    Route(usize, Vec<(String, String)>),
    /// It leads on for these methods.
    OtherMethods(String),
    Nowhere,
}

impl Paths {
    /// # Errors
    /// Where a path is none, or two cannot be told apart.
    pub(crate) fn of(routes: &[Route]) -> Result<Self, String> {
        let mut paths: Vec<(String, Vec<(HttpMethod, usize)>)> = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            let pattern = route.pattern().map_err(|problem| format!("routes[{at}].{problem}"))?;
            let method = route.http_method.unwrap_or(HttpMethod::Get);
            match paths.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, methods)) if methods.iter().any(|(known, _)| *known == method) => {
                    return Err(format!("routes[{at}].path: another route has it, with the same method"));
                }
                Some((_, methods)) => methods.push((method, at)),
                None => paths.push((pattern, vec![(method, at)])),
            }
        }
        let mut router = matchit::Router::new();
        for (pattern, mut methods) in paths {
            // What takes any method comes after those that take one.
            methods.sort_unstable();
            let at = methods.first().map_or(0, |(_, at)| *at);
            let clash = |_| format!("routes[{at}].path: cannot be told from the path of another route");
            router.insert(pattern, methods).map_err(clash)?;
        }
        Ok(Self(router))
    }

    pub(crate) fn find(&self, routes: &[Route], method: &Method, path: &str) -> Way {
        let shorter = || path.strip_suffix('/').filter(|path| !path.is_empty()).and_then(|path| self.0.at(path).ok());
        let Some(matched) = self.0.at(path).ok().or_else(shorter) else { return Way::Nowhere };
        let open = |(_, at): &&(HttpMethod, usize)| routes.get(*at).is_some_and(|route| route.enabled);
        if let Some((_, at)) = matched.value.iter().filter(open).find(|(known, _)| known.takes(method)) {
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            return Way::Route(
                *at,
                matched.params.iter().map(|(name, value)| (name.to_owned(), decode(value))).collect(),
            );
        }
        // A route without a method opens connections: browsers ask for those with GET, and nothing else does.
        let taken = |(known, at): &(HttpMethod, usize)| match routes.get(*at).and_then(|route| route.http_method) {
            Some(_) => known.taken(),
            None => &["GET"],
        };
        let mut methods: Vec<&str> = Vec::new();
        for method in matched.value.iter().filter(open).flat_map(taken) {
            if !methods.contains(method) {
                methods.push(method);
            }
        }
        if methods.is_empty() { Way::Nowhere } else { Way::OtherMethods(methods.join(", ")) }
    }
}

/// A channel at hand.
pub(crate) struct Live {
    pub(crate) company: CompanyId,
    pub(crate) channel: Channel,
    pub(crate) guard: Guard,
    pub(crate) paths: Option<Paths>,
    /// What outlives changes of the channel.
    pub(crate) counts: Arc<Counts>,
    revision: u64,
    /// Whether something else may change what it goes by.
    leans: bool,
}

/// What is counted of a channel at this replica.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) pace: Pace,
    pub(crate) log: Log,
}

/// What was found, and when.
struct Found {
    live: Option<Arc<Live>>,
    /// How often something had changed when it was looked for.
    changes: u64,
    at: Instant,
}

/// By what a channel is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Sought {
    /// The first part of a path.
    Slug(Box<str>),
    /// The port that a request came to.
    Port(u16),
}

impl Sought {
    fn key(&self) -> UniqueKey {
        match self {
            Self::Slug(slug) => keep::slug_key(slug),
            Self::Port(port) => keep::port_key(*port),
        }
    }
}

/// The channels that are in use.
pub(crate) struct Table {
    engine: Arc<Engine>,
    changes: watch::Receiver<u64>,
    found: Mutex<HashMap<Sought, Found>>,
    hasher: RandomState,
    looks: [tokio::sync::Mutex<()>; LOOKS],
}

impl Table {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let changes = engine.ways_in();
        Self { engine, changes, found: Mutex::default(), hasher: RandomState::new(), looks: Default::default() }
    }

    /// The channel that is sought, as it is now.
    ///
    /// # Errors
    /// Where the store must be asked, and fails.
    pub(crate) async fn get(&self, sought: &Sought) -> Result<Option<Arc<Live>>, StoreError> {
        if let Some(known) = self.at_hand(sought) {
            return Ok(known);
        }
        self.look(sought, || self.at_hand(sought)).await
    }

    /// The same, where what is at hand is not enough: it leads nowhere.
    pub(crate) async fn get_again(&self, sought: &Sought) -> Result<Option<Arc<Live>>, StoreError> {
        self.look(sought, || self.just_seen(sought)).await
    }

    async fn look(
        &self,
        sought: &Sought,
        known: impl Fn() -> Option<Option<Arc<Live>>>,
    ) -> Result<Option<Arc<Live>>, StoreError> {
        let _turn = self.looks[self.hasher.hash_one(sought) as usize % LOOKS].lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let (changes, at) = (*self.changes.borrow(), Instant::now());
        let before = self.found().get(sought).and_then(|found| found.live.clone());
        let doc = self.engine.store().doc_by(&sought.key()).await?;
        let live = match (doc, before) {
            (None, _) => None,
            (Some(doc), Some(before)) if !before.leans && before.revision == doc.revision && before.is(&doc.key) => {
                Some(before)
            }
            (Some(doc), before) => {
                let counts = before.filter(|before| before.is(&doc.key)).map(|before| before.counts.clone());
                Some(Arc::new(self.live(&doc, counts.unwrap_or_default()).await?))
            }
        };
        let mut found = self.found();
        if found.len() >= CHANNELS_AT_HAND && !found.contains_key(sought) {
            found.clear();
        }
        found.insert(sought.clone(), Found { live: live.clone(), changes, at });
        Ok(live)
    }

    fn found(&self) -> std::sync::MutexGuard<'_, HashMap<Sought, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known and still counts.
    fn at_hand(&self, sought: &Sought) -> Option<Option<Arc<Live>>> {
        let (found, changes) = (self.found(), *self.changes.borrow());
        let found = found.get(sought).filter(|found| found.changes == changes)?;
        let kept = if found.live.is_some() { CHANNEL_AT_HAND } else { CHANNEL_MISSED };
        (found.at.elapsed() < kept).then(|| found.live.clone())
    }

    fn just_seen(&self, sought: &Sought) -> Option<Option<Arc<Live>>> {
        let (found, changes) = (self.found(), *self.changes.borrow());
        let found = found.get(sought).filter(|found| found.changes == changes)?;
        (found.at.elapsed() < CHANNEL_MISSED).then(|| found.live.clone())
    }

    /// A channel as it is to be used.
    async fn live(&self, doc: &Doc, counts: Arc<Counts>) -> Result<Live, StoreError> {
        let (company, channel) = (doc.key.company, keep::read(doc)?);
        let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged(format!("the channel {}: {what}", doc.key.id));
        self.engine.bring_keys(company).await.map_err(|error| match error {
            store::keys::KeysError::Store(error) => error,
            error => damaged(&error),
        })?;
        let definition = &channel.definition;
        let secret = match &definition.auth.secret_name {
            Some(name) => self.secret(company, name).await?,
            None => keep::open(self.engine.seal(), company, &channel).map_err(|error| damaged(&error))?,
        };
        Ok(Live {
            company,
            guard: Guard::new(definition.auth_mode, &definition.auth, secret.as_deref()),
            // It was checked before it was stored.
            paths: Paths::of(&definition.routes).ok(),
            leans: definition.auth.secret_name.is_some(),
            channel,
            counts,
            revision: doc.revision,
        })
    }

    /// A secret of a company, where it is a text.
    async fn secret(&self, company: CompanyId, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(doc) = self.engine.store().doc(&DocKey::new(company, DocKind::Secret, name)).await? else {
            return Ok(None);
        };
        let value = engine::kv::read(self.engine.seal(), &doc, self.engine.now())
            .map_err(|error| StoreError::Damaged(ReadError::from(error).to_string()))?;
        Ok(value.as_ref().and_then(Value::as_str).map(|text| text.as_bytes().to_vec()))
    }
}

impl Live {
    fn is(&self, key: &DocKey) -> bool {
        self.company == key.company && self.channel.id.to_string() == key.id
    }

    pub(crate) fn route(&self, at: usize) -> Option<&Route> {
        self.channel.definition.routes.get(at)
    }
}
