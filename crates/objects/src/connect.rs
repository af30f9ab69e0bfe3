//! From options to a client of the store, on the HTTP client that it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::limits::OBJECT_RETRIED;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;
use object_store::{ClientOptions, ObjectStore, Result, RetryConfig};
use url::{Host, Url};

use crate::options::{AzureOptions, BucketOptions, GcsOptions, Place, S3Options};

/// Tries after the first one.
const RETRIES: usize = 5;

/// A store whose names can be listed from anywhere.
pub(crate) trait Objects: ObjectStore + PaginatedListStore {}

impl<S: ObjectStore + PaginatedListStore> Objects for S {}

/// Hands out the one HTTP client, which has its own roots, proxies and time limits.
#[derive(Debug)]
struct Given(reqwest::Client);

impl HttpConnector for Given {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// A client of the store. It asks nothing yet.
pub(crate) fn client(options: &BucketOptions, http: reqwest::Client) -> Result<Arc<dyn Objects>> {
    let http = Given(http);
    match &options.place {
        Place::S3(s3) => client_of_s3(s3, &options.identity, http),
        Place::Gcs(gcs) => client_of_gcs(gcs, &options.identity, http),
        Place::Azure(azure) => client_of_azure(azure, &options.identity, http),
    }
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: OBJECT_RETRIED, ..RetryConfig::default() }
}

/// Plain HTTP is for those who wrote so.
fn is_plain(endpoint: Option<&Url>) -> bool {
    endpoint.is_some_and(|url| url.scheme() == "http")
}

fn client_of_s3(s3: &S3Options, identity: &BTreeMap<String, String>, http: Given) -> Result<Arc<dyn Objects>> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_allow_http(is_plain(s3.endpoint.as_ref()))
        .with_retry(retry())
        .with_http_connector(http);
    let before_host = is_before_host(s3);
    builder = builder.with_virtual_hosted_style_request(before_host);
    if let Some(endpoint) = &s3.endpoint {
        let at = if before_host { with_host(endpoint, &s3.bucket) } else { endpoint.clone() };
        builder = builder.with_endpoint(at.as_str().trim_end_matches('/'));
    }
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }
    if let Some((id, secret)) = &s3.key {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
    } else {
        for (name, value) in identity.iter().filter(|(name, _)| name.starts_with("AWS_")) {
            builder = builder.with_config(name.to_lowercase().parse::<AmazonS3ConfigKey>()?, value);
        }
    }
    Ok(Arc::new(builder.build()?))
}

/// Whether the bucket is a part of the host's name. An address has no such part, and a
/// certificate for `*.host` covers no bucket with a dot in its name.
fn is_before_host(s3: &S3Options) -> bool {
    let host = s3.endpoint.as_ref().map(Url::host);
    let has_names = match host {
        None => true,
        Some(host) => matches!(host, Some(Host::Domain(name)) if name != "localhost"),
    };
    has_names && !s3.path_style && !s3.bucket.contains('.')
}

/// The endpoint with the bucket before its host.
fn with_host(endpoint: &Url, bucket: &str) -> Url {
    let mut url = endpoint.clone();
    let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
    // A name that makes no host is told by the first request.
    let _ = url.set_host(Some(&host));
    url
}

fn client_of_gcs(gcs: &GcsOptions, identity: &BTreeMap<String, String>, http: Given) -> Result<Arc<dyn Objects>> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&gcs.bucket)
        .with_client_options(ClientOptions::new().with_allow_http(is_plain(gcs.endpoint.as_ref())))
        .with_retry(retry())
        .with_http_connector(http);
    if let Some(endpoint) = &gcs.endpoint {
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(file) = &gcs.service_account_file {
        builder = builder.with_service_account_path(file.to_string_lossy());
    } else if let Some(file) = identity.get("GOOGLE_APPLICATION_CREDENTIALS") {
        builder = builder.with_application_credentials(file);
    }
    Ok(Arc::new(builder.build()?))
}

fn client_of_azure(azure: &AzureOptions, identity: &BTreeMap<String, String>, http: Given) -> Result<Arc<dyn Objects>> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&azure.account)
        .with_container_name(&azure.container)
        .with_allow_http(is_plain(azure.endpoint.as_ref()))
        .with_retry(retry())
        .with_http_connector(http);
    if let Some(endpoint) = &azure.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
    }
    if let Some(key) = &azure.access_key {
        builder = builder.with_access_key(key);
    } else {
        for (name, value) in identity.iter().filter(|(name, _)| name.starts_with("AZURE_")) {
            builder = builder.with_config(name.to_lowercase().parse::<AzureConfigKey>()?, value);
        }
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_before_the_host_where_that_can_be() {
        let of = |endpoint: Option<&str>, bucket: &str, path_style| {
            let endpoint = endpoint.map(|url| Url::parse(url).expect("a URL"));
            is_before_host(&S3Options { bucket: bucket.into(), endpoint, path_style, ..S3Options::default() })
        };
        assert!(of(None, "b", false) && of(Some("https://s3.example.com"), "b", false));
        assert!(!of(None, "b", true) && !of(None, "b.c", false));
        for endpoint in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"] {
            assert!(!of(Some(endpoint), "b", false), "{endpoint}");
        }
        let url = with_host(&Url::parse("https://s3.example.com:9000/").expect("a URL"), "b");
        assert_eq!(url.as_str(), "https://b.s3.example.com:9000/");
    }

    #[test]
    fn every_variable_of_an_identity_is_one_that_its_cloud_knows() {
        for name in crate::IDENTITY {
            let name = name.to_lowercase();
            let is_known = name.parse::<AmazonS3ConfigKey>().is_ok() || name.parse::<AzureConfigKey>().is_ok();
            assert!(is_known || name.starts_with("google_"), "{name}");
        }
    }
}
