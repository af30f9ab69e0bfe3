//! The company's files: what the storage modules read and write.

use http::{Method, StatusCode};
use model::batch::Batch;
use model::limits::{FILE_BYTES, FILES_LISTED};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use sdk::storage::{FileInfo, StorageError};
use serde::{Deserialize, Serialize};

use crate::access::{Access, Permission};
use crate::answer::{Bytes, Reply};
use crate::body::Raw;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Access::Needs(Permission::PlaysView), Access::Needs(Permission::FlowsRun));
    vec![
        Route::new((Method::GET, "/files"), "listFiles", view, "Lists files.", list),
        Route::new((Method::GET, "/files/content"), "readFile", view, "Gives what is in a file.", read)
            .also(404, "There is no such file."),
        Route::new((Method::POST, "/files"), "writeFile", edit, "Writes a file whole.", write).answers(201, "Written."),
        Route::new((Method::DELETE, "/files"), "deleteFile", edit, "Removes a file.", remove)
            .also(404, "There is no such file."),
    ]
}

/// Which files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// How their paths begin.
    #[serde(default)]
    prefix: String,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    /// Names joined by `/`.
    path: String,
}

/// A file, without what is in it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileView {
    path: String,
    /// Bytes.
    size: u64,
    modified_at: Timestamp,
}

impl From<FileInfo> for FileView {
    fn from(file: FileInfo) -> Self {
        Self { path: file.path, size: file.size, modified_at: file.modified }
    }
}

fn refused(error: StorageError) -> ApiError {
    match error {
        StorageError::NotFound(message) => ApiError::not_found("FILE_NOT_FOUND", message),
        StorageError::BadPath(message) => ApiError::invalid(message),
        StorageError::TooLarge(message) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message),
        StorageError::Full(message) => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "STORE_FULL", message),
        StorageError::Failed(message) => ApiError::internal(message),
    }
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<FileView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let (storage, prefix) = (call.app.engine.files(), &call.query.prefix);
    let files = storage.list(call.company()?, prefix, None, FILES_LISTED).await.map_err(refused)?;
    Ok(Reply::ok(paging.cut(files.into_iter().map(FileView::from).collect())))
}

async fn read(call: Call<Nothing, FileQuery>) -> Result<Bytes, ApiError> {
    let path = &call.query.path;
    let bytes = call.app.engine.files().read(call.company()?, path, FILE_BYTES).await.map_err(refused)?;
    let file_name = path.rsplit('/').next().map(str::to_owned);
    Ok(Bytes { media: "application/octet-stream", bytes, file_name })
}

async fn write(call: Call<Nothing, FileQuery, Raw>) -> Result<Reply<FileView>, ApiError> {
    let (path, company) = (&call.query.path, call.company()?);
    if call.body.0.len() > FILE_BYTES {
        return Err(refused(StorageError::TooLarge(format!("a file has at most {} MiB", FILE_BYTES >> 20))));
    }
    let files = call.app.engine.files();
    files.write(company, path, call.body.0.clone()).await.map_err(refused)?;
    let file = files.head(company, path).await.map_err(refused)?;
    let file = file.ok_or_else(|| ApiError::conflict("CONFLICT", format!("{path} was removed at the same moment")))?;
    audit(&call, "file.write").await?;
    Ok(Reply::with(StatusCode::CREATED, file.into()))
}

async fn remove(call: Call<Nothing, FileQuery>) -> Result<(), ApiError> {
    let path = &call.query.path;
    if !call.app.engine.files().delete(call.company()?, path).await.map_err(refused)? {
        return Err(ApiError::not_found("FILE_NOT_FOUND", format!("there is no file {path:?}")));
    }
    audit(&call, "file.delete").await
}

async fn audit<B>(call: &Call<Nothing, FileQuery, B>, action: &str) -> Result<(), ApiError> {
    let row = call.audit(action, ("file", &call.query.path), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch { audit: vec![row], ..Batch::default() }).await?;
    Ok(())
}
