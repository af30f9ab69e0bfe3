//! What a backup is made of, and where one is restored to: the store, the objects and the key that
//! are configured, without an engine and without a server.

use std::path::Path;
use std::sync::Arc;

use archive::Objects;
use engine::world::World as _;
use model::time::Timestamp;
use store::dump::Rows;
use store::sqlite::{self, SqliteOptions, SqliteStore};
use store::{Store, StoreError};
use store_mongo::{MongoOptions, MongoStore};
use vault::MasterKey;

use super::world::SystemWorld;
use super::{Keep, OpenError, keys, mongo_options, objects};
use crate::config::Config;

/// All that the store holds. The embedded one may be in use: it is read beside whoever has it.
///
/// # Errors
/// Where it cannot be read.
pub async fn rows(config: &Config) -> Result<Rows, StoreError> {
    match mongo_options(config) {
        Some(options) => store_mongo::dump(&options).await,
        None => sqlite::dump(&SqliteOptions::in_folder(&config.data_dir)).await,
    }
}

/// The store to restore into. With `over_unfinished`, also one that is left from a restore that did not finish.
///
/// # Errors
/// Where it cannot be opened.
pub async fn target(config: &Config, over_unfinished: bool) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match mongo_options(config) {
        Some(options) => Arc::new(MongoStore::open(&MongoOptions { over_unfinished, ..options }).await?),
        None => scratch(&config.data_dir, over_unfinished)?,
    })
}

/// An embedded store in a folder.
///
/// # Errors
/// Where it cannot be opened.
pub fn scratch(folder: &Path, over_unfinished: bool) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(SqliteStore::open(&SqliteOptions { over_unfinished, ..SqliteOptions::in_folder(folder) })?))
}

/// Whether that store could be restored into. Changes nothing.
///
/// # Errors
/// Where it could not, or cannot be reached.
pub async fn is_vacant(config: &Config, over_unfinished: bool) -> Result<(), StoreError> {
    let (is_vacant, name) = match mongo_options(config) {
        Some(options) => {
            (MongoStore::is_vacant(&MongoOptions { over_unfinished, ..options }).await?, "the database".to_owned())
        }
        None => {
            let options = SqliteOptions { over_unfinished, ..SqliteOptions::in_folder(&config.data_dir) };
            (SqliteStore::is_vacant(&options)?, config.data_dir.display().to_string())
        }
    };
    if is_vacant { Ok(()) } else { Err(StoreError::NotEmpty(name)) }
}

/// Whether somebody has begun an installation in that store. Changes nothing, and makes nothing.
///
/// # Errors
/// Where the database cannot be reached.
pub async fn is_begun(config: &Config) -> Result<bool, StoreError> {
    match is_vacant(config, false).await {
        Ok(()) => Ok(false),
        Err(StoreError::NotEmpty(_)) => Ok(true),
        Err(error) if config.mongodb.uri.is_some() => Err(error),
        // There is something. Whoever opens it brings it up to date, or says what is wrong with it.
        Err(_) => Ok(true),
    }
}

/// The files and large values that are configured.
///
/// # Errors
/// Where they cannot be reached.
pub async fn objects(config: &Config, over_unfinished: bool) -> Result<Objects, OpenError> {
    let mongo = match mongo_options(config) {
        Some(options) => Some(store_mongo::objects(&MongoOptions { over_unfinished, ..options }).await?),
        None => None,
    };
    objects::open(config, Keep::InFolder, &config.data_dir, mongo).await
}

/// Files and large values in a folder.
///
/// # Errors
/// Where it cannot be used.
pub fn objects_in(folder: &Path) -> Result<Objects, OpenError> {
    objects::in_folder(folder, objects::Readers::Owner)
}

/// The master key: the one that is configured, else the one in the data folder. None is made.
///
/// # Errors
/// Where there is none.
pub fn master(config: &Config) -> Result<MasterKey, OpenError> {
    Ok(match config.master_key()? {
        Some(master) => master,
        None => MasterKey::from_hex(&keys::found_in(&config.data_dir)?)?,
    })
}

/// The time.
pub fn now() -> Timestamp {
    SystemWorld::default().now()
}
