//! A simulated disk in memory, which knows what was synced and what was not.
//!
//! The power can go at any change or sync; [`Platter::after_power_cut`] is then what a real disk
//! may hold: all that was synced, and of the rest whatever chance left, in whole or in sectors.
//! As a real one it can also be full, or refuse to be written. It knows nothing of SQLite: the
//! calls come from `vfs`.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use crate::locks::Locks;
use crate::random::Random;
use crate::survival::{Change, survivor};

/// All files of a disk, by name.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

/// What a call may fail with: a result code of SQLite.
pub(crate) type Code = c_int;

/// When the power goes, counted from the disk's first use.
#[derive(Debug, Clone)]
pub(crate) enum Cut {
    /// At this write, truncation or removal: it may be half done.
    Change(u64),
    /// At this sync: nothing of it is done for certain.
    Sync(u64),
    /// At this one of all such calls.
    Such(Call, u64),
}

/// What the disk was doing: which file, and the word for it.
pub(crate) type Call = (String, &'static str);

#[derive(Default)]
pub(crate) struct Platter {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    files: Vec<File>,
    /// The folder as whoever runs sees it, and as it was synced.
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    unsynced_names: Vec<(String, Option<usize>)>,
    changes: u64,
    syncs: u64,
    cut: Option<Cut>,
    /// Calls of the kind that the power is to go at.
    such_calls: u64,
    out: Option<Call>,
    capacity: Option<usize>,
    refuses: Option<Code>,
    held: bool,
    waiting: usize,
}

#[derive(Default)]
struct File {
    name: String,
    now: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    locks: Locks,
}

impl Platter {
    /// A disk that holds this, synced, and whose power may go.
    pub(crate) fn holding(image: Image, cut: Option<Cut>) -> Self {
        let mut state = State { cut, ..State::default() };
        for (name, bytes) in image {
            state.names.insert(name.clone(), state.files.len());
            state.files.push(File { name, synced: bytes.clone(), now: bytes, ..File::default() });
        }
        state.synced_names = state.names.clone();
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }

    /// From now on it holds so many bytes at most, or any number.
    pub(crate) fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// From now on every change fails so, or happens.
    pub(crate) fn refuse(&self, code: Option<Code>) {
        self.state().refuses = code;
    }

    /// From now on every change waits for [`Self::release`].
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    /// Returns when somebody waits in [`Self::hold`], or the power is out.
    pub(crate) fn until_somebody_waits(&self) {
        let mut state = self.state();
        while state.waiting == 0 && state.out.is_none() {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn release(&self) {
        self.state().held = false;
        self.moved.notify_all();
    }

    /// The power goes, if it is not out already; every call fails from here on.
    pub(crate) fn cut(&self) {
        self.state().out.get_or_insert((String::new(), "nothing"));
    }

    /// What was going on when the power went, where it is out.
    pub(crate) fn last_call(&self) -> Option<Call> {
        self.state().out.clone()
    }

    pub(crate) fn used(&self) -> usize {
        self.state().used()
    }

    /// All that a process sees of it.
    pub(crate) fn image(&self) -> Image {
        let state = self.state();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].now.clone())).collect()
    }

    /// What the disk holds when the power comes back.
    pub(crate) fn after_power_cut(&self, random: &mut Random) -> Image {
        let state = self.state();
        let mut names = state.synced_names.clone();
        for (name, file) in &state.unsynced_names {
            if random.percent(50) {
                match file {
                    Some(file) => names.insert(name.clone(), *file),
                    None => names.remove(name),
                };
            }
        }
        let sector = *random.pick(&[512, 4096]);
        let mut survives = |file: &File| survivor(&file.synced, &file.unsynced, sector, random);
        names.into_iter().map(|(name, file)| (name, survives(&state.files[file]))).collect()
    }

    pub(crate) fn open(&self, name: &str, create: bool) -> Result<usize, Code> {
        let state = self.state();
        if state.out.is_some() {
            return Err(ffi::SQLITE_IOERR);
        }
        if let Some(file) = state.names.get(name) {
            return Ok(*file);
        }
        drop(state);
        if !create {
            return Err(ffi::SQLITE_CANTOPEN);
        }
        let mut state = self.enter().map_err(|_| ffi::SQLITE_CANTOPEN)?;
        let file = state.files.len();
        state.files.push(File { name: name.into(), ..File::default() });
        state.names.insert(name.into(), file);
        state.unsynced_names.push((name.into(), Some(file)));
        state.changed(name, "create")?;
        Ok(file)
    }

    /// Whether files may be opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.state().refuses != Some(ffi::SQLITE_READONLY)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.state().names.contains_key(name)
    }

    pub(crate) fn delete(&self, name: &str, sync_folder: bool) -> Result<(), Code> {
        let mut state = self.enter()?;
        state.names.remove(name).ok_or(ffi::SQLITE_IOERR_DELETE_NOENT)?;
        state.unsynced_names.push((name.into(), None));
        state.changed(name, "delete")?;
        if sync_folder {
            state.synced(name, "sync the folder of")?;
            state.sync_names();
        }
        Ok(())
    }

    /// Fills the buffer as far as the file goes, and says how far that is.
    pub(crate) fn read(&self, file: usize, at: usize, buffer: &mut [u8]) -> Result<usize, Code> {
        let state = self.state();
        if state.out.is_some() {
            return Err(ffi::SQLITE_IOERR_READ);
        }
        let rest = state.files[file].now.get(at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    pub(crate) fn write(&self, file: usize, at: usize, bytes: &[u8]) -> Result<(), Code> {
        let mut state = self.enter()?;
        let room = state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(state.used()));
        let length = state.files[file].now.len();
        // As a real disk does, a full one takes what fits.
        let fits = length.saturating_add(room).saturating_sub(at).min(bytes.len());
        if fits > 0 {
            state.files[file].change(Change::Write { at, bytes: bytes[..fits].to_vec() });
        }
        let name = state.files[file].name.clone();
        state.changed(&name, "write")?;
        if fits < bytes.len() { Err(ffi::SQLITE_FULL) } else { Ok(()) }
    }

    pub(crate) fn truncate(&self, file: usize, length: usize) -> Result<(), Code> {
        let mut state = self.enter()?;
        state.files[file].change(Change::Length(length));
        let name = state.files[file].name.clone();
        state.changed(&name, "truncate")
    }

    pub(crate) fn sync(&self, file: usize, folder_too: bool) -> Result<(), Code> {
        let mut state = self.enter()?;
        let name = state.files[file].name.clone();
        state.synced(&name, "sync")?;
        state.files[file].sync();
        if folder_too {
            state.sync_names();
        }
        Ok(())
    }

    pub(crate) fn length(&self, file: usize) -> usize {
        self.state().files[file].now.len()
    }

    /// The locks on a file; they are no part of the disk and outlive the power.
    pub(crate) fn locks<T>(&self, file: usize, with: impl FnOnce(&mut Locks) -> T) -> T {
        with(&mut self.state().files[file].locks)
    }

    /// Whether the system has room for shared memory, which lies on the same disk.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.capacity.is_none_or(|capacity| state.used() < capacity)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way in of everything that changes the disk.
    fn enter(&self) -> Result<MutexGuard<'_, State>, Code> {
        let mut state = self.state();
        state.waiting += 1;
        self.moved.notify_all();
        while state.held && state.out.is_none() {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        match (&state.out, state.refuses) {
            (Some(_), _) => Err(ffi::SQLITE_IOERR),
            (None, Some(code)) => Err(code),
            (None, None) => Ok(state),
        }
    }
}

