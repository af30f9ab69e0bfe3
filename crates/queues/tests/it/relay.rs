//! [`Relay`]: stands between flow8 and a server, and cuts connections, or lets nothing through any more.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Pass,
    /// Connections stay, and nothing comes through.
    Silent,
    Cut,
}

/// A way to a server.
pub(crate) struct Relay {
    pub(crate) port: u16,
    mode: Arc<watch::Sender<Mode>>,
    _task: JoinSet<()>,
}

impl Relay {
    /// To a port of this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let own = listener.local_addr().expect("bound").port();
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        let modes = mode.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.expect("accepts");
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the server listens");
                ways.spawn(pass(near, far, modes.subscribe()));
            }
        });
        Self { port: own, mode, _task: task }
    }

    /// Ends all connections, as if a cable was pulled and somebody noticed.
    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets nothing through any more, and nobody is told.
    pub(crate) fn silence(&self) {
        self.mode.send_replace(Mode::Silent);
    }
}

async fn pass(near: TcpStream, far: TcpStream, mut mode: watch::Receiver<Mode>) {
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let silent = mode.clone();
    let is_silent = move || *silent.borrow() == Mode::Silent;
    let there = copy(&mut near_in, &mut far_out, &is_silent);
    let back = copy(&mut far_in, &mut near_out, &is_silent);
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    is_silent: &impl Fn() -> bool,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if !is_silent() && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    if is_silent() {
        std::future::pending::<()>().await;
    }
}
