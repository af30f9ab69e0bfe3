//! What a storage must do, a promise a case.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use model::ids::{CompanyId, Id};
use model::limits::FILE_PATH_BYTES;
use model::time::Timestamp;
use sdk::storage::{Storage, StorageError};

/// A case at work.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise.
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    /// Panics where an empty storage does not keep it.
    pub run: fn(Arc<dyn Storage>) -> Running,
}

macro_rules! cases {
    ($($name:ident)*) => {
        /// All promises.
        pub const CASES: &[Case] = &[$(Case { name: stringify!($name), run: |files| Box::pin($name(files)) }),*];
    };
}

cases! {
    a_file_gets_another_path
    a_file_is_replaced_as_a_whole
    a_list_goes_on_after_a_path
    a_prefix_is_a_text_and_no_folder
    an_empty_file_is_a_file
    companies_are_kept_apart
    large_files_come_back_as_they_were
    many_files_are_listed_in_the_order_of_bytes
    names_beyond_the_first_plane_are_in_the_order_of_bytes_too
    odd_names_are_names
    sweeping_takes_nothing_that_has_a_path
    what_is_larger_than_asked_for_is_not_read
    what_is_missing_is_said_to_be
    what_is_no_path_is_refused
    what_is_written_is_read
    who_renames_at_the_same_moment_loses_nothing
}

/// More than any file of the suite has.
const MANY: usize = 64 << 20;

const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));
const OTHER: CompanyId = CompanyId(Id::from_bytes([2; 12]));

type Files = Arc<dyn Storage>;

async fn write(files: &Files, paths: &[&str]) {
    for path in paths {
        let bytes = Bytes::from((*path).to_owned());
        files.write(COMPANY, path, bytes).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    }
}

async fn list(files: &Files, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = files.list(COMPANY, prefix, after, limit).await.expect("lists");
    found.into_iter().map(|file| file.path).collect()
}

async fn read(files: &Files, path: &str) -> Bytes {
    files.read(COMPANY, path, MANY).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
}

fn is_missing<T>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::NotFound(_)))
}

/// Bytes in which no part is like another.
fn noise(count: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(count);
    bytes.into()
}

async fn what_is_written_is_read(files: Files) {
    write(&files, &["a", "b/c/d.txt", "b/e"]).await;
    assert_eq!(read(&files, "b/c/d.txt").await, "b/c/d.txt");
    files.write(COMPANY, "a", "another".into()).await.expect("replaces");
    assert_eq!(read(&files, "a").await, "another");
    let head = files.head(COMPANY, "a").await.expect("looks").expect("is there");
    assert_eq!((&*head.path, head.size), ("a", 7));
    // Since the year 2020; a storage has a clock of its own.
    assert!(head.modified > Timestamp(1_577_836_800_000), "{:?}", head.modified);
    assert_eq!(files.list(COMPANY, "a", None, 9).await, Ok(vec![head]));
    assert_eq!(files.delete(COMPANY, "a").await, Ok(true));
    assert!(is_missing(&files.read(COMPANY, "a", MANY).await));
    assert_eq!(files.delete(COMPANY, "a").await, Ok(false));
    assert_eq!(list(&files, "", None, 9).await, ["b/c/d.txt", "b/e"]);
}

async fn what_is_missing_is_said_to_be(files: Files) {
    assert_eq!(list(&files, "", None, 9).await, [""; 0]);
    write(&files, &["b/c"]).await;
    for path in ["a", "b", "b/c/d", "b/d"] {
        // In a folder, a file has nothing below it, and says so in its own words.
        assert!(files.read(COMPANY, path, MANY).await.is_err(), "{path}");
        assert_eq!(files.head(COMPANY, path).await, Ok(None), "{path}");
        assert_eq!(files.delete(COMPANY, path).await, Ok(false), "{path}");
    }
    assert!(is_missing(&files.read(COMPANY, "a", MANY).await));
    assert!(is_missing(&files.rename(COMPANY, "a", "z").await));
    assert!(is_missing(&files.rename(COMPANY, "a", "a").await));
    assert_eq!(list(&files, "", None, 9).await, ["b/c"]);
}

