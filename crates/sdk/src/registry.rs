//! [`Registry`]: the modules that an installation has, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Module;

/// The modules that an installation has, by id.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    modules: BTreeMap<&'static str, Arc<Module>>,
}

impl Registry {
    /// The registry of these modules. Of two with the same id, the later one counts.
    pub fn new(modules: impl IntoIterator<Item = Module>) -> Self {
        Self { modules: modules.into_iter().map(|module| (module.id, Arc::new(module))).collect() }
    }

    /// The module of that id.
    pub fn get(&self, id: &str) -> Option<&Arc<Module>> {
        self.modules.get(id)
    }

    /// All modules, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.modules.values()
    }

    /// The ids that look most like a word, for "did you mean".
    pub fn suggest(&self, word: &str) -> Vec<&'static str> {
        let mut near: Vec<(usize, &'static str)> = self
            .modules
            .keys()
            .map(|id| (strsim::damerau_levenshtein(id, word), *id))
            .filter(|(distance, id)| *distance <= 2 || (word.len() > 2 && id.contains(word)))
            .collect();
        near.sort_unstable();
        near.into_iter().take(3).map(|(_, id)| id).collect()
    }
}
