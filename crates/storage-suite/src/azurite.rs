//! [`Azurite`]: Azure Blob Storage over HTTP, for as long as a test needs it.

use crate::endpoint::Endpoint;

/// The one account that it has.
pub const ACCOUNT: &str = "devstoreaccount1";

/// The key of that account, which is the same everywhere.
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The container that it has once it is started.
pub const CONTAINER: &str = "flow8";

/// What a request that makes the container is dated, and its signature with that date.
const DATE: &str = "Sun, 01 Jan 2023 00:00:00 GMT";
const SIGNED: &str = "SharedKey devstoreaccount1:w8KWtBY7khKNPwxWDxVrtikk9ZuJ+gvbe92n9yTLV2E=";

/// A server. It ends, with all that it keeps, when this is dropped.
pub struct Azurite(Endpoint);

impl Azurite {
    /// Starts a server with an empty container, and waits until it answers.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let place = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"];
        let quiet = ["--skipApiVersionCheck", "--silent", "--disableTelemetry"];
        let args = [place.as_slice(), &quiet].concat();
        let endpoint = Endpoint::start("azurite", &args, &[], "successfully listens on http://");
        let headers = [("x-ms-date", DATE), ("x-ms-version", "2021-08-06"), ("Authorization", SIGNED)];
        endpoint.put(&format!("/{ACCOUNT}/{CONTAINER}?restype=container"), &headers);
        Self(endpoint)
    }

    /// Where the account answers.
    pub fn url(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.0.address)
    }
}
