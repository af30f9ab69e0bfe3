//! The graph of a flow: who waits for whom, and which flowlets are inside which loop.
//!
//! `index` and `dependsOn` compile to one graph. A loop's body is everything downstream of its
//! iterator and upstream of the aggregator that closes it; without one, everything downstream.
//!
//! A flowlet with `dependsOn` stands in the innermost loop that its dependencies stand in (an
//! iterator counts as the loop that it opens, an aggregator as the one around the loop that it
//! closes). One without stands in the innermost loop that an iterator of a lower index opened
//! and no aggregator of a lower index closed.

use std::collections::BTreeMap;

use model::flow::FlowDef;
use sdk::Role;

use super::{LayerIx, Place, Problem};

/// The iterators around a flowlet, outermost first.
pub(super) type Loops = Vec<LayerIx>;

/// What the graph looks like to whoever walks it.
pub(super) struct Graph<'a> {
    def: &'a FlowDef,
    roles: &'a [Role],
    pub(super) indexes: Vec<u32>,
    /// By ref.
    positions: BTreeMap<&'a str, LayerIx>,
    /// The flowlet that each aggregator collects from.
    sources: BTreeMap<LayerIx, LayerIx>,
    state: Vec<Visit>,
}

#[derive(Clone)]
enum Visit {
    New,
    Under,
    Done(Loops),
}

/// Which loops each flowlet stands in, and which aggregator closes which iterator's loop.
pub(super) struct Nesting {
    pub(super) loops: Vec<Loops>,
    pub(super) closers: BTreeMap<LayerIx, LayerIx>,
}

impl<'a> Graph<'a> {
    /// The graph of a flow whose refs are unique and whose modules have these roles.
    pub(super) fn new(def: &'a FlowDef, roles: &'a [Role], sources: BTreeMap<LayerIx, LayerIx>) -> Self {
        let positions = def.layers.iter().enumerate().map(|(at, layer)| (&*layer.name, at as LayerIx)).collect();
        Self { def, roles, indexes: def.indexes(), positions, sources, state: vec![Visit::New; def.layers.len()] }
    }

    pub(super) fn position(&self, name: &str) -> Option<LayerIx> {
        self.positions.get(name).copied()
    }

