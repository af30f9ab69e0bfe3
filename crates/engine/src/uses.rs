//! Which flows use a component or a link: in what they run, or in their drafts.

use model::doc::{Doc, DocKind};
use model::flow::{Flow, FlowDef, Layer, Slug};
use model::ids::CompanyId;
use sdk::Registry;
use sdk::component::Kind;
use store::DocQuery;

use crate::Engine;
use crate::components::DEFAULT;
use crate::flows::FlowError;

/// Flows of one company that are looked at.
const FLOWS: usize = 10_000;

/// What flows may use, by its id or by its name.
#[derive(Debug, Clone)]
pub enum Used {
    /// A component of a kind.
    Component(Kind, [String; 2]),
    /// A link.
    Link([String; 2]),
}

impl Used {
    /// Whether a flow names it, or works on it without a word: as the component that is called `default`.
    fn is_in(&self, def: &FlowDef, modules: &Registry) -> bool {
        def.layers.iter().any(|layer| match self {
            Self::Link(names) => layer.link_id.as_ref().is_some_and(|link| names.contains(link)),
            Self::Component(kind, names) => match layer.component_config_ids.get(kind.as_str()) {
                Some(Some(chosen)) => names.contains(chosen),
                Some(None) | None => names.iter().any(|name| name == DEFAULT) && needs(layer, *kind, modules),
            },
        })
    }
}

/// Whether a flowlet works on a component of the kind, named or not.
fn needs(layer: &Layer, kind: Kind, modules: &Registry) -> bool {
    let undo = layer.compensate.as_ref().map(|undo| &undo.app_id);
    let mut both = [Some(&layer.app_id), undo].into_iter().flatten();
    both.any(|id| modules.get(id).is_some_and(|module| module.works_on == Some((kind, true))))
}

impl Engine {
    /// The flows that use it, in the version that runs or in the draft; at most so many.
    ///
    /// What is published while this looks may use it all the same; so may plays of versions that run no more.
    ///
    /// # Errors
    /// Where the store fails, or a document is damaged.
    pub async fn users_of(&self, company: CompanyId, used: &Used, most: usize) -> Result<Vec<Slug>, FlowError> {
        let mut found = Vec::new();
        for doc in self.store().docs(&DocQuery::all(company, DocKind::Flow, FLOWS)).await? {
            let flow: Flow = Doc::read(&doc)?;
            let mut is_used = used.is_in(&flow.draft, self.modules());
            // What runs is what the draft says, but for drafts that moved on.
            if !is_used
                && flow.published_revision != Some(flow.revision)
                && let Some(version) = flow.version
                && let Some(version) = self.version(company, flow.id, version).await?
            {
                is_used = used.is_in(&self.definition(company, version.definition).await?, self.modules());
            }
            if is_used {
                found.push(flow.permanent_id);
                if found.len() >= most {
                    break;
                }
            }
        }
        Ok(found)
    }
}
