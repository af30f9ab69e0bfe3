//! Flows that start by themselves: when a play ends or waits for an approval, or a key/value changes.
//!
//! What a flow listens to is kept beside it as a document of its own, so that they are few to read.

use std::collections::HashMap;
use std::sync::Arc;

use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::flow::{ANY, Flow, On};
use model::ids::{CompanyId, FlowId};
use model::limits::LISTENERS;
use model::play::{FlowAt, PlayState};
use serde::{Deserialize, Serialize};
use store::DocQuery;

use super::FlowError;
use crate::driver::Engine;
use crate::kv::PREFIX_OF_GLOBAL;

/// What a flow listens to, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Listener {
    on: Vec<On>,
}

/// Something that happened, to which flows may listen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happened<'a> {
    /// A play of a flow has ended so; whether another waits for it, which will end, too.
    Ended(&'a FlowAt, PlayState, bool),
    /// A play of a flow waits for an approval.
    Waits(&'a FlowAt),
    /// A key/value has changed, at the hands of a flow or of somebody else: its document's id.
    Changed(&'a str, Option<FlowId>),
}

/// What the flows of a company listen to.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// By the name of the flow that they listen to.
    flows: HashMap<String, Vec<(FlowId, On)>>,
    kv: Vec<(FlowId, String)>,
}

impl Listeners {
    fn add(&mut self, flow: FlowId, on: On) {
        match (on.flow.as_ref().or(on.approval.as_ref()), &on.kv) {
            (Some(name), _) => self.flows.entry(name.clone()).or_default().push((flow, on)),
            (None, Some(key)) => self.kv.push((flow, key.clone())),
            (None, None) => {}
        }
    }

    /// The flows that something starts, each once.
    pub(crate) fn of(&self, happened: Happened<'_>) -> Vec<FlowId> {
        let mut all: Vec<FlowId> = match happened {
            Happened::Ended(flow, state, is_awaited) => self
                .of_flow(flow, !is_awaited)
                .filter(|(_, on)| on.flow.is_some() && on.is_end(state))
                .map(|(flow, _)| *flow)
                .collect(),
            Happened::Waits(flow) => {
                self.of_flow(flow, true).filter(|(_, on)| on.approval.is_some()).map(|(flow, _)| *flow).collect()
            }
            Happened::Changed(id, by) => {
                let Some(key) = id.strip_prefix(PREFIX_OF_GLOBAL) else { return Vec::new() };
                let is_meant = |pattern: &str| match pattern.strip_suffix('*') {
                    Some(beginning) => key.starts_with(beginning),
                    None => key == pattern,
                };
                let meant = self.kv.iter().filter(|(flow, pattern)| Some(*flow) != by && is_meant(pattern));
                meant.map(|(flow, _)| *flow).collect()
            }
        };
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What listens to a flow; and to any other flow, where that counts.
    fn of_flow<'s>(&'s self, flow: &FlowAt, is_any: bool) -> impl Iterator<Item = &'s (FlowId, On)> + use<'s> {
        let named = |name: &str| self.flows.get(name).into_iter().flatten();
        let own = flow.id;
        let any = named(ANY).filter(move |(listener, _)| is_any && *listener != own);
        any.chain(named(&flow.permanent_id)).chain(named(&own.to_string()))
    }
}

/// How it is kept what a flow listens to, where that is otherwise than before.
pub(super) fn listener_write(company: CompanyId, before: Option<&Flow>, after: &Flow) -> Option<DocWrite> {
    let listens = |flow: &Flow| if flow.draft.enabled { flow.on.clone() } else { Vec::new() };
    let (before, on) = (before.map(listens).unwrap_or_default(), listens(after));
    if before == on {
        return None;
    }
    let key = listener_key(company, after.id);
    Some(match on.is_empty() {
        true => DocWrite::remove(key, Expect::Anything),
        false => DocWrite::put(key, Expect::Anything, &Listener { on }),
    })
}

/// Where it is kept what a flow listens to.
pub(super) fn listener_key(company: CompanyId, flow: FlowId) -> DocKey {
    DocKey::new(company, DocKind::Listener, flow)
}

impl Engine {
    /// What the flows of a company listen to.
    ///
    /// # Errors
    /// Where the store fails, or a document is damaged.
    pub(crate) async fn listeners(&self, company: CompanyId) -> Result<Arc<Listeners>, FlowError> {
        if let Some(known) = self.flows.listeners.get(&company) {
            return Ok(known);
        }
        let forgot = self.flows.listeners.forgot();
        let mut listeners = Listeners::default();
        for doc in self.store().docs(&DocQuery::all(company, DocKind::Listener, LISTENERS)).await? {
            let listener: Listener = Doc::read(&doc)?;
            let Ok(flow) = doc.key.id.parse() else { continue };
            listener.on.into_iter().for_each(|on| listeners.add(flow, on));
        }
        let listeners = Arc::new(listeners);
        self.flows.listeners.put_read(forgot, company, listeners.clone());
        Ok(listeners)
    }
}