async fn an_empty_file_is_a_file(files: Files) {
    files.write(COMPANY, "empty", Bytes::new()).await.expect("writes");
    assert_eq!(files.read(COMPANY, "empty", 0).await, Ok(Bytes::new()));
    assert_eq!(files.head(COMPANY, "empty").await.expect("looks").map(|file| file.size), Some(0));
    files.rename(COMPANY, "empty", "still/empty").await.expect("renames");
    assert_eq!(list(&files, "", None, 9).await, ["still/empty"]);
    files.write(COMPANY, "still/empty", "x".into()).await.expect("replaces");
    files.write(COMPANY, "still/empty", Bytes::new()).await.expect("replaces");
    assert_eq!(read(&files, "still/empty").await, "");
    assert_eq!(files.delete(COMPANY, "still/empty").await, Ok(true));
}

async fn what_is_larger_than_asked_for_is_not_read(files: Files) {
    files.write(COMPANY, "five", "12345".into()).await.expect("writes");
    assert_eq!(files.read(COMPANY, "five", 5).await, Ok("12345".into()));
    for max in [0, 4] {
        assert!(matches!(files.read(COMPANY, "five", max).await, Err(StorageError::TooLarge(_))), "{max}");
    }
}

async fn large_files_come_back_as_they_were(files: Files) {
    // Around the sizes at which storages cut what they keep, and one of many pieces.
    for (at, size) in [255 << 10, (255 << 10) + 1, 8 << 20, (8 << 20) + 1, 20_000_000].into_iter().enumerate() {
        let bytes = noise(size, at as u64 + 1);
        files.write(COMPANY, "large", bytes.clone()).await.expect("writes");
        assert!(read(&files, "large").await == bytes, "{size} bytes");
        assert_eq!(files.head(COMPANY, "large").await.expect("looks").map(|file| file.size), Some(size as u64));
    }
    assert!(matches!(files.read(COMPANY, "large", 19_999_999).await, Err(StorageError::TooLarge(_))));
    files.rename(COMPANY, "large", "larger").await.expect("renames");
    assert!(read(&files, "larger").await == noise(20_000_000, 5));
    assert_eq!(files.delete(COMPANY, "larger").await, Ok(true));
    assert_eq!(list(&files, "", None, 9).await, [""; 0]);
}

async fn a_file_gets_another_path(files: Files) {
    write(&files, &["a/b", "c"]).await;
    files.rename(COMPANY, "a/b", "x/y/z").await.expect("renames");
    assert_eq!(list(&files, "", None, 9).await, ["c", "x/y/z"]);
    assert!(is_missing(&files.read(COMPANY, "a/b", MANY).await));
    files.rename(COMPANY, "x/y/z", "c").await.expect("replaces");
    assert_eq!(read(&files, "c").await, "a/b");
    files.rename(COMPANY, "c", "c").await.expect("stays");
    assert_eq!(read(&files, "c").await, "a/b");
    assert_eq!(list(&files, "", None, 9).await, ["c"]);
    // What had the name before is a file of its own again.
    write(&files, &["a/b"]).await;
    assert_eq!(files.delete(COMPANY, "c").await, Ok(true));
    assert_eq!(read(&files, "a/b").await, "a/b");
}

async fn many_files_are_listed_in_the_order_of_bytes(files: Files) {
    let mut sorted = ["b0", "b/2/x", "a.b", "c/d/e/f", "a", "b/10", "a-b", "b/1", "a~", "aé", "B", "a%20"];
    write(&files, &sorted).await;
    sorted.sort_unstable();
    assert_eq!(list(&files, "", None, 99).await, sorted);
    for limit in 0..=sorted.len() {
        assert_eq!(list(&files, "", None, limit).await, sorted[..limit]);
    }
}

/// Stores that count in UTF-16 have another order.
async fn names_beyond_the_first_plane_are_in_the_order_of_bytes_too(files: Files) {
    write(&files, &["a🎉", "a～", "aé"]).await;
    assert_eq!(list(&files, "", None, 9).await, ["aé", "a～", "a🎉"]);
    assert_eq!(list(&files, "", Some("a～"), 9).await, ["a🎉"]);
}

async fn a_prefix_is_a_text_and_no_folder(files: Files) {
    write(&files, &["b0", "b/2/x", "a", "c/d/e/f", "b/10", "b/1", "a_b", "a%b", "axb", "a.b"]).await;
    assert_eq!(list(&files, "b/", None, 9).await, ["b/1", "b/10", "b/2/x"]);
    assert_eq!(list(&files, "b/1", None, 9).await, ["b/1", "b/10"]);
    assert_eq!(list(&files, "b", None, 9).await, ["b/1", "b/10", "b/2/x", "b0"]);
    assert_eq!(list(&files, "c/d/e/f", None, 9).await, ["c/d/e/f"]);
    // Signs that mean something to some store mean themselves.
    assert_eq!(list(&files, "a.", None, 9).await, ["a.b"]);
    assert_eq!(list(&files, "a_", None, 9).await, ["a_b"]);
    assert_eq!(list(&files, "a%", None, 9).await, ["a%b"]);
    for prefix in ["/", "..", "../", "z", "c/d/e/f/", "./", ".*", "b\0", "\n"] {
        assert_eq!(list(&files, prefix, None, 9).await, [""; 0], "{prefix:?}");
    }
}

