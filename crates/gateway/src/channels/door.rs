//! [`People`]: what channels may know of people and addresses.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use channels::{Doorman, Guest};
use http::StatusCode;
use model::ids::CompanyId;
use store::StoreError;
use tokio::time::Instant;

use crate::access::Permission;
use crate::app::App;
use crate::people::{Shown, caller_who_shows};

/// Knows API keys and addresses, as the API does.
pub(super) struct People(pub(super) App);

#[async_trait]
impl Doorman for People {
    async fn guest(&self, company: CompanyId, token: &str) -> Result<Option<Guest>, StoreError> {
        match caller_who_shows(&self.0, &Shown::Token(token.to_owned())).await {
            Ok(caller) => {
                let fits = caller.filter(|caller| caller.company == company && caller.may(Permission::FlowsRun));
                Ok(fits.map(|caller| Guest { name: caller.actor.name.clone(), user: caller.user }))
            }
            Err(error) if error.status == StatusCode::UNAUTHORIZED => Ok(None),
            Err(error) => Err(StoreError::Failed(error.message)),
        }
    }

    fn turned_away(&self, address: IpAddr) -> Result<(), Duration> {
        self.0.rates.of_address(address, Instant::now()).map_err(|over| over.wait)
    }
}
