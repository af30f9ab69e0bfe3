//! Flows as they are kept: drafts, versions, and what runs.
//!
//! Edits change one draft with a revision. Publishing checks it and mints a version that never
//! changes; only versions run, unless a draft is forced. What a play runs is kept by its digest,
//! so that a play finds it whatever becomes of the flow.

mod edit;
mod listeners;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::doc::{Doc, DocError, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::flow::{Flow, FlowDef, FlowVersion};
use model::ids::{CompanyId, FlowId, GroupId};
use model::payload::Digest;
use model::play::FlowAt;
use model::value::{ValueError, to_value};
use store::{DocQuery, StoreError};

pub use edit::{Edit, EditError, Published as PublishedVersion};
pub(crate) use listeners::Happened;
use listeners::Listeners;

use crate::driver::{Engine, ReadError};
use crate::plan::{Plan, Problem, Surroundings};

/// A flow's newest version, ready to run.
#[derive(Debug)]
pub struct Published {
    /// Which flow and version.
    pub at: FlowAt,
    /// Whether it may run without force.
    pub enabled: bool,
    /// The flow, compiled.
    pub plan: Arc<Plan>,
}

/// Why a flow cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// There is none.
    #[error("there is no flow {0:?}")]
    NotFound(String),
    /// It has no such flowlet.
    #[error("the flow has no flowlet {0:?}")]
    NoSuchLayer(String),
    /// It was never published.
    #[error("the flow {0} has no published version; publish it, or run it with force")]
    NotPublished(String),
    /// Its draft is not sound.
    #[error("the flow cannot run: {}", join(.0))]
    Invalid(Vec<Problem>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored document is damaged.
    #[error(transparent)]
    Doc(#[from] DocError),
    /// A definition has no JSON form.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// What it names could not be read.
    #[error(transparent)]
    Named(#[from] ReadError),
}

/// Problems in one line, for messages.
pub(crate) fn join(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is known of flows without asking the store.
#[derive(Default)]
pub(crate) struct Flows {
    /// The newest versions.
    published: Cache<(CompanyId, FlowId), Arc<Published>>,
    /// Which flow a permanent id names.
    slugs: Cache<(CompanyId, Box<str>), FlowId>,
    /// In which group each flow of a company lies; flows that lie in none are left out.
    places: Cache<CompanyId, Arc<BTreeMap<FlowId, GroupId>>>,
    /// Compiled definitions.
    plans: Cache<(CompanyId, Digest), Arc<Plan>>,
    /// What the flows of a company listen to.
    listeners: Cache<CompanyId, Arc<Listeners>>,
}

/// A map that is emptied when it is full: what it forgets is read again.
struct Cache<K, V>(Mutex<Entries<K, V>>);

struct Entries<K, V> {
    map: HashMap<K, V>,
    /// How often something was forgotten.
    forgot: u64,
}

/// Flows of one company whose groups are looked at.
const PLACED: usize = 10_000;

/// Entries of one cache.
const CACHED: usize = 4_096;

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { map: HashMap::new(), forgot: 0 }))
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &K) -> Option<V> {
        self.entries().map.get(key).cloned()
    }

    /// Asked before something is read that shall be put in: see [`Cache::put_read`].
    fn forgot(&self) -> u64 {
        self.entries().forgot
    }

    fn put(&self, key: K, value: V) {
        let forgot = self.forgot();
        self.put_read(forgot, key, value);
    }

    /// Puts in what was read since [`Cache::forgot`] was asked; not where something was forgotten
    /// meanwhile: what was read may be what was meant to be forgotten.
    fn put_read(&self, forgot: u64, key: K, value: V) {
        let mut entries = self.entries();
        if entries.forgot != forgot {
            return;
        }
        if entries.map.len() >= CACHED {
            entries.map.clear();
        }
        entries.map.insert(key, value);
    }

    fn forget(&self, key: &K) {
        let mut entries = self.entries();
        entries.forgot += 1;
        entries.map.remove(key);
    }