async fn a_list_goes_on_after_a_path(files: Files) {
    let paths: Vec<String> = (0..45).map(|number| format!("many/{number:03}/file")).collect();
    write(&files, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    write(&files, &["a", "many0", "many/0200", "z"]).await;
    let whole = list(&files, "", None, 999).await;
    assert_eq!(whole.len(), 49);
    for size in [1, 7, 48, 49, 50] {
        let (mut paged, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = list(&files, "", after.as_deref(), size).await;
            let is_last = page.len() < size;
            after = page.last().cloned();
            paged.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(paged, whole, "{size} at once");
    }
    // What it goes on after need not be there, nor be a path, nor have the prefix.
    assert_eq!(list(&files, "many/04", Some("many/042/x"), 9).await, ["many/043/file", "many/044/file"]);
    assert_eq!(list(&files, "many/", Some("many/"), 1).await, ["many/000/file"]);
    assert_eq!(list(&files, "many/", Some("a"), 1).await, ["many/000/file"]);
    assert_eq!(list(&files, "many/", Some("many/044/file"), 9).await, [""; 0]);
    assert_eq!(list(&files, "many/", Some("z"), 9).await, [""; 0]);
    assert_eq!(list(&files, "many/04", Some("many/043/file\0"), 9).await, ["many/044/file"]);
    assert_eq!(list(&files, "", Some(""), 1).await, ["a"]);
}

async fn companies_are_kept_apart(files: Files) {
    write(&files, &["a", "b"]).await;
    assert!(is_missing(&files.read(OTHER, "a", MANY).await));
    assert_eq!(files.list(OTHER, "", None, 9).await, Ok(vec![]));
    assert_eq!(files.head(OTHER, "a").await, Ok(None));
    assert_eq!(files.delete(OTHER, "a").await, Ok(false));
    assert!(is_missing(&files.rename(OTHER, "a", "b").await));
    files.write(OTHER, "a", "theirs".into()).await.expect("writes");
    assert_eq!(read(&files, "a").await, "a");
    files.rename(OTHER, "a", "b").await.expect("renames");
    assert_eq!(read(&files, "b").await, "b");
    assert_eq!(files.list(OTHER, "", None, 9).await.expect("lists").len(), 1);
    for path in [format!("../{COMPANY}/a"), format!("{COMPANY}/a"), format!("../../{COMPANY}/files/a")] {
        assert!(files.read(OTHER, &path, MANY).await.is_err(), "{path}");
    }
}

async fn what_is_no_path_is_refused(files: Files) {
    write(&files, &["a"]).await;
    let too_long = format!("{}x", "a/".repeat(FILE_PATH_BYTES / 2));
    let long_name = "n".repeat(256);
    let hostile = [
        "",
        "/",
        "/a",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/..",
        "a/./b",
        "a/../../b",
        "a\\b",
        "c:a",
        "a\0",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        &too_long,
        &long_name,
    ];
    for path in hostile {
        let bad = |result: Result<(), StorageError>| matches!(result, Err(StorageError::BadPath(_)));
        assert!(bad(files.read(COMPANY, path, MANY).await.map(drop)), "{path:?}");
        assert!(bad(files.write(COMPANY, path, "x".into()).await), "{path:?}");
        assert!(bad(files.rename(COMPANY, path, "b").await), "{path:?}");
        assert!(bad(files.rename(COMPANY, "a", path).await), "{path:?}");
        assert!(bad(files.delete(COMPANY, path).await.map(drop)), "{path:?}");
        assert!(bad(files.head(COMPANY, path).await.map(drop)), "{path:?}");
    }
    assert_eq!(list(&files, "", None, 9).await, ["a"]);
}

async fn odd_names_are_names(files: Files) {
    let long = format!("{}/{}/{}/{}", "l".repeat(255), "o".repeat(255), "n".repeat(255), "g".repeat(100));
    let odd = [
        "...",
        ".hidden",
        "a b",
        " a ",
        "a+b",
        "a%2Fb",
        "%",
        "%25",
        "a?b=c&d",
        "a#b",
        "a;b",
        "a'b\"c",
        "<a>&amp;",
        "$where",
        "{a}",
        "[a]",
        "a*",
        "a|b",
        "a^b`c~",
        "ä/ö/ü",
        "日本語/ファイル",
        "😀",
        "e\u{301}",
        "é",
        "..a/b..",
        "con",
        &long,
    ];
    write(&files, &odd).await;
    let mut sorted = odd;
    sorted.sort_unstable();
    assert_eq!(list(&files, "", None, 99).await, sorted);
    for path in odd {
        assert_eq!(read(&files, path).await, path.as_bytes(), "{path}");
        assert_eq!(list(&files, path, None, 1).await, [path]);
        let head = files.head(COMPANY, path).await.expect("looks").expect("is there");
        assert_eq!((&*head.path, head.size), (path, path.len() as u64));
        files.rename(COMPANY, path, "elsewhere").await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        files.rename(COMPANY, "elsewhere", path).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    }
    for path in odd {
        assert_eq!(files.delete(COMPANY, path).await, Ok(true), "{path}");
    }
    assert_eq!(list(&files, "", None, 9).await, [""; 0]);
}

/// Writers of one path and a reader: nobody ever sees anything but what one of them wrote.
async fn a_file_is_replaced_as_a_whole(files: Files) {
    let contents: Vec<Bytes> = [3_000, 300_000, 600_000, 50].iter().map(|size| noise(*size, *size as u64)).collect();
    files.write(COMPANY, "a/b", contents[0].clone()).await.expect("writes");
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (files, contents) = (files.clone(), contents.clone());
            tokio::spawn(async move {
                for turn in 0..8 {
                    let bytes = contents[(writer + turn) % contents.len()].clone();
                    files.write(COMPANY, "a/b", bytes).await.expect("writes");
                }
            })
        })
        .collect();
    let mut reads = 0;
    while reads < 3 || writers.iter().any(|writer| !writer.is_finished()) {
        let bytes = read(&files, "a/b").await;
        assert!(contents.contains(&bytes), "{} bytes that nobody wrote", bytes.len());
        reads += 1;
    }
    for writer in writers {
        writer.await.expect("ends");
    }
    let bytes = read(&files, "a/b").await;
    let head = files.head(COMPANY, "a/b").await.expect("looks").expect("is there");
    assert!(contents.contains(&bytes) && head.size == bytes.len() as u64);
    assert_eq!(list(&files, "", None, 9).await, ["a/b"]);
}

