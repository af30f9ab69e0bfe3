//! The VFS by which SQLite works on a [`Platter`] instead of the system's disk.
//!
//! One VFS for all tests, registered once and never removed; a folder belongs to the platter
//! that is mounted there. It does what SQLite's own does on Unix, and in the same order: above
//! all, the folder is synced with the first sync of a new log or journal, and not otherwise.

#![expect(unsafe_code, reason = "SQLite calls a VFS by pointers")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::{ptr, slice};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::locks::Holder;
use crate::platter::{Code, Platter};

/// The name to open a store with.
pub(crate) const NAME: &str = "platter";

static MOUNTED: Mutex<BTreeMap<PathBuf, Arc<Platter>>> = Mutex::new(BTreeMap::new());
static NEXT_HOLDER: AtomicU64 = AtomicU64::new(1);

/// A platter that lies under a folder for as long as this lives.
pub(crate) struct Mount(PathBuf);

pub(crate) fn mount(folder: &Path, platter: Arc<Platter>) -> Mount {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), platter);
    Mount(folder.to_owned())
}

impl Drop for Mount {
    fn drop(&mut self) {
        MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// An open file, from SQLite's side.
#[repr(C)]
struct Handle {
    base: sqlite3_file,
    open: *mut Open,
}

/// An open file, from ours.
struct Open {
    platter: Arc<Platter>,
    file: usize,
    holder: Holder,
    /// The folder is to be synced with the next sync.
    folder_unsynced: bool,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn register() {
    // SAFETY: the system's VFS exists; ours is leaked, so it lives as long as SQLite may call it.
    // What has nothing to do with files (time, sleep, randomness) is the system's.
    unsafe {
        let system = *ffi::sqlite3_vfs_find(ptr::null());
        let ours = Box::leak(Box::new(sqlite3_vfs {
            szOsFile: size_of::<Handle>() as c_int,
            pNext: ptr::null_mut(),
            zName: c"platter".as_ptr(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            ..system
        }));
        assert_eq!(ffi::sqlite3_vfs_register(ours, 0), ffi::SQLITE_OK, "registers");
    }
}

fn code(outcome: Result<(), Code>) -> c_int {
    outcome.err().unwrap_or(ffi::SQLITE_OK)
}

/// The platter under a path, and the name of the file on it.
///
/// # Safety
/// The path is a string of SQLite's.
unsafe fn find(path: *const c_char) -> Option<(Arc<Platter>, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    let path = Path::new(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    let platter = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner).get(path.parent()?).cloned()?;
    Some((platter, path.file_name()?.to_str()?.to_owned()))
}

/// # Safety
/// The file was opened by [`open`], and SQLite uses it from one thread at a time.
unsafe fn opened<'a>(file: *mut sqlite3_file) -> &'a mut Open {
    // SAFETY: as the caller says.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a path and room for a handle.
    unsafe {
        let handle = file.cast::<Handle>();
        (*handle).base.pMethods = ptr::null();
        let Some((platter, name)) = find(path) else { return ffi::SQLITE_CANTOPEN };
        let creates = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let mut granted = flags;
        if flags & ffi::SQLITE_OPEN_READWRITE != 0 && !platter.is_writable() {
            granted = flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE) | ffi::SQLITE_OPEN_READONLY;
        }
        let number = match platter.open(&name, creates) {
            Ok(number) => number,
            Err(code) => return code,
        };
        let is_log = flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL);
        let open = Open {
            platter,
            file: number,
            holder: NEXT_HOLDER.fetch_add(1, Ordering::Relaxed),
            folder_unsynced: creates && is_log != 0,
        };
        (*handle).open = Box::into_raw(Box::new(open));
        (*handle).base.pMethods = &METHODS;
        if !flags_out.is_null() {
            *flags_out = granted;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite gives a path.
    match unsafe { find(path) } {
        Some((platter, name)) => code(platter.delete(&name, sync_folder != 0)),
        None => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(_: *mut sqlite3_vfs, path: *const c_char, _: c_int, found: *mut c_int) -> c_int {
    // SAFETY: SQLite gives a path and room for the answer.
    unsafe { *found = find(path).is_some_and(|(platter, name)| platter.exists(&name)).into() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the handle was made by `open` and is used no more after this.
    let open = unsafe { Box::from_raw((*file.cast::<Handle>()).open) };
    open.platter.locks(open.file, |locks| {
        locks.unlock(open.holder, ffi::SQLITE_LOCK_NONE);
        locks.unmap(open.holder);
    });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives a buffer of that size.
    let (open, buffer) = unsafe { (opened(file), slice::from_raw_parts_mut(to.cast::<u8>(), amount as usize)) };
    match open.platter.read(open.file, at as usize, buffer) {
        Ok(length) if length == buffer.len() => ffi::SQLITE_OK,
        Ok(length) => {
            buffer[length..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, amount: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives that many bytes.
    let (open, bytes) = unsafe { (opened(file), slice::from_raw_parts(from.cast::<u8>(), amount as usize)) };
    code(open.platter.write(open.file, at as usize, bytes))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: the handle is open, as in all that follow.
    let open = unsafe { opened(file) };
    code(open.platter.truncate(open.file, length as usize))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: see `truncate`.
    let open = unsafe { opened(file) };
    let outcome = open.platter.sync(open.file, open.folder_unsynced);
    open.folder_unsynced &= outcome.is_err();
    code(outcome)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: see `truncate`; there is room for the answer.
    unsafe {
        let open = opened(file);
        *size = open.platter.length(open.file) as sqlite3_int64;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see `truncate`.
    let open = unsafe { opened(file) };
    code(open.platter.locks(open.file, |locks| locks.lock(open.holder, level)))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: see `truncate`.
    let open = unsafe { opened(file) };
    open.platter.locks(open.file, |locks| locks.unlock(open.holder, level));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, reserved: *mut c_int) -> c_int {
    // SAFETY: see `file_size`.
    unsafe {
        let open = opened(file);
        *reserved = open.platter.locks(open.file, |locks| locks.is_reserved()).into();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    number: c_int,
    bytes: c_int,
    make: c_int,
    region: *mut *mut c_void,
) -> c_int {
    // SAFETY: see `file_size`. A region stays where it is until the last who maps it is gone, and
    // is made of atomics, so that writing to it through a pointer is allowed.
    unsafe {
        let open = opened(file);
        let may_make = make != 0 && open.platter.has_room();
        let found =
            open.platter.locks(open.file, |locks| locks.region(open.holder, number as usize, bytes as usize, may_make));
        *region = found.map_or(ptr::null_mut(), |found| found.cast_mut().cast());
        if found.is_none() && make != 0 { ffi::SQLITE_IOERR_SHMSIZE } else { ffi::SQLITE_OK }
    }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, from: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: see `truncate`.
    let open = unsafe { opened(file) };
    let slots = from as usize..(from + count) as usize;
    code(open.platter.locks(open.file, |locks| {
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            locks.unlock_slots(open.holder, slots);
            return Ok(());
        }
        locks.lock_slots(open.holder, slots, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0)
    }))
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: see `truncate`.
    let open = unsafe { opened(file) };
    open.platter.locks(open.file, |locks| locks.unmap(open.holder));
    ffi::SQLITE_OK
}
