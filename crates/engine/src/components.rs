//! Components: back ends that people have set up for modules to work on. How they are kept, found
//! and opened, and which of them a flow may name.
//!
//! What is secret of one is sealed, bound to it alone, and is opened for an attempt or a test. Those
//! of the configuration ([`Declared`]) are found after the stored ones and cannot be changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::failure::{Failure, code};
use model::flow::{FlowDef, Layer};
use model::ids::{CompanyId, Id};
use model::limits::COMPONENTS;
use model::seal::{Binding, Seal, SealError, Sealed};
use model::time::Timestamp;
use model::value::Value;
use sdk::component::{COMPONENT_NOT_FOUND, Component, Kind};
use sdk::{Module, Registry};
use serde::{Deserialize, Serialize};
use store::{DocQuery, StoreError};

use crate::Engine;
use crate::driver::ReadError;
use crate::links::StoredLink;
use crate::pack::PackError;
use crate::plan::{Place, Problem};

/// The name of the component that serves where a flowlet names none.
pub const DEFAULT: &str = "default";

/// The name of the field that secrets are bound to.
const SEALED_FIELD: &str = "component";

/// A component, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredComponent {
    /// Which one.
    pub id: Id,
    /// What people call it; unique among those of its kind.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it speaks.
    pub provider: String,
    /// Its settings.
    pub config: Value,
    /// The names of its secret settings.
    pub secret_names: Vec<String>,
    /// Its secret settings.
    pub sealed: Sealed,
    /// Whether an administrator made it, or changed it last.
    pub trusted: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The document of a component.
pub fn doc_key(company: CompanyId, id: Id) -> DocKey {
    DocKey::new(company, DocKind::Component, id)
}

fn name_key(company: CompanyId, kind: Kind, name: &str) -> UniqueKey {
    UniqueKey { scope: company, kind: DocKind::Component, text: format!("name:{kind}/{name}") }
}

fn binding(company: CompanyId, id: Id) -> Binding<'static> {
    Binding { company, field: SEALED_FIELD, id }
}

/// Seals the secret settings of a component.
///
/// # Errors
/// Where they cannot be sealed.
pub fn seal(seal: &dyn Seal, company: CompanyId, id: Id, secret: &Value) -> Result<Sealed, PackError> {
    Ok(seal.seal(binding(company, id), &model::codec::encode(secret)?)?)
}

/// A write of a component.
pub fn write(company: CompanyId, component: &StoredComponent, expect: Expect) -> DocWrite {
    let unique = name_key(company, component.kind, &component.name);
    DocWrite::put(doc_key(company, component.id), expect, component).unique(unique.scope, unique.text)
}

impl StoredComponent {
    /// A component in a document.
    ///
    /// # Errors
    /// Where the document was altered.
    pub fn read(doc: &Doc) -> Result<Self, ReadError> {
        // A document that does not read was altered: as such it is told.
        Ok(doc.read().map_err(|_| PackError::from(SealError::Altered))?)
    }

    /// The component with its secrets open.
    ///
    /// # Errors
    /// Where they do not open.
    pub fn open(&self, company: CompanyId, revision: u64, seal: &dyn Seal) -> Result<Component, ReadError> {
        let plain = seal.open(binding(company, self.id), &self.sealed).map_err(PackError::from)?;
        Ok(Component {
            company,
            id: self.id.to_string(),
            revision,
            name: self.name.clone(),
            kind: self.kind,
            provider: self.provider.clone(),
            config: self.config.clone(),
            secret: model::codec::decode(&plain).map_err(PackError::from)?,
            trusted: self.trusted,
        })
    }
}

/// The components of the configuration: they are read-only, and another set may take their place.
#[derive(Debug, Default)]
pub struct Declared(RwLock<Arc<Vec<Component>>>);

impl Declared {
    /// These components.
    pub fn new(components: Vec<Component>) -> Self {
        Self(RwLock::new(Arc::new(components)))
    }

    /// Other components from now on.
    pub fn replace(&self, components: Vec<Component>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(components);
    }

    /// Those of a company.
    pub fn of(&self, company: CompanyId) -> Vec<Component> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter(|component| component.company == company).cloned().collect()
    }
}

/// What there is for flows to name.
#[derive(Debug, Default)]
pub struct Known {
    components: BTreeSet<(Kind, String)>,
    /// Links, by id and by name.
    links: BTreeSet<String>,
}

impl Known {
    fn add(&mut self, kind: Kind, id: impl Into<String>, name: &str) {
        self.components.insert((kind, id.into()));
        self.components.insert((kind, name.to_owned()));
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.components.contains(&(kind, name.to_owned()))
    }