async fn who_renames_at_the_same_moment_loses_nothing(files: Files) {
    for turn in 0..4 {
        write(&files, &["from"]).await;
        let tasks: Vec<_> = ["one", "two"]
            .into_iter()
            .map(|to| {
                let files = files.clone();
                tokio::spawn(async move { files.rename(COMPANY, "from", to).await })
            })
            .collect();
        let mut moved = 0;
        for task in tasks {
            let ended = task.await.expect("ends");
            moved += usize::from(ended.is_ok());
            assert!(ended.is_ok() || is_missing(&ended), "{ended:?}");
        }
        let left = list(&files, "", None, 9).await;
        assert!(moved >= 1 && !left.is_empty() && !left.contains(&"from".to_owned()), "turn {turn}: {moved} {left:?}");
        for path in left {
            assert_eq!(read(&files, &path).await, "from", "{path}");
            assert_eq!(files.delete(COMPANY, &path).await, Ok(true));
        }
    }
}

async fn sweeping_takes_nothing_that_has_a_path(files: Files) {
    write(&files, &["a", "b"]).await;
    files.write(COMPANY, "large", noise(600_000, 1)).await.expect("writes");
    files.write(COMPANY, "empty", Bytes::new()).await.expect("writes");
    files.rename(COMPANY, "a", "c").await.expect("renames");
    files.write(COMPANY, "b", "new".into()).await.expect("replaces");
    // As if all of it were as old as can be.
    for _ in 0..3 {
        files.sweep(Timestamp(4_000_000_000_000)).await.expect("sweeps");
    }
    assert_eq!(list(&files, "", None, 9).await, ["b", "c", "empty", "large"]);
    assert_eq!(read(&files, "large").await, noise(600_000, 1));
    assert_eq!((read(&files, "b").await, read(&files, "c").await), ("new".into(), "a".into()));
    assert_eq!(read(&files, "empty").await, "");
}
