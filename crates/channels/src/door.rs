//! [`Doorman`]: what a channel asks of whoever knows people and addresses.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use model::ids::{CompanyId, UserId};
use store::StoreError;

/// Somebody with an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// What the key is called.
    pub name: String,
    /// Whose it is.
    pub user: Option<UserId>,
}

/// Knows people and addresses.
#[async_trait]
pub trait Doorman: Send + Sync + 'static {
    /// Who shows an API key with which flows of a company may be run; none where it does not hold.
    ///
    /// # Errors
    /// Where the store fails.
    async fn guest(&self, company: CompanyId, token: &str) -> Result<Option<Guest>, StoreError>;

    /// Somebody at that address was not let in, or looks for what there is not.
    ///
    /// # Errors
    /// Where that happened too often: how long to send them away.
    fn turned_away(&self, address: IpAddr) -> Result<(), Duration>;
}
