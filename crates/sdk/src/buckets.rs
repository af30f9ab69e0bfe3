//! [`Buckets`]: the one way to files that are kept elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use model::failure::Failure;

use crate::component::{Backend, Component, Nothing};
use crate::storage::Storage;

/// Opens places where files are kept.
#[async_trait]
pub trait Buckets: Backend {
    /// The files of a component. Their paths are the names of the objects, below the component's prefix;
    /// whose company asks is of no matter there.
    ///
    /// # Errors
    /// Where the place cannot be used.
    async fn open(&self, component: &Component) -> Result<Arc<dyn Storage>, Failure>;
}

#[async_trait]
impl Buckets for Nothing {
    async fn open(&self, component: &Component) -> Result<Arc<dyn Storage>, Failure> {
        Err(Self::failure(component))
    }
}
