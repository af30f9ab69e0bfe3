//! [`MongoFiles`]: files as chunks in MongoDB (GridFS), which all replicas share.
//!
//! What is in an object of GridFS never changes. A write puts a new one beside the old, turns the
//! name to it in one step, and only then removes the old; so a reader finds the one or the other,
//! as a whole, and no clock says which is newer. What is left where a writer ends in between has
//! no name, and is removed by [`crate::sweep`].

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use model::ids::CompanyId;
use model::time::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::gridfs::GridFsBucket;
use mongodb::options::{GridFsBucketOptions, ReturnDocument};
use mongodb::{Client, Collection, Database};
use sdk::storage::{FileInfo, Storage, StorageError, check_path};
use store::StoreError;

use crate::fault::Fault;
use crate::sweep::Sweep;
use crate::tx::{Ops, Tx, durable};

/// How often something is tried again that others disturb.
const TRIES: usize = 16;

/// Bytes that are handed to the driver at once.
const AT_ONCE: usize = 4 << 20;

/// Where files of one kind are.
pub(crate) struct Kind {
    /// The bucket of GridFS; its collections are `.files` and `.chunks`.
    pub(crate) bucket: &'static str,
    /// The names: `_id` company and path, `f` the object, `n` its bytes, `at` when it was written.
    pub(crate) names: &'static str,
}

/// Files that flows read and write.
pub(crate) const FILES: Kind = Kind { bucket: "fs_files", names: "fs_files.names" };

/// Large values of plays.
pub(crate) const VALUES: Kind = Kind { bucket: "fs_values", names: "fs_values.names" };

/// Keeps files in MongoDB.
#[derive(Clone)]
pub struct MongoFiles {
    pub(crate) client: Client,
    pub(crate) db: Database,
    pub(crate) bucket: GridFsBucket,
    pub(crate) kind: &'static Kind,
    pub(crate) swept: Arc<Sweep>,
}

/// What a name leads to.
struct Named {
    object: ObjectId,
    size: u64,
    at: Timestamp,
}

impl Named {
    fn of(name: &Document) -> Result<Self, Fault> {
        let odd = |_| Fault::damaged("the name of a file does not read");
        let size = name.get_i64("n").map_err(odd)?;
        Ok(Self {
            object: name.get_object_id("f").map_err(odd)?,
            size: u64::try_from(size).map_err(|_| Fault::damaged("a file has less than no bytes"))?,
            at: Timestamp(name.get_datetime("at").map_err(odd)?.timestamp_millis()),
        })
    }
}

impl MongoFiles {
    pub(crate) fn new(client: &Client, db: &Database, kind: &'static Kind) -> Self {
        // Read and write concern are those of the client: the majority, and its primary.
        let options = GridFsBucketOptions::builder().bucket_name(kind.bucket.to_owned()).write_concern(durable());
        let bucket = db.gridfs_bucket(options.build());
        Self { client: client.clone(), db: db.clone(), bucket, kind, swept: Arc::default() }
    }

    pub(crate) fn names(&self) -> Collection<Document> {
        self.db.collection(self.kind.names)
    }

    async fn named(&self, key: &str) -> Result<Option<Named>, Fault> {
        self.names().find_one(doc! { "_id": key }).await?.as_ref().map(Named::of).transpose()
    }

    /// Puts an object beside the others. It has no name yet.
    async fn put(&self, key: &str, bytes: &[u8]) -> Result<ObjectId, Fault> {
        let id = ObjectId::new();
        let mut upload = self.bucket.open_upload_stream(key).id(Bson::ObjectId(id)).await?;
        for part in bytes.chunks(AT_ONCE) {
            upload.write_all(part).await.map_err(from_io)?;
        }
        upload.close().await.map_err(from_io)?;
        Ok(id)
    }

    /// Gives an object a name; gives back what had it before.
    async fn turn(&self, key: &str, object: ObjectId, size: usize) -> Result<Option<Named>, Fault> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let change = doc! { "$set": { "f": object, "n": size }, "$currentDate": { "at": true } };
        let names = self.names();
        let turned = names.find_one_and_update(doc! { "_id": key }, change);
        let before = turned.upsert(true).return_document(ReturnDocument::Before).await?;
        before.as_ref().map(Named::of).transpose()
    }

    /// Removes an object that has no name any more. Where that fails it is left to the next sweep.
    async fn drop_object(&self, object: ObjectId) {
        match self.bucket.delete(Bson::ObjectId(object)).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => tracing::warn!(%error, "what a file held before is left to be swept"),
        }
    }

    async fn load(&self, named: &Named) -> Result<Vec<u8>, Error> {
        let mut download = self.bucket.open_download_stream(Bson::ObjectId(named.object)).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(named.size).unwrap_or_default());
        download.read_to_end(&mut bytes).await.map_err(error_in)?;
        Ok(bytes)
    }

    /// Turns one name to what another leads to and removes the other, both or neither; gives back
    /// what the first led to. None where the other is not there.
    async fn move_name(&self, from: &str, to: &str) -> Result<Option<Option<ObjectId>>, Fault> {
        let mut session = self.client.start_session().await?;
        let mut tx = Tx::begin(&self.db, &mut session).await?;
        match Self::moved(&mut tx, self.kind.names, from, to).await {
            Ok(Some(before)) => tx.commit().await.map(|()| Some(before)),
            outcome => {
                tx.abort().await;
                outcome
            }
        }
    }

    async fn moved(
        tx: &mut Tx<'_>,
        names: &'static str,
        from: &str,
        to: &str,
    ) -> Result<Option<Option<ObjectId>>, Fault> {
        let Some(mut name) = tx.one(names, doc! { "_id": from }, doc! {}).await? else { return Ok(None) };
        let before = tx.one(names, doc! { "_id": to }, doc! {}).await?;
        let before = before.as_ref().map(Named::of).transpose()?;
        name.remove("_id");
        let mut ops = Ops::default();
        ops.delete(names, doc! { "_id": from });
        ops.upsert(names, doc! { "_id": to }, doc! { "$set": name });
        tx.apply(&mut ops).await?;
        Ok(Some(before.map(|before| before.object)))
    }
}

