//! [`OwnPorts`]: ports that channels have to themselves. Every replica opens them, and closes them again, as channels
//! change.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::ChannelGateway;
use crate::serve::{Stop, serve_with};
use crate::tls::Tls;

/// How soon after a change the ports are looked at again: many changes in a row are one.
const PAUSE: Duration = Duration::from_millis(200);

/// Ports that channels may have to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Whether a port is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// Serves the ports that channels have to themselves.
pub struct OwnPorts {
    /// What answers.
    pub gateway: ChannelGateway,
    /// Where they are.
    pub bind: IpAddr,
    /// Which there are.
    pub range: PortRange,
    /// The certificate of all ports.
    pub tls: Option<Arc<Tls>>,
}

impl OwnPorts {
    /// Serves until told to stop, then lets connections finish what they are at, for a while. Says when it has opened
    /// what is to be open at the start.
    pub async fn serve(self, opened: oneshot::Sender<()>, mut stop: Stop, patience: Duration) {
        let mut opened = Some(opened);
        // From now on, no channel asks for another port.
        let _ = self.gateway.app.own_ports.set(self.range);
        let mut changes = self.gateway.app.engine.ways_in();
        let mut open: BTreeMap<u16, watch::Sender<bool>> = BTreeMap::new();
        let mut serving = JoinSet::new();
        loop {
            changes.borrow_and_update();
            let is_whole = self.look(&mut open, &mut serving, patience).await;
            if let Some(opened) = opened.take() {
                // Nobody may wait for it.
                let _ = opened.send(());
            }
            let changed = async {
                // What could not be looked at, or opened, is tried again.
                let again = if is_whole { Duration::from_secs(30) } else { Duration::from_secs(1) };
                let _ = tokio::time::timeout(again, changes.changed()).await;
                tokio::time::sleep(PAUSE).await;
            };
            tokio::select! {
                () = stop.wait() => break,
                () = changed => while serving.try_join_next().is_some() {},
            }
        }
        for switch in open.values() {
            switch.send_replace(true);
        }
        while serving.join_next().await.is_some() {}
    }

    /// Opens what is to be open, and closes what is not; says whether all of that could be done.
    async fn look(
        &self,
        open: &mut BTreeMap<u16, watch::Sender<bool>>,
        serving: &mut JoinSet<()>,
        patience: Duration,
    ) -> bool {
        let mut is_whole = true;
        for port in self.range.first..=self.range.last {
            let is_wanted = match self.gateway.channels.has_port(port).await {
                Ok(is_wanted) => is_wanted,
                Err(error) => {
                    tracing::warn!(%error, "cannot find out which channels have ports of their own");
                    return false;
                }
            };
            if !is_wanted {
                if let Some(switch) = open.remove(&port) {
                    switch.send_replace(true);
                }
                continue;
            }
            if open.contains_key(&port) {
                continue;
            }
            match TcpListener::bind(SocketAddr::new(self.bind, port)).await {
                Ok(listener) => {
                    let (switch, stop) = Stop::switch();
                    serving.spawn(serve_with(listener, self.gateway.of_port(port), self.tls.clone(), stop, patience));
                    open.insert(port, switch);
                }
                Err(error) => {
                    tracing::warn!(%error, port, "the port of a channel cannot be opened; it is tried again");
                    is_whole = false;
                }
            }
        }
        is_whole
    }
}
