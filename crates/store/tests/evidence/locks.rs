//! The locks and the shared memory of one database file, as SQLite's connections use them.

use std::ffi::c_int;
use std::sync::atomic::AtomicU64;

use rusqlite::ffi;

use crate::platter::Code;

/// Who holds a lock: one open file.
pub(crate) type Holder = u64;

/// The kinds of locks on the index of the log.
const SLOTS: usize = ffi::SQLITE_SHM_NLOCK as usize;

#[derive(Default)]
pub(crate) struct Locks {
    /// Each holder's level: `SQLITE_LOCK_NONE` to `SQLITE_LOCK_EXCLUSIVE`.
    levels: Vec<(Holder, c_int)>,
    slots: [Slot; SLOTS],
    regions: Vec<Box<[AtomicU64]>>,
    mapped_by: Vec<Holder>,
}

#[derive(Default)]
struct Slot {
    shared: Vec<Holder>,
    exclusive: Option<Holder>,
}

impl Locks {
    /// Raises a holder's lock on the file.
    pub(crate) fn lock(&mut self, holder: Holder, wanted: c_int) -> Result<(), Code> {
        let mine = self.level(holder);
        if mine >= wanted {
            return Ok(());
        }
        let highest_other =
            self.levels.iter().filter(|(other, _)| *other != holder).map(|(_, level)| *level).max().unwrap_or(0);
        let free = match wanted {
            ffi::SQLITE_LOCK_SHARED => highest_other < ffi::SQLITE_LOCK_PENDING,
            ffi::SQLITE_LOCK_RESERVED => highest_other < ffi::SQLITE_LOCK_RESERVED,
            _ if highest_other >= ffi::SQLITE_LOCK_RESERVED => false,
            _ if highest_other > ffi::SQLITE_LOCK_NONE => {
                // Newcomers are kept out while those who read go on.
                self.set_level(holder, ffi::SQLITE_LOCK_PENDING);
                false
            }
            _ => true,
        };
        if !free {
            return Err(ffi::SQLITE_BUSY);
        }
        self.set_level(holder, wanted);
        Ok(())
    }

    /// Lowers a holder's lock on the file.
    pub(crate) fn unlock(&mut self, holder: Holder, to: c_int) {
        if self.level(holder) > to {
            self.set_level(holder, to);
        }
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.levels.iter().any(|(_, level)| *level >= ffi::SQLITE_LOCK_RESERVED)
    }

    fn level(&self, holder: Holder) -> c_int {
        self.levels.iter().find(|(other, _)| *other == holder).map_or(ffi::SQLITE_LOCK_NONE, |(_, level)| *level)
    }

    fn set_level(&mut self, holder: Holder, level: c_int) {
        self.levels.retain(|(other, _)| *other != holder);
        if level > ffi::SQLITE_LOCK_NONE {
            self.levels.push((holder, level));
        }
    }

    /// A part of the shared memory, made where it is missing and wanted. It stays where it is.
    pub(crate) fn region(&mut self, holder: Holder, number: usize, bytes: usize, make: bool) -> Option<*const u8> {
        if !self.mapped_by.contains(&holder) {
            self.mapped_by.push(holder);
        }
        while make && self.regions.len() <= number {
            self.regions.push((0..bytes / 8).map(|_| AtomicU64::new(0)).collect());
        }
        self.regions.get(number).map(|region| region.as_ptr().cast())
    }

    /// A holder needs the shared memory no more; with the last one it goes.
    pub(crate) fn unmap(&mut self, holder: Holder) {
        self.unlock_slots(holder, 0..SLOTS);
        self.mapped_by.retain(|other| *other != holder);
        if self.mapped_by.is_empty() {
            self.regions.clear();
        }
    }

    pub(crate) fn lock_slots(
        &mut self,
        holder: Holder,
        slots: std::ops::Range<usize>,
        exclusive: bool,
    ) -> Result<(), Code> {
        let others_share = |slot: &Slot| slot.shared.iter().any(|other| *other != holder);
        let is_taken =
            |slot: &Slot| slot.exclusive.is_some_and(|other| other != holder) || (exclusive && others_share(slot));
        if self.slots[slots.clone()].iter().any(is_taken) {
            return Err(ffi::SQLITE_BUSY);
        }
        for slot in &mut self.slots[slots] {
            if exclusive {
                slot.exclusive = Some(holder);
            } else if !slot.shared.contains(&holder) {
                slot.shared.push(holder);
            }
        }
        Ok(())
    }

    pub(crate) fn unlock_slots(&mut self, holder: Holder, slots: std::ops::Range<usize>) {
        for slot in &mut self.slots[slots] {
            slot.shared.retain(|other| *other != holder);
            slot.exclusive.take_if(|other| *other == holder);
        }
    }
}
