//! What a store that cannot be opened says, and that it is left as it was.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::Failed;
use rusqlite::{Connection, ffi};
use store::sqlite::{FILE_NAME, SqliteOptions, SqliteStore, Synchronous};
use store::{Store, StoreError};

use crate::beginning::options;
use crate::history::{View, going_on, marked, play_key};
use crate::platter::Platter;
use crate::{Folder, Test, runtime, vfs};

pub(crate) const TESTS: &[Test] = &[
    ("open::a_closed_store_is_one_file", a_closed_store_is_one_file),
    ("open::a_damaged_file_is_told", a_damaged_file_is_told),
    ("open::a_damaged_page_is_told", a_damaged_page_is_told),
    ("open::a_file_is_no_data_folder", a_file_is_no_data_folder),
    ("open::a_newer_store_is_left_as_it_is", a_newer_store_is_left_as_it_is),
    ("open::a_store_of_an_older_version_is_brought_up_to_date", a_store_of_an_older_version_is_brought_up_to_date),
    ("open::a_store_that_may_only_be_read_is_told_at_once", a_store_that_may_only_be_read_is_told_at_once),
    ("open::another_process_has_the_folder", another_process_has_the_folder),
    ("open::another_programs_database_is_left_as_it_is", another_programs_database_is_left_as_it_is),
];

/// What a process is called with that holds a folder until its input ends.
pub(crate) const ROLE: &str = "--hold";

pub(crate) fn hold(folder: &str) {
    let _store = SqliteStore::open(&SqliteOptions::in_folder(folder)).expect("opens");
    std::io::stdout().write_all(b"held\n").expect("says so");
    let _ = std::io::stdin().read(&mut [0]);
}

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&SqliteOptions::in_folder(folder))
}

/// Why a folder does not open; it must say which.
fn refusal(folder: &Path) -> StoreError {
    match open(folder) {
        Ok(_) => panic!("it opened"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&folder.display().to_string()), "\"{text}\" does not say where");
            error
        }
    }
}

/// A store with something in it, closed.
fn filled(folder: &Path) -> View {
    runtime().block_on(async {
        let store = open(folder).expect("opens");
        for number in 0..20 {
            let mut batch = marked(number);
            batch.plays.push(going_on(play_key(number), None, vec![7; 20_000]));
            store.commit(batch).await.expect("commits");
        }
        View::of(&store).await.expect("reads")
    })
}

fn a_closed_store_is_one_file() -> Result<(), Failed> {
    let folder = Folder::new();
    // Those who read are closed too, and none of them keeps the log from being moved.
    filled(folder.path());
    let mut names: Vec<_> = std::fs::read_dir(folder.path())?.flatten().map(|file| file.file_name()).collect();
    names.sort();
    assert_eq!(names, [FILE_NAME, "flow8.lock"]);
    Ok(())
}

fn a_newer_store_is_left_as_it_is() -> Result<(), Failed> {
    let folder = Folder::new();
    let held = filled(folder.path());
    let file = folder.path().join(FILE_NAME);
    let set_version = |version: u32| Connection::open(&file)?.pragma_update(None, "user_version", version);
    set_version(7)?;
    let before = std::fs::read(&file)?;
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::Newer { found: 7, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("run a newer flow8"));
    assert!(std::fs::read(&file)? == before, "the file has changed");

    set_version(2)?;
    let store = open(folder.path())?;
    assert!(runtime().block_on(View::of(&store))? == held);
    Ok(())
}

fn a_store_of_an_older_version_is_brought_up_to_date() -> Result<(), Failed> {
    let folder = Folder::new();
    let held = filled(folder.path());
    // What the second version brought is taken away again.
    let older = "DROP INDEX audit_by_number; PRAGMA user_version = 1;";
    Connection::open(folder.path().join(FILE_NAME))?.execute_batch(older)?;
    let store = open(folder.path())?;
    assert!(runtime().block_on(View::of(&store))? == held);
    drop(store);
    let after = Connection::open(folder.path().join(FILE_NAME))?;
    let version: u32 = after.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let index = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'audit_by_number'";
    assert_eq!((version, after.query_row(index, (), |row| row.get::<_, u32>(0))?), (2, 1));
    Ok(())
}

fn another_programs_database_is_left_as_it_is() -> Result<(), Failed> {
    for marks in ["", "PRAGMA user_version = 3;", "PRAGMA application_id = 12;"] {
        let folder = Folder::new();
        let file = folder.path().join(FILE_NAME);
        Connection::open(&file)?.execute_batch(&format!("CREATE TABLE tunes (name TEXT); {marks}"))?;
        let before = std::fs::read(&file)?;
        let error = refusal(folder.path());
        assert!(error.to_string().contains("another program's database"), "{error}");
        assert!(std::fs::read(&file)? == before, "the file has changed");
    }
    Ok(())
}

fn a_damaged_file_is_told() -> Result<(), Failed> {
    let folder = Folder::new();
    filled(folder.path());
    let file = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file)?;
    bytes[..100].fill(0x55);
    std::fs::write(&file, bytes)?;
    is_damage(&refusal(folder.path()));
    Ok(())
}

fn a_damaged_page_is_told() -> Result<(), Failed> {
    let folder = Folder::new();
    filled(folder.path());
    let file = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file)?;
    // All but the first page, with the tables' names.
    bytes[4_096..].fill(0x55);
    std::fs::write(&file, bytes)?;
    let told = match open(folder.path()) {
        Err(error) => error,
        Ok(store) => runtime().block_on(View::of(&store)).expect_err("reads nonsense"),
    };
    is_damage(&told);
    assert!(told.to_string().contains(&file.display().to_string()), "{told}");
    Ok(())
}

fn is_damage(error: &StoreError) {
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

fn a_file_is_no_data_folder() -> Result<(), Failed> {
    let folder = Folder::new();
    let file = folder.path().join("file");
    std::fs::write(&file, "text")?;
    for path in [file.clone(), file.join("below")] {
        let error = refusal(&path);
        assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
        assert!(error.to_string().contains("is not a folder"), "{error}");
    }
    Ok(())
}

fn a_store_that_may_only_be_read_is_told_at_once() -> Result<(), Failed> {
    let folder = Folder::new();
    let platter = Arc::new(Platter::default());
    let _mount = vfs::mount(folder.path(), platter.clone());
    let options = options(folder.path(), Synchronous::Full);
    drop(SqliteStore::open(&options)?);
    // Who runs the tests may be allowed everything, so the refusal is simulated.
    platter.refuse(Some(ffi::SQLITE_READONLY));
    let Err(error) = SqliteStore::open(&options) else { return Err("it opened".into()) };
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(FILE_NAME) && text.contains("check the owner and the mode"), "{text}");
    platter.refuse(None);
    drop(SqliteStore::open(&options)?);
    Ok(())
}

fn another_process_has_the_folder() -> Result<(), Failed> {
    let folder = Folder::new();
    let mut other = Command::new(std::env::current_exe()?)
        .arg(ROLE)
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(other.stdout.take().ok_or("has an output")?).read_line(&mut line)?;
    let error = refusal(folder.path());
    drop(other.stdin.take());
    other.wait()?;
    assert_eq!(line.trim(), "held");
    let place = folder.path().display().to_string();
    assert_eq!(error, StoreError::InUse { folder: place.clone(), pid: other.id().to_string() });
    assert!(error.to_string().contains("--data-dir"), "{error}");

    // A second handle of one process is refused in the same way.
    let _store = open(folder.path())?;
    assert_eq!(refusal(folder.path()), StoreError::InUse { folder: place, pid: std::process::id().to_string() });
    Ok(())
}
