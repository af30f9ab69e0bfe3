//! Files of companies in a local folder.

use std::fs;

use bytes::Bytes;
use model::ids::{CompanyId, Id};
use modules::provider::LocalFiles;
use sdk::storage::{Storage, StorageError};

const MANY: usize = 1 << 20;

fn company(number: u64) -> CompanyId {
    CompanyId::from(Id::from_parts(1, number))
}

fn open() -> (tempfile::TempDir, LocalFiles) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = LocalFiles::open(&folder.path().join("objects/here")).expect("opens");
    (folder, files)
}

async fn write(files: &LocalFiles, paths: &[&str]) {
    for path in paths {
        let bytes = Bytes::from((*path).to_owned());
        files.write(company(1), path, bytes).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    }
}

async fn paths(files: &LocalFiles, prefix: &str, limit: usize) -> Vec<String> {
    paths_after(files, prefix, None, limit).await
}

async fn paths_after(files: &LocalFiles, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let found = files.list(company(1), prefix, after, limit).await.expect("lists");
    found.into_iter().map(|file| file.path).collect()
}

#[tokio::test]
async fn what_is_written_is_read() {
    let (_folder, files) = open();
    let mine = company(1);
    write(&files, &["a", "b/c/d.txt", "b/e"]).await;
    assert_eq!(files.read(mine, "b/c/d.txt", MANY).await, Ok("b/c/d.txt".into()));
    files.write(mine, "a", "other".into()).await.expect("replaces");
    assert_eq!(files.read(mine, "a", 5).await, Ok("other".into()));
    assert!(matches!(files.read(mine, "a", 4).await, Err(StorageError::TooLarge(_))));
    let head = files.head(mine, "b/e").await.expect("looks").expect("is there");
    assert_eq!((&*head.path, head.size), ("b/e", 3));
    assert!(head.modified.0 > 1_600_000_000_000);
    for missing in ["x", "b", "b/c", "a/b", "b/c/d"] {
        assert_eq!(files.head(mine, missing).await, Ok(None), "{missing}");
        assert_eq!(files.delete(mine, missing).await, Ok(false), "{missing}");
        assert!(files.read(mine, missing, MANY).await.is_err(), "{missing}");
    }
    assert_eq!(files.delete(mine, "a").await, Ok(true));
    assert!(matches!(files.read(mine, "a", MANY).await, Err(StorageError::NotFound(_))));
    assert!(matches!(files.write(mine, "b", "x".into()).await, Err(StorageError::BadPath(_))));
    assert!(matches!(files.write(mine, "b/e/f", "x".into()).await, Err(StorageError::BadPath(_))));
    files.write(mine, "empty", Bytes::new()).await.expect("writes");
    assert_eq!(files.read(mine, "empty", 0).await, Ok(Bytes::new()));
}

#[tokio::test]
async fn a_file_gets_another_path() {
    let (_folder, files) = open();
    let mine = company(1);
    write(&files, &["a/b", "c"]).await;
    files.rename(mine, "a/b", "x/y/z").await.expect("renames");
    assert_eq!(paths(&files, "", 9).await, ["c", "x/y/z"]);
    files.rename(mine, "x/y/z", "c").await.expect("replaces");
    assert_eq!(files.read(mine, "c", MANY).await, Ok("a/b".into()));
    assert_eq!(paths(&files, "", 9).await, ["c"]);
    assert!(matches!(files.rename(mine, "none", "d").await, Err(StorageError::NotFound(_))));
    files.rename(mine, "c", "c").await.expect("stays");
    assert_eq!(paths(&files, "", 9).await, ["c"]);
}