    /// The loops around every flowlet.
    pub(super) fn nest(mut self) -> Result<Nesting, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut loops = Vec::new();
        for at in 0..self.def.layers.len() {
            match self.loops_around(at as LayerIx) {
                Ok(found) => loops.push(found),
                Err(problem) => {
                    self.state[at] = Visit::Done(Vec::new());
                    loops.push(Vec::new());
                    problems.push(problem);
                }
            }
        }
        let mut closers = BTreeMap::new();
        for (aggregator, source) in &self.sources {
            let Some(iterator) = closes(self.roles, *source, &loops[usize::from(*source)]) else {
                let place = Place::layer(self.def, usize::from(*aggregator)).at("args.sourceRef");
                problems.push(
                    place.problem("names a flowlet that is in no loop; name an iterator or a flowlet of its body"),
                );
                continue;
            };
            if let Some(other) = closers.insert(iterator, *aggregator) {
                let other = &self.def.layers[usize::from(other)].name;
                let place = Place::layer(self.def, usize::from(*aggregator)).at("args.sourceRef");
                problems
                    .push(place.problem(format!("the loop is already closed by {other}; a loop has one aggregator")));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.leave_closed_loops(&mut loops, &closers);
        Ok(Nesting { loops, closers })
    }

    /// The loops that whoever comes after a flowlet stands in.
    fn loops_after(&mut self, layer: LayerIx) -> Result<Loops, Problem> {
        let mut loops = self.loops_around(layer)?;
        if self.roles[usize::from(layer)] == Role::Iterator {
            loops.push(layer);
        }
        Ok(loops)
    }

    fn loops_around(&mut self, layer: LayerIx) -> Result<Loops, Problem> {
        let at = usize::from(layer);
        match &self.state[at] {
            Visit::Done(loops) => return Ok(loops.clone()),
            Visit::Under => {
                let place = Place::layer(self.def, at).at("dependsOn");
                return Err(
                    place.problem("waits for itself, by way of what it waits for; take one step out of the circle")
                );
            }
            Visit::New => {}
        }
        self.state[at] = Visit::Under;
        let loops = match self.sources.get(&layer).copied() {
            Some(source) => {
                // The dependencies are walked, too: a circle may lead through them.
                for name in &self.def.layers[at].depends_on {
                    if let Some(dep) = self.position(name) {
                        self.loops_around(dep)?;
                    }
                }
                let mut loops = self.loops_after(source)?;
                loops.pop();
                loops
            }
            None if self.def.layers[at].depends_on.is_empty() => self.loops_by_index(layer)?,
            None => self.loops_by_dependencies(layer)?,
        };
        self.state[at] = Visit::Done(loops.clone());
        Ok(loops)
    }

    fn loops_by_dependencies(&mut self, layer: LayerIx) -> Result<Loops, Problem> {
        let def = self.def;
        let mut innermost = Loops::new();
        for name in &def.layers[usize::from(layer)].depends_on {
            let Some(dep) = self.position(name) else { continue };
            let loops = self.loops_after(dep)?;
            if loops.starts_with(&innermost) {
                innermost = loops;
            } else if !innermost.starts_with(&loops) {
                let place = Place::layer(def, usize::from(layer)).at("dependsOn");
                return Err(place.problem("waits for flowlets of two loops at once; go through their aggregators"));
            }
        }
        Ok(innermost)
    }

    fn loops_by_index(&mut self, layer: LayerIx) -> Result<Loops, Problem> {
        let index = self.indexes[usize::from(layer)];
        let lower: Vec<LayerIx> = (0..self.def.layers.len())
            .filter(|other| self.indexes[*other] < index)
            .map(|other| other as LayerIx)
            .collect();
        let mut closed = Vec::new();
        for source in lower.iter().filter_map(|other| self.sources.get(other).copied()).collect::<Vec<_>>() {
            let loops = self.loops_around(source)?;
            closed.extend(closes(self.roles, source, &loops));
        }
        let mut innermost = Loops::new();
        for iterator in lower.into_iter().filter(|other| self.roles[usize::from(*other)] == Role::Iterator) {
            let loops = self.loops_after(iterator)?;
            if loops.iter().any(|open| closed.contains(open)) {
                continue;
            }
            if loops.starts_with(&innermost) {
                innermost = loops;
            } else if !innermost.starts_with(&loops) {
                let place = Place::layer(self.def, usize::from(layer)).at("index");
                return Err(place
                    .problem("follows two loops that run side by side; say with dependsOn which one it belongs to"));
            }
        }
        Ok(innermost)
    }

    /// Of a loop that an aggregator closes, only what leads to the aggregator is the body: the
    /// rest of what comes after the iterator waits for the loop to end.
    fn leave_closed_loops(&self, loops: &mut [Loops], closers: &BTreeMap<LayerIx, LayerIx>) {
        for (iterator, aggregator) in closers {
            let leads = self.leading_to(*aggregator, *iterator, loops);
            for (at, around) in loops.iter_mut().enumerate() {
                if let Some(depth) = around.iter().position(|open| open == iterator)
                    && !leads.contains(&(at as LayerIx))
                {
                    around.truncate(depth);
                }
            }
        }
    }

    /// The flowlets of a loop from which a way leads to its aggregator.
    fn leading_to(&self, aggregator: LayerIx, iterator: LayerIx, loops: &[Loops]) -> Vec<LayerIx> {
        let inside: Vec<LayerIx> =
            (0..loops.len()).filter(|at| loops[*at].contains(&iterator)).map(|at| at as LayerIx).collect();
        let mut leads = Vec::new();
        let mut next = vec![aggregator];
        next.extend(self.sources.get(&aggregator));
        while let Some(at) = next.pop() {
            for other in &inside {
                if (*other == at || self.waits_for(at, *other)) && !leads.contains(other) {
                    leads.push(*other);
                    next.push(*other);
                }
            }
        }
        leads
    }

    fn waits_for(&self, layer: LayerIx, other: LayerIx) -> bool {
        let (layer, other) = (usize::from(layer), usize::from(other));
        let named = &self.def.layers[layer].depends_on;
        if named.is_empty() {
            self.indexes[other] < self.indexes[layer]
        } else {
            named.contains(&self.def.layers[other].name)
        }
    }
}

/// The iterator of the loop that is closed by collecting from a flowlet.
fn closes(roles: &[Role], source: LayerIx, loops: &Loops) -> Option<LayerIx> {
    if roles[usize::from(source)] == Role::Iterator { Some(source) } else { loops.last().copied() }
}
