//! [`BucketFiles`]: a company's files in a bucket, behind the seam of the sdk.
//!
//! A store shows an object as a whole or not at all, so nothing is made beside its place. Names
//! are kept as they are, so that the order of names is the order of paths.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::ids::CompanyId;
use model::limits::{OBJECT_KEY_BYTES, OBJECT_PART_BYTES, OBJECT_PARTS_AT_ONCE};
use model::time::Timestamp;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _};
use sdk::storage::{FileInfo, Storage, StorageError, check_path};

use crate::connect::Objects;
use crate::fault::Fault;

/// Names that one list of a store holds at most.
const PAGE: usize = 1_000;

/// Keeps files in a bucket.
#[derive(Clone)]
pub struct BucketFiles {
    objects: Arc<dyn Objects>,
    /// What the bucket is, for messages.
    place: Arc<str>,
    /// What all names begin with; ends with `/`.
    root: String,
    /// Whether a list leaves out the object whose name is the prefix, as object_store's of Azure does.
    leaves_out_prefix: bool,
    /// Whether all of it is one company's own.
    is_of_one: bool,
}

impl BucketFiles {
    pub(crate) fn new(objects: Arc<dyn Objects>, place: Arc<str>, root: String, leaves_out_prefix: bool) -> Self {
        Self { objects, place, root, leaves_out_prefix, is_of_one: false }
    }

    /// The same, where all of it is one company's own.
    pub(crate) fn of_one(self) -> Self {
        Self { is_of_one: true, ..self }
    }

    /// What the names of a company's objects begin with.
    fn home(&self, company: CompanyId) -> String {
        if self.is_of_one {
            return self.root.clone();
        }
        format!("{}{company}/", self.root)
    }

    fn key(&self, company: CompanyId, path: &str) -> Result<Path, StorageError> {
        check_path(path)?;
        let key = format!("{}{path}", self.home(company));
        if key.len() > OBJECT_KEY_BYTES {
            let most = OBJECT_KEY_BYTES - (key.len() - path.len()).min(OBJECT_KEY_BYTES);
            return Err(StorageError::BadPath(format!("the path has more than the {most} bytes that fit the bucket")));
        }
        Path::parse(&key).map_err(|error| StorageError::BadPath(error.to_string()))
    }

    fn told(&self, path: &str, error: Error) -> StorageError {
        Fault::from(error).into_storage(&self.place, path)
    }

    /// Puts a large object there in parts, of which several are on their way at once.
    async fn put_parts(&self, key: &Path, bytes: Bytes) -> Result<(), Error> {
        let mut upload = self.objects.put_multipart(key).await?;
        let starts = (0..bytes.len()).step_by(OBJECT_PART_BYTES);
        let parts: Vec<_> = starts
            .map(|start| upload.put_part(bytes.slice(start..bytes.len().min(start + OBJECT_PART_BYTES)).into()))
            .collect();
        let put = stream::iter(parts).buffer_unordered(OBJECT_PARTS_AT_ONCE).try_collect::<()>().await;
        let ended = match put {
            Ok(()) => upload.complete().await.map(drop),
            Err(error) => Err(error),
        };
        if ended.is_err()
            && let Err(error) = upload.abort().await
        {
            // The store keeps the parts until a rule of the bucket removes them.
            tracing::debug!(%error, "the parts of an object were not given up");
        }
        ended
    }

    /// The object's path within the company; none for what is not a file of it.
    fn info(home: &str, object: &ObjectMeta) -> Option<FileInfo> {
        let path = object.location.as_ref().strip_prefix(home)?.to_owned();
        Some(FileInfo { path, size: object.size, modified: Timestamp(object.last_modified.timestamp_millis()) })
    }
}

#[async_trait]
impl Storage for BucketFiles {
    async fn read(&self, company: CompanyId, path: &str, max: usize) -> Result<Bytes, StorageError> {
        let key = self.key(company, path)?;
        let found = self.objects.get(&key).await.map_err(|error| self.told(path, error))?;
        if found.meta.size > max as u64 {
            return Err(StorageError::TooLarge(format!("{path} has more than {max} bytes")));
        }
        found.bytes().await.map_err(|error| self.told(path, error))
    }

    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError> {
        let key = self.key(company, path)?;
        let put = match bytes.len() {
            0..=OBJECT_PART_BYTES => self.objects.put(&key, bytes.into()).await.map(drop),
            _ => self.put_parts(&key, bytes).await,
        };
        put.map_err(|error| self.told(path, error))
    }

    async fn rename(&self, company: CompanyId, from: &str, to: &str) -> Result<(), StorageError> {
        let (old, new) = (self.key(company, from)?, self.key(company, to)?);
        if old == new {
            return self.objects.head(&old).await.map(drop).map_err(|error| self.told(from, error));
        }
        // A store renames nothing. It is under its new name before it loses the old one.
        self.objects.copy(&old, &new).await.map_err(|error| self.told(from, error))?;
        self.objects.delete(&old).await.map_err(|error| self.told(from, error))
    }

    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError> {
        let key = self.key(company, path)?;
        // A store does not say whether there was something to remove.
        if self.head(company, path).await?.is_none() {
            return Ok(false);
        }
        match self.objects.delete(&key).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(self.told(path, error)),
        }
    }

    async fn head(&self, company: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError> {
        let key = self.key(company, path)?;
        match self.objects.head(&key).await {
            Ok(object) => Ok(Self::info(&self.home(company), &object)),
            Err(error) => match Fault::from(error) {
                Fault::NoObject => Ok(None),
                fault => Err(fault.into_storage(&self.place, path)),
            },
        }
    }

    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let mut found = Vec::new();
        // Such characters are in no path, and not every store takes them in a question.
        if prefix.contains(char::is_control) {
            return Ok(found);
        }
        let home = self.home(company);
        let whole = format!("{home}{prefix}");
        let plain = after.map(|after| after.split(char::is_control).next().unwrap_or_default());
        let mut asked = PaginatedListOptions {
            offset: plain.filter(|after| *after >= prefix).map(|after| format!("{home}{after}")),
            ..PaginatedListOptions::default()
        };
        if self.leaves_out_prefix && limit > 0 && asked.offset.is_none() && check_path(prefix).is_ok() {
            found.extend(self.head(company, prefix).await?);
        }
        while found.len() < limit {
            asked.max_keys = Some((limit - found.len()).min(PAGE));
            let page = self.objects.list_paginated(Some(&whole), asked.clone()).await;
            let page = page.map_err(|error| self.told("the folder", error))?;
            let infos = page.result.objects.iter().filter_map(|object| Self::info(&home, object));
            // Some stores begin with the one to go on after, and some do not know how to go on.
            found.extend(infos.filter(|file| after.is_none_or(|after| file.path.as_str() > after)));
            let Some(token) = page.page_token else { break };
            asked.page_token = Some(token);
        }
        found.truncate(limit);
        Ok(found)
    }
}