    /// What is wrong with the components that a flow names.
    pub fn check(&self, def: &FlowDef, modules: &Registry) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (at, layer) in def.layers.iter().enumerate() {
            let place = Place::layer(def, at);
            let undo = layer.compensate.as_ref().map(|undo| &undo.app_id);
            let modules: Vec<&Module> =
                [Some(&layer.app_id), undo].into_iter().flatten().filter_map(|id| Some(&**modules.get(id)?)).collect();
            self.check_components(layer, &modules, &place, &mut problems);
            if let Some(link) = &layer.link_id {
                let place = place.at("linkId");
                if !modules.iter().any(|module| module.takes_link) {
                    problems.push(place.problem(format!("{} calls out with no stored credential", layer.app_id)));
                } else if !self.links.contains(link) {
                    problems.push(place.problem(format!("there is no link {link:?}")));
                }
            }
        }
        problems
    }

    fn check_components(&self, layer: &Layer, modules: &[&Module], place: &Place, problems: &mut Vec<Problem>) {
        let place = place.at("componentConfigIds");
        for (word, name) in &layer.component_config_ids {
            let place = place.at(word);
            let Some(kind) = Kind::from_name(word) else {
                let kinds = Kind::ALL.map(Kind::as_str).join(", ");
                problems.push(place.problem(format!("is no kind of component; the kinds are {kinds}")));
                continue;
            };
            let Some(name) = name else { continue };
            if !modules.iter().any(|module| module.works_on.is_some_and(|(works_on, _)| works_on == kind)) {
                problems.push(place.problem(format!("{} works on no component of this kind", layer.app_id)));
            } else if !self.has(kind, name) {
                problems.push(place.problem(format!("there is no component {name:?} of this kind")));
            }
        }
        for (kind, needed) in modules.iter().filter_map(|module| module.works_on) {
            if needed && chosen(layer, kind).is_none() && !self.has(kind, DEFAULT) {
                let message = format!("names none, and there is no component {DEFAULT:?} of this kind");
                problems.push(place.at(kind.as_str()).problem(message));
            }
        }
    }
}

/// The component that a flowlet names.
fn chosen(layer: &Layer, kind: Kind) -> Option<&str> {
    layer.component_config_ids.get(kind.as_str())?.as_deref()
}

impl Engine {
    /// The components of the configuration.
    pub fn declared(&self) -> &Declared {
        &self.parts.declared
    }

    /// A component, by its id or its name, with its secrets open.
    ///
    /// # Errors
    /// Where the store fails, or the component was altered.
    pub async fn component(
        &self,
        company: CompanyId,
        kind: Kind,
        target: &str,
    ) -> Result<Option<Component>, ReadError> {
        let by_id = match target.parse::<Id>() {
            Ok(id) => self.store().doc(&doc_key(company, id)).await?,
            Err(_) => None,
        };
        let doc = match by_id {
            Some(doc) => Some(doc),
            None => self.store().doc_by(&name_key(company, kind, target)).await?,
        };
        if let Some(doc) = doc {
            let stored = StoredComponent::read(&doc)?;
            if stored.kind == kind {
                return Ok(Some(stored.open(company, doc.revision, self.seal())?));
            }
        }
        let is_meant =
            |component: &Component| component.kind == kind && (component.name == target || component.id == target);
        Ok(self.declared().of(company).into_iter().find(is_meant))
    }

    /// What there is for flows of a company to name.
    ///
    /// # Errors
    /// Where the store fails, or a component was altered.
    pub async fn known_components(&self, company: CompanyId) -> Result<Known, ReadError> {
        let mut known = Known::default();
        for doc in self.store().docs(&DocQuery::all(company, DocKind::Component, COMPONENTS)).await? {
            let stored = StoredComponent::read(&doc)?;
            known.add(stored.kind, stored.id.to_string(), &stored.name);
        }
        for doc in self.store().docs(&DocQuery::all(company, DocKind::Link, COMPONENTS)).await? {
            let stored = StoredLink::read(&doc)?;
            known.links.extend([stored.id.to_string(), stored.name]);
        }
        for component in self.declared().of(company) {
            known.add(component.kind, component.id.as_str(), &component.name);
        }
        Ok(known)
    }

    /// The components that a flowlet works on while it runs a module.
    ///
    /// # Errors
    /// Where there is no such component, or it cannot be read.
    pub(crate) async fn components_for(
        &self,
        company: CompanyId,
        module: &Module,
        layer: &Layer,
    ) -> Result<BTreeMap<Kind, Component>, Failure> {
        let Some((kind, needed)) = module.works_on else { return Ok(BTreeMap::new()) };
        let name = match chosen(layer, kind) {
            Some(name) => name,
            None if needed => DEFAULT,
            None => return Ok(BTreeMap::new()),
        };
        let found = self.component(company, kind, name).await.map_err(|error| match error {
            ReadError::Store(StoreError::Failed(_)) => Failure::new(code::INTERNAL_ERROR, "the store does not answer"),
            other => Failure::new(code::INTERNAL_ERROR, other.to_string()),
        })?;
        let component = found.ok_or_else(|| {
            Failure::new(COMPONENT_NOT_FOUND, format!("there is no component {name:?} of kind {kind}"))
        })?;
        Ok(BTreeMap::from([(kind, component)]))
    }
}
