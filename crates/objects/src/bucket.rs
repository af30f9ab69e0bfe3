//! [`Bucket`]: a bucket that was found to be there.

use std::sync::Arc;

use model::limits::OBJECT_FIRST_LOOK;
use object_store::list::PaginatedListOptions;
use sdk::storage::check_path;

use crate::connect::{self, Objects};
use crate::fault::Fault;
use crate::files::BucketFiles;
use crate::options::{BucketOptions, Place};

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    objects: Arc<dyn Objects>,
    /// What it is, for messages.
    place: Arc<str>,
    /// What all names begin with; ends with `/` where it is not empty.
    prefix: String,
    is_azure: bool,
}

/// Why a bucket cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The prefix cannot begin the name of an object.
    #[error("the prefix of the {place} cannot begin a name: {why}")]
    Prefix {
        /// Which bucket.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such bucket.
    #[error("there is no {place}")]
    Missing {
        /// Which bucket.
        place: String,
    },
    /// The key is wrong, or may not list objects.
    #[error("the {place} refuses flow8: {why}")]
    Refused {
        /// Which bucket.
        place: String,
        /// What the store says.
        why: String,
    },
    /// Nobody answers there.
    #[error("the {place} cannot be reached: {why}")]
    Unreachable {
        /// Which bucket.
        place: String,
        /// Why.
        why: String,
    },
    /// No key is given, and the machine or platform lends none.
    #[error("flow8 has no key for the {place}, and the platform lends none: {why}")]
    NoKey {
        /// Which bucket.
        place: String,
        /// Why.
        why: String,
    },
    /// Anything else.
    #[error("the {place} cannot be used: {why}")]
    Failed {
        /// Which bucket.
        place: String,
        /// Why.
        why: String,
    },
}

impl Bucket {
    /// Finds out whether a bucket is there and may be listed. All calls go through `http`, which
    /// has the time limits, proxies and roots.
    ///
    /// # Errors
    /// With what stands in the way.
    pub async fn open(options: &BucketOptions, http: reqwest::Client) -> Result<Self, BucketError> {
        let place = options.place.named();
        let mut prefix = options.prefix.trim_matches('/').to_owned();
        if !prefix.is_empty() {
            if let Err(error) = check_path(&prefix) {
                return Err(BucketError::Prefix { place, why: format!("{error:?}") });
            }
            prefix.push('/');
        }
        let objects = connect::client(options, http)
            .map_err(|error| BucketError::Failed { place: place.clone(), why: error.to_string() })?;
        let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let look = async { objects.list_paginated(Some(&prefix), one).await.map_err(Fault::from) };
        let looked = tokio::time::timeout(OBJECT_FIRST_LOOK, look).await;
        let looked = looked.unwrap_or_else(|_| Err(Fault::Unreachable("it does not answer in time".to_owned())));
        if let Err(fault) = looked {
            return Err(BucketError::of(fault, place, options.place.has_key()));
        }
        let is_azure = matches!(options.place, Place::Azure(_));
        Ok(Self { objects, place: place.into(), prefix, is_azure })
    }

    /// The files of one kind in it: `prefix/kind/company/path`.
    #[must_use]
    pub fn files(&self, kind: &str) -> BucketFiles {
        let root = format!("{}{kind}/", self.prefix);
        BucketFiles::new(self.objects.clone(), self.place.clone(), root, self.is_azure)
    }

    /// All that is in it, as one company's own: `prefix/path`.
    #[must_use]
    pub fn plain(&self) -> BucketFiles {
        let files = BucketFiles::new(self.objects.clone(), self.place.clone(), self.prefix.clone(), self.is_azure);
        files.of_one()
    }
}

impl BucketError {
    fn of(fault: Fault, place: String, has_key: bool) -> Self {
        match fault {
            Fault::NoBucket | Fault::NoObject => Self::Missing { place },
            Fault::Refused(why) => Self::Refused { place, why },
            // Who has no key asks the platform for one first, and that is what does not answer.
            Fault::Unreachable(why) if !has_key => Self::NoKey { place, why },
            Fault::Unreachable(why) => Self::Unreachable { place, why },
            Fault::Full(why) | Fault::Failed(why) => Self::Failed { place, why },
        }
    }
}
