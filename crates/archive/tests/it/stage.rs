//! Stores with a history, a storage in memory, and archives of both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use archive::{About, ArchiveError, Checked, Objects, Target, Totals};
use async_trait::async_trait;
use bytes::Bytes;
use model::ids::CompanyId;
use model::time::Timestamp;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sdk::storage::{FileInfo, Storage, StorageError};
use store::Store;
use store::memory::MemoryStore;
use store_suite::{go_through, ops};
use vault::MasterKey;

type Key = (CompanyId, String);

/// Files in memory.
#[derive(Default)]
pub(crate) struct InMemory {
    files: Mutex<BTreeMap<Key, Bytes>>,
    /// Writes of this path are said to have happened.
    loses: Option<&'static str>,
}

impl InMemory {
    /// A storage that forgets one path.
    pub(crate) fn losing(path: &'static str) -> Self {
        Self { loses: Some(path), ..Self::default() }
    }
}

#[async_trait]
impl Storage for InMemory {
    async fn read(&self, company: CompanyId, path: &str, _max: usize) -> Result<Bytes, StorageError> {
        let found = self.files.lock().expect("no panic").get(&(company, path.to_owned())).cloned();
        found.ok_or_else(|| StorageError::NotFound(path.into()))
    }

    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError> {
        if self.loses != Some(path) {
            self.files.lock().expect("no panic").insert((company, path.to_owned()), bytes);
        }
        Ok(())
    }

    async fn rename(&self, _: CompanyId, from: &str, _: &str) -> Result<(), StorageError> {
        Err(StorageError::NotFound(from.into()))
    }

    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError> {
        Ok(self.files.lock().expect("no panic").remove(&(company, path.to_owned())).is_some())
    }

    async fn head(&self, _: CompanyId, _: &str) -> Result<Option<FileInfo>, StorageError> {
        Ok(None)
    }

    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let files = self.files.lock().expect("no panic");
        let is_asked = |path: &str| path.starts_with(prefix) && after.is_none_or(|after| path > after);
        let found = files.iter().filter(|((of, path), _)| *of == company && is_asked(path));
        let info = |((_, path), bytes): (&Key, &Bytes)| FileInfo {
            path: path.clone(),
            size: bytes.len() as u64,
            modified: Timestamp(1),
        };
        Ok(found.take(limit).map(info).collect())
    }
}

/// Empty objects.
pub(crate) fn no_objects() -> Objects {
    Objects { files: Arc::new(InMemory::default()), values: Arc::new(InMemory::default()) }
}

/// A company of the suite's histories.
pub(crate) fn company() -> CompanyId {
    CompanyId(model::ids::Id::from_bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
}

pub(crate) fn master() -> MasterKey {
    MasterKey::from_hex(&"5a".repeat(32)).expect("a key")
}

/// A store with some history, the same each time.
pub(crate) async fn history(length: usize) -> MemoryStore {
    let (model, mut runner) = (MemoryStore::default(), TestRunner::deterministic());
    for _ in 0..length {
        let ops = ops().new_tree(&mut runner).expect("a history").current();
        go_through(&model, &ops).await;
    }
    model
}

/// An archive of a store and objects.
pub(crate) async fn archived(store: &dyn Store, objects: &Objects) -> (Vec<u8>, Totals) {
    let about = About::new("1.2.3", Timestamp(5), &master()).expect("random");
    let mut bytes = Vec::new();
    let rows = store.dump().await.expect("begins");
    let written = archive::write(&mut bytes, &about, &master(), rows, objects, &mut |_| {}).await;
    let (totals, length) = written.expect("is written");
    assert_eq!(length, bytes.len() as u64);
    (bytes, totals)
}

pub(crate) fn check(bytes: &[u8]) -> Result<Checked, ArchiveError> {
    archive::check(bytes, &master(), &mut |_| {})
}

/// Checks an archive and restores it.
pub(crate) async fn restored(bytes: &[u8], store: &dyn Store, objects: &Objects) -> Result<Totals, ArchiveError> {
    let checked = check(bytes)?;
    let target = Target { store, objects, over_objects: false };
    archive::restore(bytes, &checked, &master(), &target, &mut |_| {}).await
}
