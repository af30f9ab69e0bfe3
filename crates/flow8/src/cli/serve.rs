//! `flow8 serve`: opens the ports, runs plays, and stops when it is told to.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway::{ChannelGateway, Gateway, McpGateway, OwnPorts, PortRange, Stop, Tls, serve, serve_with};
use objects::BucketError;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Answer, CommandError, Exit, Session, SettingFlags, administrator};
use crate::config::{Config, Environment, Loaded, Port};
use crate::failpoint::Faults;
use crate::installation::{Installation, Keep, OpenError, tls};
use crate::live::Live;
use crate::{examples, otlp, telemetry};

/// How long closing may take, when all that was to be answered has been.
const CLOSING: Duration = Duration::from_secs(2);

/// Serve the API and run plays, until SIGTERM or Ctrl-C
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// When ready, write the addresses to this file, as JSON
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Load the example flows, and serve the peers that they call
    #[arg(long)]
    demo: bool,
    /// The port of those peers; 0 takes a free one. The examples expect them at 4460
    #[arg(long, value_name = "PORT", default_value_t = 4460, requires = "demo")]
    demo_port: u16,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Serve {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let loaded = session.config(&self.settings)?;
        let config = &loaded.config;
        telemetry::start(config.log.level, config.log.format);
        let runtime = super::runtime(config.server.worker_threads)?;
        let exit = runtime.block_on(self.serve(loaded, session));
        // Whatever still runs has been given its time. With the last of it the store is
        // closed, and its log is taken over into the database.
        runtime.shutdown_timeout(CLOSING);
        exit
    }

    async fn serve(&self, loaded: Loaded, session: &mut Session<'_, '_>) -> Answer {
        let config = loaded.config.clone();
        let signals = (Signals::new()?, Signals::hangup()?);
        let tls = tls::open(&config).map_err(|error| CommandError::usage(error.to_string()))?;
        let installation = open(&config, session.environment).await?;
        let answer = self.serve_it(loaded, session, &installation, signals, tls).await;
        if answer.is_err() {
            // The greeting, which tells it else, was not seen by anybody: the next start will not tell it again.
            administrator::tell_apart(session, &config, &installation.bootstrap)?;
        }
        answer
    }

    async fn serve_it(
        &self,
        loaded: Loaded,
        session: &mut Session<'_, '_>,
        installation: &Installation,
        (signals, mut hangup): (Signals, Signal),
        tls: Option<Arc<Tls>>,
    ) -> Answer {
        let config = &loaded.config;
        let api = listen(config, config.server.port, "server.port", "SERVER_PORT").await?;
        let channels = listen(config, config.channels.port, "channels.port", "CHANNELS_PORT").await?;
        let mcp = listen(config, config.mcp.port, "mcp.port", "MCP_PORT").await?;
        let metrics = match config.metrics.port {
            Some(port) => Some(listen(config, port, "metrics.port", "METRICS_PORT").await?),
            None => None,
        };
        let peers = if self.demo { Some(examples::listen(self.demo_port).await?) } else { None };
        let (switch, stop) = Stop::switch();
        let patience = config.server.drain_seconds.duration();
        let address = local_address(&api)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve_with(api, installation.gateway.clone(), tls.clone(), stop.clone(), patience));
        let channels_address = local_address(&channels)?;
        let opened = serve_channels(&mut serving, config, installation, (channels, tls.clone()), stop.clone());
        let mcp_address = local_address(&mcp)?;
        let mcp_gateway = McpGateway::new(installation.gateway.clone());
        serving.spawn(serve_with(mcp, mcp_gateway, tls.clone(), stop.clone(), patience));
        let metrics_address = metrics.as_ref().map(local_address).transpose()?;
        if let Some(listener) = metrics {
            let gateway = Gateway::for_metrics(installation.gateway.app().clone());
            serving.spawn(serve(listener, gateway, stop.clone(), patience));
        }
        let traces = otlp::start(config, installation, stop.clone()).map_err(|error| fault(&error))?;
        installation.start().await.map_err(|error| fault(&error))?;
        let chores = installation.tend(config);
        installation.take_in();
        let peers_address = peers.as_ref().map(local_address).transpose()?;
        if let Some(listener) = peers {
            examples::serve_peers(&mut serving, listener, stop);
            examples::load(installation).await?;
        }
        let url = url_of(address, tls.is_some());
        let certificate = tls.as_ref().map(|tls| tls.certificate());
        installation.guide.tell(&url, certificate).map_err(|error| fault(&error))?;
        // Whoever goes by readiness finds every way in. Without a range of ports, nobody opens any.
        let _ = opened.await;
        installation.gateway.app().set_ready(true);
        let places = Places {
            api: url.clone(),
            channels: url_of(channels_address, tls.is_some()),
            mcp: format!("{}/mcp", url_of(mcp_address, tls.is_some())),
            metrics: metrics_address,
            peers: peers_address,
        };
        if let Some(file) = &self.ready_file {
            places.write(file)?;
        }
        self.greet(config, session, installation, &places)?;
        let mut live = Live { inputs: session.inputs(&self.settings), loaded, installation, tls, chores, url };
        tokio::select! {
            () = signals.told_to_stop() => {}
            never = live.follow(&mut hangup) => match never {},
        }
        tracing::info!("stopping: nothing new is taken on, what is under way finishes");
        installation.gateway.app().set_ready(false);
        drop(live);
        let left = installation.rest(patience).await;
        if left > 0 {
            tracing::info!(plays = left, "left for the next start, which goes on with them");
        }
        switch.send_replace(true);
        while serving.join_next().await.is_some() {}
        if let Some(traces) = traces {
            // What is gathered is still sent.
            let _ = tokio::time::timeout(CLOSING, traces).await;
        }
        if let Some(file) = &self.ready_file {
            // It was there for as long as the addresses answered.
            let _ = std::fs::remove_file(file);
        }
        Ok(Exit::Ok)
    }

    fn greet(
        &self,
        config: &Config,
        session: &mut Session<'_, '_>,
        installation: &Installation,
        places: &Places,
    ) -> Result<(), CommandError> {
        let paint = session.console.paint_out();
        let out = &mut session.console.out;
        let url = config.server.public_url.as_ref().map_or_else(|| places.api.clone(), |url| url.url().to_string());
        writeln!(
            out,
            "{} serves at {}",
            paint.strong(concat!("flow8 ", env!("CARGO_PKG_VERSION"))),
            paint.strong(&url)
        )?;
        writeln!(out, "  the API         {}/api/openapi.json", url.trim_end_matches('/'))?;
        writeln!(out, "  channels        {}", places.channels)?;
        writeln!(out, "  MCP             {}", places.mcp)?;
        writeln!(out, "  data folder     {}", config.data_dir.display())?;
        administrator::tell(out, &installation.bootstrap)?;
        if let Some(peers) = places.peers {
            writeln!(out, "  example peers   {}", url_of(peers, false))?;
            writeln!(out, "  try             flow8 run nightly-report, then flow8 plays list; see examples/README.md")?;
        }
        writeln!(out, "  stop            Ctrl-C")?;
        out.flush()?;
        Ok(())
    }
}

