//! Who waits for whom, body by body, and who can read whose output.

use std::collections::BTreeSet;

use model::flow::FlowDef;
use sdk::Role;

use super::bodies::{Graph, Loops, Nesting};
use super::{Body, BodyIx, LayerIx, Place, Problem};

/// The finished graph.
pub(super) struct Wiring {
    /// The index of each flowlet, given or derived.
    pub(super) indexes: Vec<u32>,
    pub(super) bodies: Vec<Body>,
    /// The body of each flowlet, and its place there.
    pub(super) places: Vec<(BodyIx, u16)>,
    /// What each flowlet waits for, in its own body.
    pub(super) deps: Vec<BTreeSet<LayerIx>>,
    /// Those that it names itself.
    pub(super) named: Vec<Vec<LayerIx>>,
    /// Whose outputs each flowlet can read.
    pub(super) upstream: Vec<BTreeSet<LayerIx>>,
}

/// Wires a flow up.
pub(super) fn wire(def: &FlowDef, roles: &[Role], graph: Graph<'_>) -> Result<Wiring, Vec<Problem>> {
    let positions: Vec<Vec<(String, LayerIx)>> = def
        .layers
        .iter()
        .map(|layer| {
            let known = |name: &model::flow::Ref| graph.position(name).map(|at| (name.to_string(), at));
            layer.depends_on.iter().filter_map(known).collect()
        })
        .collect();
    let indexes = graph.indexes.clone();
    let nesting = graph.nest()?;
    let (bodies, places) = bodies_of(def, roles, &nesting);
    let mut wires = Wires {
        def,
        indexes: &indexes,
        nesting: &nesting,
        deps: vec![BTreeSet::new(); def.layers.len()],
        problems: Vec::new(),
    };
    let mut named = Vec::new();
    for (at, names) in positions.iter().enumerate() {
        named.push(wires.add(at as LayerIx, names));
    }
    let Wires { deps, problems, .. } = wires;
    if !problems.is_empty() {
        return Err(problems);
    }
    let order = in_order(def, &bodies, &deps)?;
    let upstream = upstream_of(&order, &bodies, &places, &deps);
    Ok(Wiring { indexes, bodies, places, deps, named, upstream })
}

fn bodies_of(def: &FlowDef, roles: &[Role], nesting: &Nesting) -> (Vec<Body>, Vec<(BodyIx, u16)>) {
    let mut bodies = vec![Body { layers: Vec::new(), iterator: None, aggregator: None, depth: 0 }];
    for (at, role) in roles.iter().enumerate() {
        if *role == Role::Iterator {
            let iterator = at as LayerIx;
            let aggregator = nesting.closers.get(&iterator).copied();
            let depth = nesting.loops[at].len() + 1;
            bodies.push(Body { layers: Vec::new(), iterator: Some(iterator), aggregator, depth });
        }
    }
    let mut places = Vec::new();
    for at in 0..def.layers.len() {
        let iterator = nesting.loops[at].last().copied();
        let body = bodies.iter().position(|body| body.iterator == iterator).unwrap_or(0);
        places.push((body as BodyIx, bodies[body].layers.len() as u16));
        bodies[body].layers.push(at as LayerIx);
    }
    (bodies, places)
}

struct Wires<'a> {
    def: &'a FlowDef,
    indexes: &'a [u32],
    nesting: &'a Nesting,
    deps: Vec<BTreeSet<LayerIx>>,
    problems: Vec<Problem>,
}

