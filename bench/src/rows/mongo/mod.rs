//! The rows on MongoDB: a real server on the same machine, which it shares with flow8 and the load.

pub(super) mod crowd;
pub(super) mod history;
pub(super) mod pure;
pub(super) mod replicas;
pub(super) mod tenants;

use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use store_suite::mongod::Mongod;
use tokio::runtime::Runtime;

use super::Stage;
use crate::Outcome;
use crate::server::Server;

/// The database of flow8.
const DATABASE: &str = "flow8";

/// A server that replicas share.
struct Shared {
    mongod: Mongod,
}

impl Shared {
    fn start(runtime: &Runtime) -> Self {
        let mongod = Mongod::start();
        runtime.block_on(mongod.initiate());
        Self { mongod }
    }

    async fn client(&self) -> Outcome<Client> {
        Ok(Client::with_uri_str(self.mongod.uri()).await?)
    }

    /// A replica with a data folder of this name, and more variables.
    fn replica(&self, stage: &Stage, name: &str, more: &[(&'static str, String)]) -> Outcome<Server> {
        let shared =
            [("MONGODB_URI", self.mongod.uri()), ("ENCRYPTION_KEY", digits(256)), ("ENCRYPTION_KEY_SALT", digits(64))];
        Server::start_with(&stage.flow8, &stage.dir.join(name), &[shared.as_slice(), more].concat())
    }
}

/// Plays that the database has.
async fn plays(db: &Database) -> Outcome<u64> {
    Ok(db.collection::<Document>("plays").estimated_document_count().await?)
}

/// Plays that have not ended well.
async fn open_plays(db: &Database) -> Outcome<u64> {
    Ok(db.collection::<Document>("plays").count_documents(doc! { "n": { "$exists": true } }).await?)
}

/// So many hex digits that flow8 takes for a key.
fn digits(count: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:x}", state >> 60)
    };
    std::iter::repeat_with(digit).take(count).collect()
}
