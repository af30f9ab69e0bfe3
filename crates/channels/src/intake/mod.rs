//! [`Intakes`]: takes in what waits in queues and mailboxes. Every replica has one, with a task for each channel.
//!
//! A message is admitted as a request is, under its key, and settled after that is durable. Nothing is polled here:
//! channels are read again when one of them, or a component, has changed.

mod figures;
mod pause;
mod standing;
mod take;
mod turn;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use engine::Engine;
use engine::companies::companies;
use model::doc::{DocKey, DocKind};
use model::ids::CompanyId;
use model::limits::{CHANNELS, CHANNELS_TAKEN_IN};
use prometheus_client::registry::Registry;
use store::{DocQuery, StoreError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::channel::Channel;
use crate::keep;
use crate::table::Counts;
use figures::Figures;
use standing::Standing;
use take::Way;
use worker::{Directions, Worker};

pub use standing::{Intake, IntakeState};

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long changes are gathered before channels are read again: they may come by the hundred.
const GATHER: Duration = Duration::from_millis(100);

/// Takes in what waits in queues and mailboxes. Cheap to clone.
#[derive(Clone)]
pub struct Intakes(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    figures: Figures,
    standings: RwLock<BTreeMap<DocKey, Arc<Standing>>>,
    stopping: watch::Sender<bool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// A channel that is looked after.
struct Known {
    /// What it goes by, as it was read.
    mark: Mark,
    directions: watch::Sender<Directions>,
}

/// Another one whenever a channel takes in from elsewhere, or in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    channel: u64,
    component: Result<(String, u64), String>,
}

/// A channel as it stands in the store, and what it goes by.
struct Found {
    channel: Channel,
    mark: Mark,
    directions: Directions,
}

impl Intakes {
    /// What an engine's channels take in. Nothing is taken in before it is started.
    pub fn new(engine: Arc<Engine>) -> Self {
        let standings = RwLock::default();
        let (stopping, keeper) = (watch::Sender::new(false), Mutex::default());
        Self(Arc::new(Inner { engine, figures: Figures::default(), standings, stopping, keeper }))
    }

    /// Shows what came in, in a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.0.figures.register(registry);
    }

    /// How a channel takes in here.
    pub fn standing(&self, company: CompanyId, channel: &Channel) -> Intake {
        let standings = self.0.standings.read().unwrap_or_else(PoisonError::into_inner);
        let known = standings.get(&keep::doc_key(company, channel.id));
        known.map_or_else(|| Intake::off(channel.updated_at), |known| known.shown())
    }

    /// Begins to take in.
    pub fn start(&self) {
        let keeper = tokio::spawn(self.clone().keep());
        *self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// Takes nothing more in; what is being admitted is settled, within that time. What is not settled comes again.
    pub async fn stop(&self, patience: Duration) {
        self.0.stopping.send_replace(true);
        let keeper = self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut keeper) = keeper else { return };
        if tokio::time::timeout(patience, &mut keeper).await.is_err() {
            keeper.abort();
        }
    }

    async fn keep(self) {
        let mut changes = self.0.engine.ways_in();
        let mut stopping = self.0.stopping.subscribe();
        let (mut known, mut workers) = (BTreeMap::new(), JoinSet::new());
        loop {
            changes.mark_unchanged();
            let read = tokio::select! {
                () = stopped(&mut stopping) => break,
                read = self.refresh(&mut known, &mut workers) => read,
            };
            let (has_failed, mut has_changed) = (read.is_err(), false);
            if let Err(error) = read {
                tracing::warn!(%error, "cannot read which channels take messages in; trying again");
            }
            tokio::select! {
                () = stopped(&mut stopping) => break,
                // The sender lives as long as the engine.
                _ = changes.changed() => has_changed = true,
                () = self.0.engine.sleep(AFTER_FAILURE), if has_failed => {}
            }
            if has_changed {
                self.0.engine.sleep(GATHER).await;
            }
            while workers.try_join_next().is_some() {}
        }
        while workers.join_next().await.is_some() {}
    }

    /// Reads all channels that take in, begins with those that are new, and tells the others what has changed.
    async fn refresh(&self, known: &mut BTreeMap<DocKey, Known>, workers: &mut JoinSet<()>) -> Result<(), StoreError> {
        let mut gone: BTreeSet<DocKey> = known.keys().cloned().collect();
        for company in companies(&**self.0.engine.store()).await? {
            for Found { channel, mark, directions } in self.of_company(company).await? {
                let (key, count) = (keep::doc_key(company, channel.id), known.len());
                gone.remove(&key);
                match known.get_mut(&key) {
                    Some(known) if known.mark == mark => {}
                    Some(known) => {
                        known.mark = mark;
                        // Of what it was told before, nothing is needed.
                        drop(known.directions.send_replace(directions));
                    }
                    None if count >= CHANNELS_TAKEN_IN => {
                        let slug = &*channel.definition.slug;
                        tracing::warn!(slug, "takes nothing in: {CHANNELS_TAKEN_IN} channels do already");
                    }
                    None => {
                        let directions = self.begin(&key, &channel, directions, workers);
                        known.insert(key, Known { mark, directions });
                    }
                }
            }
        }
        let mut standings = self.0.standings.write().unwrap_or_else(PoisonError::into_inner);
        for key in &gone {
            // Whoever looked after it hears that nobody has anything to say any more.
            known.remove(key);
            standings.remove(key);
        }
        Ok(())
    }

    /// The channels of a company that take in.
    async fn of_company(&self, company: CompanyId) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for doc in self.0.engine.store().docs(&DocQuery::all(company, DocKind::Channel, CHANNELS)).await? {
            let channel: Channel = keep::read(&doc)?;
            if !channel.definition.enabled || channel.definition.kind.takes_in().is_none() {
                continue;
            }
            let way = match self.way(company, &channel).await {
                Ok(way) => Ok(way),
                Err(Astray::Store(error)) => return Err(error),
                Err(Astray::Told(why)) => Err(why),
            };
            let component = match &way {
                Ok(way) => Ok((way.component.id.clone(), way.component.revision)),
                Err(why) => Err(why.clone()),
            };
            found.push(Found { mark: Mark { channel: doc.revision, component }, channel, directions: way });
        }
        Ok(found)
    }

    /// Where a channel takes in from.
    async fn way(&self, company: CompanyId, channel: &Channel) -> Result<Arc<Way>, Astray> {
        let definition = &channel.definition;
        let (Some(kind), Some(name)) = (definition.kind.takes_in(), definition.source_component()) else {
            return Err(Astray::Told("the channel names no component".into()));
        };
        let engine = &self.0.engine;
        engine.bring_keys(company).await.map_err(|error| match error {
            store::keys::KeysError::Store(error) => Astray::Store(error),
            error => Astray::Told(error.to_string()),
        })?;
        let component = engine.component(company, kind, name).await.map_err(|error| match error {
            engine::driver::ReadError::Store(error) => Astray::Store(error),
            error => Astray::Told(error.to_string()),
        })?;
        let missing = || Astray::Told(format!("there is no component {name:?} of kind {kind}"));
        let component = component.ok_or_else(missing)?;
        let source = definition.source_settings();
        Ok(Arc::new(Way { company, channel: channel.clone(), component, source }))
    }

    /// Begins to look after a channel.
    fn begin(
        &self,
        key: &DocKey,
        channel: &Channel,
        directions: Directions,
        workers: &mut JoinSet<()>,
    ) -> watch::Sender<Directions> {
        let engine = self.0.engine.clone();
        let standing = Standing::new(channel.definition.kind, self.0.figures.clone(), engine.now());
        let standing = Arc::new(standing);
        let mut standings = self.0.standings.write().unwrap_or_else(PoisonError::into_inner);
        standings.insert(key.clone(), standing.clone());
        let (tell, told) = watch::channel(directions);
        let (counts, stopping) = (Arc::<Counts>::default(), self.0.stopping.subscribe());
        workers.spawn(Worker { engine, standing, counts, directions: told, stopping }.run());
        tell
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Whoever could say so has gone where this fails.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Why it is not known where a channel takes in from.
enum Astray {
    /// The store failed: it is looked again soon.
    Store(StoreError),
    /// It leads nowhere.
    Told(String),
}