impl Wires<'_> {
    fn loops(&self, layer: LayerIx) -> &Loops {
        &self.nesting.loops[usize::from(layer)]
    }

    /// Adds what a flowlet waits for, and says which of it it names itself.
    fn add(&mut self, layer: LayerIx, names: &[(String, LayerIx)]) -> Vec<LayerIx> {
        let at = usize::from(layer);
        let mut named = Vec::new();
        let closes =
            self.nesting.closers.iter().find(|(_, aggregator)| **aggregator == layer).map(|(iterator, _)| *iterator);
        if let Some(iterator) = closes {
            self.deps[at].insert(iterator);
            named.push(iterator);
        }
        if names.is_empty() {
            let index = self.indexes[at];
            let lower =
                |other: &usize| self.indexes[*other] < index && self.nesting.loops[*other] == self.nesting.loops[at];
            let lower: Vec<LayerIx> = (0..self.def.layers.len()).filter(lower).map(|other| other as LayerIx).collect();
            self.deps[at].extend(lower);
        }
        for (name, dep) in names {
            if let Some(dep) = self.add_named(layer, closes, name, *dep) {
                named.push(dep);
            }
        }
        named.sort_unstable();
        named.dedup();
        named
    }

    fn add_named(&mut self, layer: LayerIx, closes: Option<LayerIx>, name: &str, dep: LayerIx) -> Option<LayerIx> {
        let (around, around_dep) = (self.loops(layer).clone(), self.loops(dep).clone());
        if around == around_dep {
            self.deps[usize::from(layer)].insert(dep);
            return Some(dep);
        }
        if around.starts_with(&around_dep) {
            // What the inside of a loop waits for, outside of it, the loop itself waits for.
            let iterator = around[around_dep.len()];
            if iterator != dep {
                self.deps[usize::from(iterator)].insert(dep);
            }
            return None;
        }
        if closes.is_some_and(|iterator| around_dep.contains(&iterator)) {
            return None;
        }
        let place = Place::layer(self.def, usize::from(layer)).at("dependsOn");
        let loop_of = around_dep.iter().find(|open| !around.contains(open)).copied().unwrap_or(dep);
        let loop_of = &self.def.layers[usize::from(loop_of)].name;
        self.problems.push(place.problem(format!(
            "{name} is inside the loop of {loop_of}; outside of it, wait for its aggregator, or for {loop_of} itself"
        )));
        None
    }
}

/// The flowlets in an order in which each comes after what it waits for and after the iterators around it.
fn in_order(def: &FlowDef, bodies: &[Body], deps: &[BTreeSet<LayerIx>]) -> Result<Vec<LayerIx>, Vec<Problem>> {
    let mut order = Vec::new();
    let mut left: Vec<LayerIx> = (0..def.layers.len()).map(|at| at as LayerIx).collect();
    let mut done = vec![false; def.layers.len()];
    let iterator_of: Vec<Option<LayerIx>> = (0..def.layers.len())
        .map(|at| bodies.iter().find(|body| body.layers.contains(&(at as LayerIx))).and_then(|body| body.iterator))
        .collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|at| {
            let is_free = deps[usize::from(*at)]
                .iter()
                .chain(iterator_of[usize::from(*at)].iter())
                .all(|dep| done[usize::from(*dep)]);
            if is_free {
                done[usize::from(*at)] = true;
                order.push(*at);
            }
            !is_free
        });
        if left.len() == before {
            let problem = |at: &LayerIx| {
                let place = Place::layer(def, usize::from(*at)).at("dependsOn");
                place.problem("waits for itself, by way of what it waits for; take one step out of the circle")
            };
            return Err(left.iter().map(problem).collect());
        }
    }
    Ok(order)
}

fn upstream_of(
    order: &[LayerIx],
    bodies: &[Body],
    places: &[(BodyIx, u16)],
    deps: &[BTreeSet<LayerIx>],
) -> Vec<BTreeSet<LayerIx>> {
    let mut upstream: Vec<BTreeSet<LayerIx>> = vec![BTreeSet::new(); deps.len()];
    let mut rank = vec![0; deps.len()];
    for (place, at) in order.iter().enumerate() {
        rank[usize::from(*at)] = place;
    }
    for at in order.iter().map(|at| usize::from(*at)) {
        let (body, _) = places[at];
        let iterator = bodies[usize::from(body)].iterator;
        let mut seen = BTreeSet::new();
        // The last first: what it brings along need not be walked again.
        let mut direct: Vec<LayerIx> = deps[at].iter().chain(iterator.iter()).copied().collect();
        direct.sort_unstable_by_key(|dep| std::cmp::Reverse(rank[usize::from(*dep)]));
        for dep in direct {
            if seen.insert(dep) {
                seen.extend(&upstream[usize::from(dep)]);
            }
        }
        upstream[at] = seen;
    }
    upstream
}