    fn forget_all(&self) {
        let mut entries = self.entries();
        entries.forgot += 1;
        entries.map.clear();
    }
}

/// The document of a flow.
pub(crate) fn flow_key(company: CompanyId, flow: FlowId) -> DocKey {
    DocKey::new(company, DocKind::Flow, flow)
}

/// The document of a version; ids sort by version.
pub(crate) fn version_key(company: CompanyId, flow: FlowId, version: u32) -> DocKey {
    DocKey::new(company, DocKind::FlowVersion, format!("{flow}/{version:010}"))
}

/// The unique key of a permanent id.
pub(crate) fn slug_key(company: CompanyId, slug: &str) -> UniqueKey {
    UniqueKey { scope: company, kind: DocKind::Flow, text: format!("permanentId:{slug}") }
}

/// The digest of a definition.
///
/// # Errors
/// Where it has no JSON form, which no definition that was read lacks.
pub fn digest_of(def: &FlowDef) -> Result<Digest, ValueError> {
    Ok(Digest::of(to_value(def)?.to_canonical_json().as_bytes()))
}

fn definition_write(company: CompanyId, def: &FlowDef, digest: Digest) -> DocWrite {
    DocWrite::put(DocKey::new(company, DocKind::Definition, digest), Expect::Anything, def)
}

impl Engine {
    /// A flow and its document, by its id or its permanent id.
    ///
    /// # Errors
    /// Where the store fails, or the document is damaged.
    pub async fn flow(&self, company: CompanyId, target: &str) -> Result<Option<(Flow, u64)>, FlowError> {
        let doc = match target.parse::<FlowId>() {
            Ok(flow) => self.parts.store.doc(&flow_key(company, flow)).await?,
            Err(_) => None,
        };
        let doc = match doc {
            Some(doc) => Some(doc),
            None => self.parts.store.doc_by(&slug_key(company, target)).await?,
        };
        Ok(match doc {
            Some(doc) => Some((doc.read()?, doc.revision)),
            None => None,
        })
    }

    /// The newest version of a flow, ready to run.
    ///
    /// # Errors
    /// Where there is no such flow, or it was never published.
    pub async fn published(&self, company: CompanyId, target: &str) -> Result<Arc<Published>, FlowError> {
        let known = target.parse().ok().or_else(|| self.flows.slugs.get(&(company, target.into())));
        if let Some(published) = known.and_then(|flow| self.flows.published.get(&(company, flow))) {
            return Ok(published);
        }
        let forgot = (self.flows.slugs.forgot(), self.flows.published.forgot());
        let (flow, _) = self.flow(company, target).await?.ok_or_else(|| FlowError::NotFound(target.to_owned()))?;
        let not_published = || FlowError::NotPublished(flow.permanent_id.to_string());
        let number = flow.version.ok_or_else(not_published)?;
        let version = self.version(company, flow.id, number).await?.ok_or_else(not_published)?;
        let plan = self.plan_of(company, version.definition).await?;
        let published = Arc::new(Published {
            at: FlowAt {
                id: flow.id,
                permanent_id: flow.permanent_id.clone(),
                name: plan.def.name.clone(),
                version: number,
                definition: version.definition,
                published_by: version.published_by,
            },
            enabled: flow.draft.enabled,
            plan,
        });
        self.flows.slugs.put_read(forgot.0, (company, (*flow.permanent_id).into()), flow.id);
        self.flows.published.put_read(forgot.1, (company, flow.id), published.clone());
        Ok(published)
    }

