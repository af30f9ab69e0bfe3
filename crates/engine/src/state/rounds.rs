//! [`Loop`]: the rounds of an iterator, and what its aggregator will collect.
//!
//! Collected values are kept in pages. A full page is written once and then only referred to,
//! so that writing the state of a long loop down costs no more at its end than at its start.

use model::payload::Payload;
use model::value::Value;
use serde::{Deserialize, Serialize};

/// Values in one page.
const PAGE: usize = 256;

/// The rounds of an iterator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// The iterator's arguments; `items` is among them.
    pub args: Payload,
    /// How many rounds there are.
    pub rounds: u32,
    /// How many may be in flight.
    pub parallel: u32,
    /// Items in a round; 0 where a round is one bare item.
    pub batch: u32,
    /// The next round to open.
    pub next: u32,
    /// Rounds that have ended.
    pub ended: u32,
    /// Of these, those that failed and were tolerated.
    pub failed: u32,
    /// Of these, those that were filtered out.
    pub filtered: u32,
    /// Full pages of what is collected.
    pages: Vec<Page>,
    /// The page that is being filled.
    open: Vec<Collected>,
}

/// What one round gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    /// The round.
    pub round: u32,
    /// How many names of the aggregator's field are still to be walked into the value.
    pub left: usize,
    /// The value.
    pub value: Payload,
}

/// Some collected values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Of each: its round, and how many names are still to be walked.
    pub places: Vec<(u32, usize)>,
    /// The values, in the same order: a list.
    pub values: Payload,
}

impl Loop {
    pub(super) fn new(args: Payload, rounds: u32, parallel: u32, batch: u32) -> Self {
        Self {
            args,
            rounds,
            parallel: parallel.max(1),
            batch,
            next: 0,
            ended: 0,
            failed: 0,
            filtered: 0,
            pages: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Whether every round has ended.
    pub fn is_over(&self) -> bool {
        self.ended == self.rounds
    }

    /// Whether another round may be opened now.
    pub(super) fn has_room(&self) -> bool {
        self.next < self.rounds && self.next - self.ended < self.parallel
    }

    /// The item of a round, or the batch of items; none where the items are not at hand.
    pub fn item(&self, round: u32) -> Option<Value> {
        let items = self.args.plain()?.get("items")?.as_list()?;
        let round = round as usize;
        Some(match self.batch as usize {
            0 => items.get(round).cloned().unwrap_or_default(),
            batch => {
                let from = (round * batch).min(items.len());
                items[from..(from + batch).min(items.len())].to_vec().into()
            }
        })
    }

    /// What expressions inside the loop read of the iterator; none where the items are not at hand.
    pub fn view(&self, round: u32) -> Option<Value> {
        let is_last = round + 1 == self.rounds;
        Some(Value::map([
            ("item", self.item(round)?),
            ("index", round.into()),
            ("total", self.rounds.into()),
            ("isLast", is_last.into()),
        ]))
    }

    /// Adds what a round gave.
    pub(super) fn collect(&mut self, collected: Collected) {
        self.open.push(collected);
        if self.open.len() >= PAGE {
            self.pages.push(Page::of(std::mem::take(&mut self.open)));
        }
    }

    /// The values of a page; the last one, which is still being filled, is made full by it.
    pub(super) fn page_mut(&mut self, at: usize) -> Option<&mut Payload> {
        if at == self.pages.len() && !self.open.is_empty() {
            self.pages.push(Page::of(std::mem::take(&mut self.open)));
        }
        self.pages.get_mut(at).map(|page| &mut page.values)
    }

    /// What was collected, in pages; the values of some may not be at hand.
    pub fn pages(&self) -> Vec<Page> {
        let open = (!self.open.is_empty()).then(|| Page::of(self.open.clone()));
        self.pages.iter().cloned().chain(open).collect()
    }

    pub(super) fn settle_pages(&mut self, pack: &mut dyn FnMut(&Payload) -> Option<Payload>) {
        for page in self.pages.iter_mut().filter(|page| matches!(page.values, Payload::Plain(_) | Payload::List(_))) {
            if let Some(packed) = pack(&page.values) {
                page.values = packed;
            }
        }
    }

    pub(super) fn each_payload(&mut self, visit: &mut dyn FnMut(&mut Payload)) {
        visit(&mut self.args);
        self.pages.iter_mut().map(|page| &mut page.values).for_each(&mut *visit);
        self.open.iter_mut().map(|collected| &mut collected.value).for_each(visit);
    }
}

impl Page {
    fn of(collected: Vec<Collected>) -> Self {
        let places = collected.iter().map(|one| (one.round, one.left)).collect();
        let plain: Option<Vec<Value>> = collected.iter().map(|one| one.value.plain().cloned()).collect();
        let values = match plain {
            Some(values) => Payload::Plain(values.into()),
            None => Payload::List(collected.into_iter().map(|one| one.value).collect()),
        };
        Self { places, values }
    }
}
