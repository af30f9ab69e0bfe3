//! A clock that a test may move on, files in memory, and no network.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::world::World;
use model::ids::CompanyId;
use model::time::Timestamp;
use sdk::http::{Http, HttpError, HttpRequest, HttpResponse};
use sdk::storage::{FileInfo, Storage, StorageError};
use tokio::time::Instant;

/// All tests begin at the same time.
const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// A clock that a test may move on, and randomness from the system.
pub(crate) struct TestWorld {
    begin: Timestamp,
    begun: Instant,
    ahead_ms: AtomicU64,
}

impl Default for TestWorld {
    fn default() -> Self {
        Self::at(BEGIN)
    }
}

impl TestWorld {
    /// A world that begins at that time.
    pub(crate) fn at(begin: Timestamp) -> Self {
        Self { begin, begun: Instant::now(), ahead_ms: AtomicU64::new(0) }
    }

    /// Lets time pass at once.
    pub(crate) fn pass(&self, time: Duration) {
        self.ahead_ms.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

#[async_trait]
impl World for TestWorld {
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst));
        self.begin.plus(self.begun.elapsed() + ahead)
    }

    fn random(&self) -> u64 {
        u64::from_le_bytes(vault::random().expect("randomness"))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) struct NoHttp;

#[async_trait]
impl Http for NoHttp {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        // As if the connection had broken after the request left.
        Err(HttpError { code: "HTTP_CONNECT", message: "there is no network on stage".into(), maybe_done: true })
    }
}

/// Files in memory, each company's for itself.
#[derive(Default)]
pub(crate) struct Files(Mutex<BTreeMap<(CompanyId, String), bytes::Bytes>>);

impl Files {
    fn checked(path: &str) -> Result<(), StorageError> {
        let is_bad = path.is_empty() || path.split('/').any(|name| matches!(name, "" | "." | ".."));
        if is_bad { Err(StorageError::BadPath(format!("{path:?} is not a path"))) } else { Ok(()) }
    }
}

#[async_trait]
impl Storage for Files {
    async fn read(&self, company: CompanyId, path: &str, _: usize) -> Result<bytes::Bytes, StorageError> {
        let found = self.0.lock().expect("files").get(&(company, path.into())).cloned();
        found.ok_or_else(|| StorageError::NotFound(format!("there is no file {path:?}")))
    }

    async fn write(&self, company: CompanyId, path: &str, bytes: bytes::Bytes) -> Result<(), StorageError> {
        Self::checked(path)?;
        self.0.lock().expect("files").insert((company, path.into()), bytes);
        Ok(())
    }

    async fn rename(&self, company: CompanyId, from: &str, to: &str) -> Result<(), StorageError> {
        let mut files = self.0.lock().expect("files");
        let bytes = files.remove(&(company, from.into())).ok_or_else(|| StorageError::NotFound(from.into()))?;
        files.insert((company, to.into()), bytes);
        Ok(())
    }

    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError> {
        Ok(self.0.lock().expect("files").remove(&(company, path.into())).is_some())
    }

    async fn head(&self, company: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError> {
        let files = self.0.lock().expect("files");
        let size = files.get(&(company, path.into())).map(|bytes| bytes.len() as u64);
        Ok(size.map(|size| FileInfo { path: path.into(), size, modified: BEGIN }))
    }

    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let files = self.0.lock().expect("files");
        let is_asked = |path: &str| path.starts_with(prefix) && after.is_none_or(|after| path > after);
        let own = files.iter().filter(|((owner, path), _)| *owner == company && is_asked(path)).take(limit);
        Ok(own
            .map(|((_, path), bytes)| FileInfo { path: path.clone(), size: bytes.len() as u64, modified: BEGIN })
            .collect())
    }
}