    /// In which group each flow of a company lies, at present; flows that lie in none are left out.
    ///
    /// # Errors
    /// Where the store fails, or a document is damaged.
    pub async fn places(&self, company: CompanyId) -> Result<Arc<BTreeMap<FlowId, GroupId>>, FlowError> {
        if let Some(places) = self.flows.places.get(&company) {
            return Ok(places);
        }
        let forgot = self.flows.places.forgot();
        let docs = self.parts.store.docs(&DocQuery::all(company, DocKind::Flow, PLACED)).await?;
        let flows = docs.iter().map(Doc::read::<Flow>).collect::<Result<Vec<_>, _>>()?;
        let placed = flows.into_iter().filter_map(|flow| Some((flow.id, flow.draft.group_id?)));
        let places: Arc<BTreeMap<_, _>> = Arc::new(placed.collect());
        self.flows.places.put_read(forgot, company, places.clone());
        Ok(places)
    }

    /// A version of a flow.
    ///
    /// # Errors
    /// Where the store fails, or the document is damaged.
    pub async fn version(
        &self,
        company: CompanyId,
        flow: FlowId,
        version: u32,
    ) -> Result<Option<FlowVersion>, FlowError> {
        let doc = self.parts.store.doc(&version_key(company, flow, version)).await?;
        Ok(doc.as_ref().map(Doc::read).transpose()?)
    }

    /// A definition, by its digest.
    ///
    /// # Errors
    /// Where it is not there, or is damaged.
    pub async fn definition(&self, company: CompanyId, digest: Digest) -> Result<FlowDef, FlowError> {
        let doc = self.parts.store.doc(&DocKey::new(company, DocKind::Definition, digest)).await?;
        Ok(doc.ok_or_else(|| FlowError::NotFound(format!("definition {digest}")))?.read()?)
    }

    /// A definition, compiled.
    pub(crate) async fn plan_of(&self, company: CompanyId, digest: Digest) -> Result<Arc<Plan>, FlowError> {
        if let Some(plan) = self.flows.plans.get(&(company, digest)) {
            return Ok(plan);
        }
        let def = self.definition(company, digest).await?;
        let plan = Arc::new(self.compiled(|around| Plan::of_published(&def, around)).map_err(FlowError::Invalid)?);
        self.flows.plans.put((company, digest), plan.clone());
        Ok(plan)
    }

    /// Compiles a definition against this installation's modules and environment.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn compile(&self, def: &FlowDef) -> Result<Plan, Vec<Problem>> {
        self.compiled(|around| Plan::compile(def, around))
    }

    /// Compiles something against this installation's modules and environment.
    fn compiled<T>(&self, compile: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let env: BTreeSet<String> = self.parts.settings.env.keys().cloned().collect();
        compile(&Surroundings { modules: &self.parts.modules, env: &env })
    }

    /// The draft of a flow, ready to run; and the document that must be written with the play.
    pub(crate) async fn draft_as_published(
        &self,
        company: CompanyId,
        target: &str,
    ) -> Result<(Arc<Published>, Vec<DocWrite>), FlowError> {
        let (flow, _) = self.flow(company, target).await?.ok_or_else(|| FlowError::NotFound(target.to_owned()))?;
        let plan = Arc::new(self.compile(&flow.draft).map_err(FlowError::Invalid)?);
        let digest = digest_of(&flow.draft)?;
        self.flows.plans.put((company, digest), plan.clone());
        let at = FlowAt {
            id: flow.id,
            permanent_id: flow.permanent_id.clone(),
            name: flow.draft.name.clone(),
            version: 0,
            definition: digest,
            published_by: None,
        };
        Ok((Arc::new(Published { at, enabled: true, plan }), vec![definition_write(company, &flow.draft, digest)]))
    }

    /// Forgets what is known of a flow: it has changed, here or at another replica.
    pub(crate) fn forget_flow(&self, company: CompanyId, flow: FlowId) {
        self.flows.published.forget(&(company, flow));
        self.flows.places.forget(&company);
        // Its permanent id may have been another.
        self.flows.slugs.forget_all();
        self.flows.listeners.forget(&company);
    }

    /// Forgets what is known of any flow: changes may have been missed.
    pub(crate) fn forget_flows(&self) {
        self.flows.published.forget_all();
        self.flows.places.forget_all();
        self.flows.slugs.forget_all();
        self.flows.listeners.forget_all();
    }
}
