//! Where objects are: files that flows read and write, and values of plays that are too large for a
//! record. In a bucket where one is configured, else in MongoDB where plays are there, else in a folder.

use std::path::Path;
use std::sync::Arc;

use ::objects::{AzureOptions, Bucket, BucketError, BucketOptions, GcsOptions, Place, S3Options};
use archive::Objects;
use modules::provider::{LocalFiles, service_client};
use store::sqlite::make_folder;
use store_mongo::MongoFiles;

use super::{Keep, OpenError, egress_ca, folder_error};
use crate::config::{Config, WebUrl};

/// The name of large values, beside that of files.
const VALUES: &str = "values";

/// The name of files that flows read and write.
const FILES: &str = "files";

/// Opens the place that is configured. What is kept nowhere is in `folder`; `mongo` are the files and the
/// large values of MongoDB, where plays are there.
pub(super) async fn open(
    config: &Config,
    keep: Keep,
    folder: &Path,
    mongo: Option<(MongoFiles, MongoFiles)>,
) -> Result<Objects, OpenError> {
    if keep == Keep::InMemory {
        return in_folder(&folder.join("objects"), Readers::Owner);
    }
    if let Some((options, section)) = bucket_options(config) {
        let bucket = Bucket::open(&options, service(config)?).await;
        let bucket = bucket.map_err(|error| OpenError::Bucket { section, way_out: way_out(section, &error), error })?;
        return Ok(Objects { files: Arc::new(bucket.files(FILES)), values: Arc::new(bucket.files(VALUES)) });
    }
    match mongo {
        Some((files, values)) if !config.storage.shared => {
            Ok(Objects { files: Arc::new(files), values: Arc::new(values) })
        }
        // Whoever shares it may be another user on another machine: there, the umask says who may read it.
        _ if config.storage.shared => in_folder(&config.objects_dir(), Readers::Umask),
        _ => in_folder(&config.objects_dir(), Readers::Owner),
    }
}

/// A client for services of flow8's own.
///
/// # Errors
/// Where a proxy or the bundle of authorities is not one.
pub(crate) fn service(config: &Config) -> Result<reqwest::Client, OpenError> {
    let ca = egress_ca(config)?;
    service_client(&config.egress.proxy(), ca.as_deref()).map_err(|error| OpenError::Egress(error.to_string()))
}

/// Who may look into a folder of objects that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whoever owns it.
    Owner,
    /// Whoever the umask lets in.
    Umask,
}

/// Objects in a folder.
pub(super) fn in_folder(folder: &Path, readers: Readers) -> Result<Objects, OpenError> {
    let open = |name: &str| {
        let at = folder.join(name);
        let made = match readers {
            Readers::Owner => make_folder(&at),
            Readers::Umask => Ok(()),
        };
        let opened = made.and_then(|()| LocalFiles::open(&at));
        opened.map(Arc::new).map_err(|source| folder_error(&at, source))
    };
    Ok(Objects { files: open(FILES)?, values: open(VALUES)? })
}

/// The bucket that is configured, if one is, and its section.
fn bucket_options(config: &Config) -> Option<(BucketOptions, &'static str)> {
    let storage = &config.storage;
    let (s3, gcs, azure) = (&storage.s3, &storage.gcs, &storage.azure);
    let at = |endpoint: &Option<WebUrl>| endpoint.as_ref().map(|endpoint| endpoint.url().clone());
    let (place, prefix, section) = if let Some(bucket) = &s3.bucket {
        let secret = s3.secret_access_key.as_ref().map(|secret| secret.reveal().to_owned());
        let place = Place::S3(S3Options {
            bucket: bucket.clone(),
            endpoint: at(&s3.endpoint),
            region: s3.region.clone(),
            key: s3.access_key_id.clone().zip(secret),
            path_style: s3.force_path_style,
        });
        (place, &s3.prefix, "storage.s3")
    } else if let Some(bucket) = &gcs.bucket {
        let place = Place::Gcs(GcsOptions {
            bucket: bucket.clone(),
            endpoint: at(&gcs.endpoint),
            service_account_file: gcs.service_account_file.clone(),
        });
        (place, &gcs.prefix, "storage.gcs")
    } else {
        let place = Place::Azure(AzureOptions {
            container: azure.container.clone()?,
            account: azure.account.clone().unwrap_or_default(),
            endpoint: at(&azure.endpoint),
            access_key: azure.access_key.as_ref().map(|key| key.reveal().to_owned()),
        });
        (place, &azure.prefix, "storage.azure")
    };
    let prefix = prefix.clone().unwrap_or_default();
    Some((BucketOptions { place, prefix, identity: storage.identity.clone() }, section))
}

/// What to do about it.
fn way_out(section: &str, error: &BucketError) -> &'static str {
    match (section, error) {
        (_, BucketError::Prefix { .. }) => "take a prefix of names joined by /, such as flow8/production",
        ("storage.s3", BucketError::Missing { .. }) => "make it, or set S3_BUCKET to one that is there",
        ("storage.gcs", BucketError::Missing { .. }) => "make it, or set GCS_BUCKET to one that is there",
        (_, BucketError::Missing { .. }) => "make it, or set AZURE_BLOB_CONTAINER to one that is there",
        ("storage.s3", BucketError::Refused { .. } | BucketError::NoKey { .. }) => {
            "set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY to a key that may list, read, write and delete in it"
        }
        ("storage.gcs", BucketError::Refused { .. } | BucketError::NoKey { .. }) => {
            "set GCS_SERVICE_ACCOUNT_FILE to the key of an account that may list, read, write and delete in it"
        }
        (_, BucketError::Refused { .. } | BucketError::NoKey { .. }) => {
            "set AZURE_BLOB_ACCESS_KEY to a key of the account, or let the identity list, read, write and delete in it"
        }
        ("storage.s3", BucketError::Unreachable { .. }) => {
            "check S3_ENDPOINT and the network; where the store knows no host for each bucket, set \
             S3_FORCE_PATH_STYLE=true"
        }
        (_, BucketError::Unreachable { .. }) => "check the endpoint and the network",
        (_, BucketError::Failed { .. }) => "check the settings of that section",
    }
}
