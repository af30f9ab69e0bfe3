//! [`Turns`]: queues of companies that take turns, so that one with very much to do does not hold up
//! another.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use model::ids::CompanyId;
use model::play::PlayKey;

/// One queue for each company that waits. None is empty.
#[derive(Debug)]
pub struct Turns<T> {
    queues: BTreeMap<CompanyId, VecDeque<T>>,
    length: usize,
    /// Whose turn was last.
    last: Option<CompanyId>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), length: 0, last: None }
    }
}

impl<T> Turns<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether more than one company waits.
    pub fn is_shared(&self) -> bool {
        self.queues.len() > 1
    }

    /// Puts one at the end of its company's queue.
    pub fn push(&mut self, company: CompanyId, waiting: T) {
        self.queues.entry(company).or_default().push_back(waiting);
        self.length += 1;
    }

    /// The next, of the company whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_of(|_| true).map(|(_, next)| next)
    }

    /// The next, of the first company in turn that may have one.
    pub fn pop_of(&mut self, may: impl Fn(CompanyId) -> bool) -> Option<(CompanyId, T)> {
        let after = self.last.map(|last| self.queues.range((Excluded(last), Unbounded)));
        let in_turn = after.into_iter().flatten().chain(&self.queues);
        let company = in_turn.map(|(company, _)| *company).find(|company| may(*company))?;
        let queue = self.queues.get_mut(&company)?;
        let next = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&company);
        }
        self.length -= 1;
        self.last = Some(company);
        Some((company, next))
    }
}

/// At most `limit` plays, one from each company in turn.
pub fn fair_share(plays: impl IntoIterator<Item = PlayKey>, limit: usize) -> Vec<PlayKey> {
    let mut turns = Turns::default();
    plays.into_iter().for_each(|play| turns.push(play.company, play));
    std::iter::from_fn(|| turns.pop()).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use model::ids::{Id, PlayId};

    use super::*;

    fn play(company: u64, play: u64) -> PlayKey {
        PlayKey { company: CompanyId(Id::from_parts(company, 0)), play: PlayId(Id::from_parts(play, 0)) }
    }

    #[test]
    fn a_company_with_much_to_do_does_not_starve_another() {
        let plays = (0..100).map(|number| play(1, number)).chain([play(2, 7)]);
        assert_eq!(fair_share(plays, 4), [play(1, 0), play(2, 7), play(1, 1), play(1, 2)]);
    }

    #[test]
    fn a_turn_goes_to_the_next_company_that_may_have_one() {
        let mut turns = Turns::default();
        for number in [10, 11, 20, 30, 31] {
            turns.push(CompanyId(Id::from_parts(number / 10, 0)), number);
        }
        let second = CompanyId(Id::from_parts(2, 0));
        assert!(turns.is_shared());
        assert_eq!(turns.pop(), Some(10));
        assert_eq!(turns.pop_of(|company| company != second).map(|(_, next)| next), Some(30));
        assert_eq!((turns.pop(), turns.len()), (Some(11), 2));
        assert_eq!(turns.pop_of(|company| company == second), Some((second, 20)));
        assert!(turns.pop_of(|company| company == second).is_none() && !turns.is_empty());
        assert_eq!((turns.pop(), turns.pop(), turns.is_empty()), (Some(31), None, true));
    }
}