impl State {
    fn used(&self) -> usize {
        self.names.values().map(|file| self.files[*file].now.len()).sum()
    }

    /// Counts a change that has been made, perhaps in part: the power may go during it.
    fn changed(&mut self, file: &str, call: &'static str) -> Result<(), Code> {
        self.changes += 1;
        let cut = matches!(self.cut, Some(Cut::Change(at)) if at == self.changes);
        self.perhaps_out(cut, (file.into(), call))
    }

    /// Counts a sync that has not been made yet.
    fn synced(&mut self, file: &str, call: &'static str) -> Result<(), Code> {
        self.syncs += 1;
        let cut = matches!(self.cut, Some(Cut::Sync(at)) if at == self.syncs);
        self.perhaps_out(cut, (file.into(), call))
    }

    fn perhaps_out(&mut self, mut cut: bool, this: Call) -> Result<(), Code> {
        if let Some(Cut::Such(call, count)) = &self.cut
            && *call == this
        {
            self.such_calls += 1;
            cut = self.such_calls == *count;
        }
        if cut {
            self.out = Some(this);
            return Err(ffi::SQLITE_IOERR);
        }
        Ok(())
    }

    fn sync_names(&mut self) {
        self.unsynced_names.clear();
        self.synced_names = self.names.clone();
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.make(&mut self.now);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.make(&mut self.synced);
        }
    }
}
