//! Whether what an expression reads is there for it to read.

use expr::{Read, ReadRoot, Template};
use model::flow::FlowDef;

use super::check::unknown_ref;
use super::edges::Wiring;
use super::{LayerIx, Place, Problem, Surroundings};

/// A flowlet, as the reader of expressions.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) def: &'a FlowDef,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) wiring: &'a Wiring,
    pub(super) layer: LayerIx,
    /// Whether its own output is at hand, as for its compensation.
    pub(super) reads_itself: bool,
}

impl Reader<'_> {
    /// What is wrong with a read. In an element expression, `.`, `$item` and `$index` are the element's.
    pub(super) fn check(&self, place: &Place, read: &Read, of_element: bool) -> Option<Problem> {
        let message = match &read.root {
            ReadRoot::Prev(name) => self.check_ref(name)?,
            ReadRoot::Env(name) if !self.around.env.contains(&**name) => {
                format!("$env.{name} is not on the list of variables that flows may read; add it to expressions.env")
            }
            ReadRoot::Item | ReadRoot::Index if !of_element && !self.is_in_loop() => {
                "there is no loop here; $item and $index are for the inside of one".into()
            }
            ReadRoot::Dot if !of_element => {
                "a leading dot is the element inside the array modules; here, name what is read, as in $prev.args"
                    .into()
            }
            _ => return None,
        };
        Some(place.problem_at(read.column, message))
    }

    fn check_ref(&self, name: &str) -> Option<String> {
        let Some(read) = self.def.position(name) else { return Some(unknown_ref(self.def, name)) };
        let read = read as LayerIx;
        if self.wiring.upstream[usize::from(self.layer)].contains(&read) || (self.reads_itself && read == self.layer) {
            return None;
        }
        let own = &self.def.layers[usize::from(self.layer)].name;
        if read == self.layer {
            return Some(format!("{name} is this flowlet itself; it has no output yet"));
        }
        let (body, _) = self.wiring.places[usize::from(read)];
        match self.wiring.bodies[usize::from(body)].iterator {
            Some(iterator)
                if !self.wiring.upstream[usize::from(self.layer)].contains(&iterator) || self.is_outside(body) =>
            {
                let iterator = &self.def.layers[usize::from(iterator)].name;
                Some(format!("{name} is inside the loop of {iterator}; outside, read what its aggregator collects"))
            }
            _ => Some(format!(
                "{name} is not upstream of {own}; give {own} a higher index, or add {name} to its dependsOn"
            )),
        }
    }

    fn is_outside(&self, body: u16) -> bool {
        self.wiring.places[usize::from(self.layer)].0 != body
    }

    fn is_in_loop(&self) -> bool {
        let (body, _) = self.wiring.places[usize::from(self.layer)];
        self.wiring.bodies[usize::from(body)].iterator.is_some()
    }
}

/// What is wrong with the reads of a concurrency key: it is evaluated before the play runs.
pub(super) fn check_limit_key(place: &Place, key: &Template) -> Vec<Problem> {
    key.reads()
        .filter(|read| !matches!(read.root, ReadRoot::Args | ReadRoot::Flow))
        .map(|read| place.problem_at(read.column, "a concurrency key reads $prev.args and $flow alone"))
        .collect()
}
