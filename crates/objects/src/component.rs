//! [`S3Components`]: the buckets of components of kind `storage`.
//!
//! A component always has a key of its own: without one, a flow would use the identity of the machine
//! that flow8 runs on. Where the bucket is elsewhere than at AWS, an administrator must have made it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::failure::Failure;
use model::ids::CompanyId;
use model::limits::COMPONENT_TEST;
use model::value::from_value;
use sdk::buckets::Buckets;
use sdk::component::{Backend, COMPONENT_INVALID, Component};
use sdk::storage::Storage;
use serde::Deserialize;
use url::Url;

use crate::bucket::Bucket;
use crate::options::{BucketOptions, Place, S3Options};

/// The bucket cannot be used.
const UNREACHABLE: &str = "COMPONENT_UNREACHABLE";

/// Buckets that are known at once; with more, all are looked for again.
const KNOWN: usize = 100;

type Opened = (u64, Arc<dyn Storage>);

/// The buckets of components.
pub struct S3Components {
    http: reqwest::Client,
    known: Mutex<HashMap<(CompanyId, String), Opened>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    bucket: String,
    access_key_id: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    path_style: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Secret {
    secret_access_key: String,
}

fn options(component: &Component) -> Result<BucketOptions, Failure> {
    let invalid = |message: String| Failure::new(COMPONENT_INVALID, message);
    let config: Config = from_value(&component.config).map_err(|error| invalid(format!("config: {error}")))?;
    // What is wrong with a secret may hold the secret; its keys are known.
    let secret: Secret = from_value(&component.secret)
        .map_err(|_| invalid("secret: holds `secretAccessKey`, a text, and nothing else".to_owned()))?;
    // Both become parts of a host's name.
    let is_label = |text: &str| {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        !text.is_empty() && text.len() <= 63 && text.bytes().all(is_fine) && !text.starts_with('.')
    };
    if !is_label(&config.bucket) || config.region.as_deref().is_some_and(|region| !is_label(region)) {
        return Err(invalid("config: bucket and region are lower-case letters, digits, - and .".to_owned()));
    }
    let endpoint =
        match &config.endpoint {
            None => None,
            Some(_) if !component.trusted => {
                let message = "config.endpoint: a bucket that is elsewhere than at AWS is set up by an administrator";
                return Err(invalid(message.to_owned()));
            }
            Some(text) => {
                let url = Url::parse(text).ok().filter(|url| {
                    matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
                });
                Some(url.ok_or_else(|| {
                    invalid("config.endpoint: is a URL of http or https, without a password".to_owned())
                })?)
            }
        };
    Ok(BucketOptions {
        place: Place::S3(S3Options {
            bucket: config.bucket,
            endpoint,
            region: config.region,
            key: Some((config.access_key_id, secret.secret_access_key)),
            path_style: config.path_style,
        }),
        prefix: config.prefix,
        identity: std::collections::BTreeMap::new(),
    })
}

impl S3Components {
    /// Buckets that are reached with this client, which has the time limits, proxies and roots.
    pub fn new(http: reqwest::Client) -> Self {
        Self { http, known: Mutex::default() }
    }

    async fn look(&self, component: &Component) -> Result<Bucket, Failure> {
        let opened = Bucket::open(&options(component)?, self.http.clone()).await;
        opened.map_err(|error| Failure::new(UNREACHABLE, error.to_string()))
    }
}

#[async_trait]
impl Backend for S3Components {
    fn providers(&self) -> &'static [&'static str] {
        &["s3"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        options(component).map(drop)
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let ended = tokio::time::timeout(COMPONENT_TEST, self.look(component)).await;
        ended.map_or_else(
            |_| Err(Failure::new(UNREACHABLE, "the bucket does not answer in time")),
            |bucket| bucket.map(drop),
        )
    }
}

#[async_trait]
impl Buckets for S3Components {
    async fn open(&self, component: &Component) -> Result<Arc<dyn Storage>, Failure> {
        let key = (component.company, component.id.clone());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((revision, files)) = known
            && revision == component.revision
        {
            return Ok(files);
        }
        let files: Arc<dyn Storage> = Arc::new(self.look(component).await?.plain());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(key, (component.revision, files.clone()));
        Ok(files)
    }
}
