//! [`ReplicaSet`]: three real MongoDB servers, for tests in which one of them fails.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReadPreference;
use mongodb::{Client, Database};

use crate::mongod::Mongod;
use crate::proxy::Proxy;

/// How long the servers may take to come up, or to choose a primary.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// How long they miss a primary before they choose another: shorter than usual, so that tests are.
const ELECTION: Duration = Duration::from_secs(2);

/// A server of a set, and the network before it: for clients and for the other members.
pub struct Member {
    /// The server.
    pub server: Mongod,
    /// The network.
    pub network: Proxy,
}

/// Three servers that are one.
pub struct ReplicaSet {
    members: Vec<Member>,
}

impl ReplicaSet {
    /// Starts them, and returns when they take writes.
    ///
    /// # Panics
    /// Where they do not in time.
    pub async fn start() -> Self {
        let members = (0..3).map(|_| {
            let server = Mongod::start();
            let network = Proxy::to(server.port());
            Member { server, network }
        });
        let set = Self { members: members.collect() };
        let members: Vec<Document> =
            (0_i32..).zip(&set.members).map(|(at, member)| doc! { "_id": at, "host": host(member) }).collect();
        let settings = doc! { "electionTimeoutMillis": ELECTION.as_millis() as i64, "heartbeatIntervalMillis": 500 };
        let config = doc! { "_id": "rs0", "members": members, "settings": settings };
        for member in &set.members {
            // The driver waits until the server answers.
            member.server.direct().await.run_command(doc! { "ping": 1 }).await.expect("comes up");
        }
        let first = set.members[0].server.direct().await;
        let made = first.run_command(doc! { "replSetInitiate": config });
        tokio::time::timeout(PATIENCE, made).await.expect("in time").expect("becomes a replica set");
        set.takes_writes().await;
        set
    }

    /// Where they are.
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(host).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// The servers.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Waits until some server takes writes.
    ///
    /// # Panics
    /// Where none does in time.
    pub async fn takes_writes(&self) {
        let primary = async {
            let client = Client::with_uri_str(self.uri()).await.expect("a URI");
            let admin = client.database("admin");
            // No server may be there for longer than the driver looks for one.
            while admin
                .run_command(doc! { "ping": 1 })
                .selection_criteria(ReadPreference::Primary.into())
                .await
                .is_err()
            {}
        };
        tokio::time::timeout(PATIENCE, primary).await.expect("a primary in time");
    }

    /// Which of them takes writes.
    ///
    /// # Panics
    /// Where none does in time.
    pub async fn primary(&self) -> usize {
        let found = async {
            loop {
                for (at, member) in self.members.iter().enumerate() {
                    let admin = member.server.direct().await;
                    let hello = admin.run_command(doc! { "hello": 1 });
                    let hello = tokio::time::timeout(Duration::from_secs(1), hello).await;
                    let writes =
                        hello.ok().and_then(Result::ok).and_then(|hello| hello.get("isWritablePrimary").cloned());
                    if writes == Some(Bson::Boolean(true)) {
                        return at;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("a primary in time")
    }

    /// Makes the primary give way to another.
    pub async fn step_down(&self) {
        let primary = self.members[self.primary().await].server.direct().await;
        // It answers with an error where no other has caught up yet; then it goes on, which is a fault less.
        let _ = primary.run_command(doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 3 }).await;
    }
}

fn host(member: &Member) -> String {
    format!("127.0.0.1:{}", member.network.port())
}

impl Mongod {
    /// The server itself, whatever set it is of.
    ///
    /// # Panics
    /// Where its URI is none.
    pub async fn direct(&self) -> Database {
        Client::with_uri_str(self.direct_uri()).await.expect("a URI").database("admin")
    }
}