/// Where everything answers.
struct Places {
    api: String,
    channels: String,
    mcp: String,
    metrics: Option<SocketAddr>,
    peers: Option<SocketAddr>,
}

impl Places {
    /// Writes the addresses down, whole or not at all.
    fn write(&self, file: &Path) -> Result<(), CommandError> {
        let text = serde_json::json!({
            "api": self.api,
            "channels": self.channels,
            "mcp": self.mcp,
            "metrics": self.metrics.map(|address| url_of(address, false)),
            "peers": self.peers.map(|address| url_of(address, false)),
            "pid": std::process::id(),
        });
        let beside = file.with_extension("new");
        let written = std::fs::write(&beside, text.to_string()).and_then(|()| std::fs::rename(&beside, file));
        written.map_err(|error| CommandError::usage(format!("--ready-file {}: {error}", file.display())))
    }
}

fn url_of(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    // Where it listens on all addresses, this machine's own is one of them.
    match address {
        SocketAddr::V4(any) if any.ip().is_unspecified() => format!("{scheme}://127.0.0.1:{}", any.port()),
        SocketAddr::V6(any) if any.ip().is_unspecified() => format!("{scheme}://[::1]:{}", any.port()),
        other => format!("{scheme}://{other}"),
    }
}

/// Serves the port that all channels share, and those that some have to themselves; what is returned ends when the
/// latter are open.
fn serve_channels(
    serving: &mut JoinSet<()>,
    config: &Config,
    installation: &Installation,
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    stop: Stop,
) -> oneshot::Receiver<()> {
    let patience = config.server.drain_seconds.duration();
    let (opened, opening) = oneshot::channel();
    let gateway = ChannelGateway::new(installation.gateway.app().clone());
    serving.spawn(serve_with(listener, gateway.clone(), tls.clone(), stop.clone(), patience));
    if let Some(range) = config.channels.port_range {
        let range = PortRange { first: range.first, last: range.last };
        serving.spawn(OwnPorts { gateway, bind: config.server.bind, range, tls }.serve(opened, stop, patience));
    }
    opening
}

fn fault(error: &dyn std::fmt::Display) -> CommandError {
    CommandError { exit: Exit::Unreachable, message: error.to_string() }
}

async fn open(config: &Config, environment: &Environment) -> Result<Installation, CommandError> {
    Installation::open(config, Keep::InFolder, Faults::of(environment)?).await.map_err(|error| match error {
        // The same settings may do another time.
        OpenError::Bucket { error: BucketError::Unreachable { .. } | BucketError::Failed { .. }, .. } => fault(&error),
        OpenError::Bucket { .. } | OpenError::Key(_) | OpenError::Egress(_) => CommandError::usage(error.to_string()),
        other => fault(&other),
    })
}

async fn listen(config: &Config, port: Port, key: &str, variable: &str) -> Result<TcpListener, CommandError> {
    let address = SocketAddr::new(config.server.bind, port.0);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => fault(&format!(
            "{key}: port {} is in use; stop what uses it, or choose another port with {variable}",
            address.port()
        )),
        _ => fault(&format!("{key}: cannot listen at {address}: {error}")),
    })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, CommandError> {
    listener.local_addr().map_err(|error| fault(&error))
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on: one that comes while flow8 starts is not lost.
    fn new() -> Result<Self, CommandError> {
        let listen = |kind| signal(kind).map_err(|error| fault(&error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// What says that settings have changed. It ends nothing.
    fn hangup() -> Result<Signal, CommandError> {
        signal(SignalKind::hangup()).map_err(|error| fault(&error))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns at the first one. A second one ends the process at once.
    async fn told_to_stop(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            // Nothing is lost by it: what is committed is durable.
            std::process::abort();
        });
    }
}
