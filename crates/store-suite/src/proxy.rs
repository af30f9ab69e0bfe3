//! [`Proxy`]: the network before a server, for tests that cut it.

use std::net::SocketAddr;
use std::sync::LazyLock;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What all proxies run on: a test that blocks must not hold the network up.
static NETWORK: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

/// A port that leads to a server, until it is cut.
pub struct Proxy {
    port: u16,
    /// How often it was cut; odd while it is.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Leads to a port of this machine.
    ///
    /// # Panics
    /// Where no port is free.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let _network = NETWORK.enter();
        let listener = TcpListener::from_std(listener).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let cuts = watch::Sender::new(0);
        NETWORK.spawn(accept(listener, target, cuts.subscribe()));
        Self { port, cuts }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Drops all connections, and takes none until it is [mended](Self::mend).
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts |= 1);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.cuts.send_modify(|cuts| *cuts += *cuts & 1);
    }
}

async fn accept(listener: TcpListener, target: u16, mut cuts: watch::Receiver<u64>) {
    // It ends with the proxy: nobody can cut it any more.
    while cuts.has_changed().is_ok() {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted && !is_cut(&cuts) {
                    tokio::spawn(lead(client, target, cuts.clone()));
                }
            }
            changed = cuts.changed() => if changed.is_err() { return },
        }
    }
}

fn is_cut(cuts: &watch::Receiver<u64>) -> bool {
    *cuts.borrow() & 1 == 1
}

async fn lead(mut client: TcpStream, target: u16, mut cuts: watch::Receiver<u64>) {
    let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], target))).await else { return };
    // Either side may not be there to be told.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = cuts.wait_for(|cuts| cuts & 1 == 1) => {}
    }
}
