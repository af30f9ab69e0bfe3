//! Files in a bucket: of S3 and of what speaks it, of Google Cloud Storage, or of Azure.
//!
//! Which bucket is said by [`BucketOptions`]; [`Bucket::open`] finds out whether it is there and
//! may be used, so that a wrong key stops the start and not the first flow. An object is named
//! `prefix/kind/company/path`. This reads no environment and no file, but for what the clouds
//! themselves lay down for a machine's own identity.

mod bucket;
mod component;
mod connect;
mod fault;
mod files;
mod options;

pub use self::bucket::{Bucket, BucketError};
pub use self::component::S3Components;
pub use self::files::BucketFiles;
pub use self::options::{AzureOptions, BucketOptions, GcsOptions, IDENTITY, Place, S3Options};
