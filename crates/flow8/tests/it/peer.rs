//! A peer that flows of tests call: it keeps every caller waiting until it is let go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::server::{RUNTIME, until};

/// A peer that answers `here` to whomever it lets go.
pub(crate) struct Peer {
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    leave: Arc<Semaphore>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let (calls, leave) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (counted, leaving) = (calls.clone(), leave.clone());
        let router = Router::new().fallback(async move || {
            counted.fetch_add(1, Ordering::AcqRel);
            leaving.acquire().await.expect("is not closed").forget();
            "here"
        });
        // It ends with the tests.
        RUNTIME.spawn(async move { axum::serve(listener, router).await });
        Self { address, calls, leave }
    }

    /// A flow that calls it by a method, and gives what it answers.
    pub(crate) fn flow(&self, name: &str, method: &str) -> String {
        let call = format!("{{ref: call, appId: curl, args: {{method: {method}, url: \"http://{}/\"}}}}", self.address);
        let gives = "{ref: gives, appId: var, index: 1, args: {value: \"{{ $prev.call.body }}\"}}";
        format!("apiVersion: flow8/v1\nkind: Flow\nname: {name}\nlayers:\n  - {call}\n  - {gives}\n")
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// Waits until it was called so often.
    #[track_caller]
    pub(crate) fn called(&self, times: u64) {
        until("the peer is called", || (self.calls() >= times).then_some(()));
    }

    /// Lets one caller go.
    pub(crate) fn let_go(&self) {
        self.leave.add_permits(1);
    }
}