#[tokio::test]
async fn files_are_listed_in_the_order_of_their_paths() {
    let (_folder, files) = open();
    assert_eq!(paths(&files, "", 9).await, [""; 0]);
    let mut sorted = ["b0", "b/2/x", "a.b", "c/d/e/f", "a", "b/10", "a-b", "b/1"];
    write(&files, &sorted).await;
    sorted.sort_unstable();
    assert_eq!(paths(&files, "", 99).await, sorted);
    for limit in 0..sorted.len() {
        assert_eq!(paths(&files, "", limit).await, sorted[..limit]);
    }
    assert_eq!(paths(&files, "b/", 9).await, ["b/1", "b/10", "b/2/x"]);
    assert_eq!(paths(&files, "b/1", 9).await, ["b/1", "b/10"]);
    assert_eq!(paths(&files, "b", 9).await, ["b/1", "b/10", "b/2/x", "b0"]);
    assert_eq!(paths(&files, "c/d/e/f", 9).await, ["c/d/e/f"]);
    for prefix in ["/", "..", "../", "z", "c/d/e/f/", "./"] {
        assert_eq!(paths(&files, prefix, 9).await, [""; 0], "{prefix}");
    }
    let many: Vec<String> = (0..200).map(|number| format!("many/{number:03}/file")).collect();
    write(&files, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(paths(&files, "many/", 150).await, many[..150]);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = paths_after(&files, "", after.as_deref(), 3).await;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert_eq!(paged, paths(&files, "", 999).await);
    // What it comes after need not be there, nor be a path.
    assert_eq!(paths_after(&files, "b", Some("b/10/x"), 9).await, ["b/2/x", "b0"]);
    assert_eq!(paths_after(&files, "b/", Some("b/"), 1).await, ["b/1"]);
    assert_eq!(paths_after(&files, "b/", Some("a"), 9).await, ["b/1", "b/10", "b/2/x"]);
    assert_eq!(paths_after(&files, "b/", Some("b/2/x"), 9).await, [""; 0]);
}

#[tokio::test]
async fn no_company_sees_the_files_of_another() {
    let (_folder, files) = open();
    write(&files, &["a"]).await;
    let other = company(2);
    assert!(matches!(files.read(other, "a", MANY).await, Err(StorageError::NotFound(_))));
    assert_eq!(files.list(other, "", None, 9).await, Ok(vec![]));
    assert_eq!(files.delete(other, "a").await, Ok(false));
    files.write(other, "a", "other".into()).await.expect("writes");
    assert_eq!(files.read(company(1), "a", MANY).await, Ok("a".into()));
}

#[tokio::test]
async fn no_path_and_no_link_leads_out() {
    let (folder, files) = open();
    let mine = company(1);
    fs::write(folder.path().join("secret"), "s3cr3t").expect("writes");
    write(&files, &["a"]).await;
    files.write(company(2), "theirs", "s3cr3t".into()).await.expect("writes");
    for path in ["../secret", "/etc/passwd", "a/../../secret", "..", "", "a//b", "a\\..\\b", "a\0"] {
        let bad = |result: Result<(), StorageError>| matches!(result, Err(StorageError::BadPath(_)));
        assert!(bad(files.read(mine, path, MANY).await.map(drop)), "{path}");
        assert!(bad(files.write(mine, path, "x".into()).await), "{path}");
        assert!(bad(files.rename(mine, path, "b").await), "{path}");
        assert!(bad(files.rename(mine, "a", path).await), "{path}");
        assert!(bad(files.delete(mine, path).await.map(drop)), "{path}");
        assert!(bad(files.head(mine, path).await.map(drop)), "{path}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        let own = folder.path().join("objects/here").join(mine.to_string()).join("files");
        symlink(folder.path(), own.join("out")).expect("links");
        symlink(folder.path().join("secret"), own.join("file")).expect("links");
        symlink(format!("../../{}/files", company(2)), own.join("theirs")).expect("links");
        for path in ["out/secret", "file", "theirs/theirs"] {
            assert!(files.read(mine, path, MANY).await.is_err(), "{path}");
            assert!(!matches!(files.head(mine, path).await, Ok(Some(_))), "{path}");
            assert!(!matches!(files.delete(mine, path).await, Ok(true)), "{path}");
        }
        for path in ["out/new", "theirs/new"] {
            assert!(files.write(mine, path, "x".into()).await.is_err(), "{path}");
            assert!(files.rename(mine, "a", path).await.is_err(), "{path}");
        }
        assert_eq!(paths(&files, "", 9).await, ["a"]);
        // A link in the place of a file is replaced, not followed.
        files.write(mine, "file", "mine".into()).await.expect("writes");
        assert_eq!(fs::read_to_string(folder.path().join("secret")).expect("reads"), "s3cr3t");
        assert_eq!(paths(&files, "", 9).await, ["a", "file"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_the_old_file_or_the_new_one() {
    let (_folder, files) = open();
    let mine = company(1);
    let contents = ["x".repeat(50_000), "y".repeat(100_000)].map(Bytes::from);
    files.write(mine, "a/b", contents[0].clone()).await.expect("writes");
    let writer = tokio::spawn({
        let (files, contents) = (files.clone(), contents.clone());
        async move {
            for turn in 0..50 {
                files.write(mine, "a/b", contents[turn % 2].clone()).await.expect("writes");
            }
        }
    });
    while !writer.is_finished() {
        let read = files.read(mine, "a/b", MANY).await.expect("reads");
        assert!(contents.contains(&read));
    }
    writer.await.expect("ends");
}

/// A folder that is removed for being empty is made again by who needs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_removers_do_not_disturb_each_other() {
    let (_folder, files) = open();
    let tasks = ["x/y/1", "x/y/2"].map(|path| {
        let files = files.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                files.write(company(1), path, "x".into()).await.expect("writes");
                assert_eq!(files.delete(company(1), path).await, Ok(true));
            }
        })
    });
    for task in tasks {
        task.await.expect("ends");
    }
    assert_eq!(paths(&files, "", 9).await, [""; 0]);
}
