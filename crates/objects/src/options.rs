//! [`BucketOptions`]: which bucket, and how to get in. None of these are ever shown: keys are among them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

/// Variables by which a platform says who a workload is; [`BucketOptions::identity`] takes them.
pub const IDENTITY: &[&str] = &[
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// Which bucket, and how to get in.
#[derive(Clone)]
pub struct BucketOptions {
    /// Where it is.
    pub place: Place,
    /// What the names of all objects begin with; nothing where it is empty.
    pub prefix: String,
    /// Those variables of [`IDENTITY`] that are set; used where no key is given.
    pub identity: BTreeMap<String, String>,
}

/// Where a bucket is.
#[derive(Clone)]
pub enum Place {
    /// S3, or what speaks it.
    S3(S3Options),
    /// Google Cloud Storage.
    Gcs(GcsOptions),
    /// Azure Blob Storage, where a bucket is called a container.
    Azure(AzureOptions),
}

/// A bucket of S3, or of what speaks it.
#[derive(Clone, Default)]
pub struct S3Options {
    /// The bucket's name.
    pub bucket: String,
    /// Where the store is; AWS where none is given.
    pub endpoint: Option<Url>,
    /// The region; `us-east-1` where none is given.
    pub region: Option<String>,
    /// The id of the access key, and its secret; else the identity of the workload.
    pub key: Option<(String, String)>,
    /// Whether the bucket stands in the path, and not before the host.
    pub path_style: bool,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Default)]
pub struct GcsOptions {
    /// The bucket's name.
    pub bucket: String,
    /// Where the store is; Google where none is given.
    pub endpoint: Option<Url>,
    /// The key of a service account, as JSON; else the identity of the workload.
    pub service_account_file: Option<PathBuf>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Default)]
pub struct AzureOptions {
    /// The storage account.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// Where the store is; Azure where none is given.
    pub endpoint: Option<Url>,
    /// A key of the account; else the identity of the workload.
    pub access_key: Option<String>,
}

impl Place {
    /// What it is, for messages: nothing secret.
    pub(crate) fn named(&self) -> String {
        let at = |endpoint: &Option<Url>, else_at: &str| {
            endpoint.as_ref().map_or_else(|| else_at.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
        };
        match self {
            Self::S3(s3) => format!("bucket {} at {}", s3.bucket, at(&s3.endpoint, "AWS")),
            Self::Gcs(gcs) => format!("bucket {} at {}", gcs.bucket, at(&gcs.endpoint, "Google Cloud Storage")),
            Self::Azure(azure) => {
                let (container, account) = (&azure.container, &azure.account);
                format!("container {container} of the account {account} at {}", at(&azure.endpoint, "Azure"))
            }
        }
    }

    /// Whether a key is given.
    pub(crate) fn has_key(&self) -> bool {
        match self {
            Self::S3(s3) => s3.key.is_some(),
            Self::Gcs(gcs) => gcs.service_account_file.is_some(),
            Self::Azure(azure) => azure.access_key.is_some(),
        }
    }
}