#[async_trait]
impl Storage for MongoFiles {
    async fn read(&self, company: CompanyId, path: &str, max: usize) -> Result<Bytes, StorageError> {
        let key = key(company, path)?;
        let mut known = None;
        for _ in 0..TRIES {
            let Some(named) = self.named(&key).await.map_err(told)? else { break };
            if named.size > max as u64 {
                return Err(StorageError::TooLarge(format!("{path} has more than {max} bytes")));
            }
            match self.load(&named).await {
                Ok(bytes) => return Ok(bytes.into()),
                // It was replaced while it was read, unless its name still leads there.
                Err(error) if is_gone(&error) && known != Some(named.object) => known = Some(named.object),
                Err(error) => return Err(told(error.into())),
            }
        }
        match known {
            None => Err(missing(path)),
            Some(_) if self.named(&key).await.map_err(told)?.is_none() => Err(missing(path)),
            Some(_) => Err(StorageError::Failed(format!("{path} is replaced again and again while it is read"))),
        }
    }

    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError> {
        let key = key(company, path)?;
        let object = self.put(&key, &bytes).await.map_err(told)?;
        // Where it is not known whether the name was turned, the object stays; a sweep finds out.
        let before = self.turn(&key, object, bytes.len()).await.map_err(told)?;
        if let Some(before) = before.filter(|before| before.object != object) {
            self.drop_object(before.object).await;
        }
        Ok(())
    }

    async fn rename(&self, company: CompanyId, from: &str, to: &str) -> Result<(), StorageError> {
        let (old, new) = (key(company, from)?, key(company, to)?);
        if old == new {
            return self.named(&old).await.map_err(told)?.map(drop).ok_or_else(|| missing(from));
        }
        for _ in 0..TRIES {
            match self.move_name(&old, &new).await {
                Ok(None) => return Err(missing(from)),
                Ok(Some(before)) => {
                    if let Some(before) = before {
                        self.drop_object(before).await;
                    }
                    return Ok(());
                }
                Err(fault) if fault.may_pass() => {}
                Err(fault) => return Err(told(fault)),
            }
        }
        Err(told(Fault::Raced))
    }

    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError> {
        let key = key(company, path)?;
        let removed = self.names().find_one_and_delete(doc! { "_id": key }).await;
        let Some(name) = removed.map_err(|error| told(error.into()))? else { return Ok(false) };
        self.drop_object(Named::of(&name).map_err(told)?.object).await;
        Ok(true)
    }

    async fn head(&self, company: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError> {
        let key = key(company, path)?;
        let named = self.named(&key).await.map_err(told)?;
        Ok(named.map(|named| FileInfo { path: path.to_owned(), size: named.size, modified: named.at }))
    }

    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let home = format!("{company}/");
        let whole = format!("{home}{prefix}");
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => doc! { "$gt": format!("{home}{after}") },
            None => doc! { "$gte": &whole },
        };
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let names = self.names();
        let query = names.find(doc! { "_id": from }).sort(doc! { "_id": 1 });
        let query = query.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut found_names = query.await.map_err(|error| told(error.into()))?;
        while found_names.advance().await.map_err(|error| told(error.into()))? {
            let name = found_names.deserialize_current().map_err(|error| told(error.into()))?;
            let key = name.get_str("_id").unwrap_or_default();
            // Names that share a beginning stand together.
            if !key.starts_with(&whole) {
                break;
            }
            let path = key[home.len()..].to_owned();
            let named = Named::of(&name).map_err(told)?;
            found.push(FileInfo { path, size: named.size, modified: named.at });
        }
        Ok(found)
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.swept.run(self, before).await.map_err(told)
    }
}

/// The name under which a company's file is kept. Names are in the order of their bytes.
fn key(company: CompanyId, path: &str) -> Result<String, StorageError> {
    check_path(path)?;
    Ok(format!("{company}/{path}"))
}

fn missing(path: &str) -> StorageError {
    StorageError::NotFound(format!("there is no file {path}"))
}

/// What a fault means for a file.
fn told(fault: Fault) -> StorageError {
    match fault.into_store() {
        StoreError::Full(message) => StorageError::Full(message),
        other => StorageError::Failed(other.to_string()),
    }
}

/// Whether an object, or a part of it, is not there any more.
pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::GridFs(_))
}

/// The driver's error within one of a stream.
fn error_in(error: std::io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(Error::custom)
}

fn from_io(error: std::io::Error) -> Fault {
    error_in(error).into()
}
