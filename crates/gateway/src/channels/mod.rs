//! [`ChannelGateway`]: the port that all channels share, and those that a channel has to itself. It brings requests
//! to the channels ([`channels::Channels`]) and their answers back; what a channel is, it does not know.

mod door;
mod ports;
mod progress;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::RequestExt as _;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use channels::{Arrival, Channels, Meeting, Reply, Visit};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use model::limits::{CHANNEL_BODIES_BYTES, CHANNEL_BODY_TIME, CHANNEL_SOCKETS};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::app::App;
use crate::dispatch::{mark, refuse, request_info};
use crate::error::ApiError;
use crate::goodbye::part;
use crate::guard;
use crate::guard::address::of_client;
use crate::leftover::Leftover;
use crate::request::{Largest, Peer, read_in_room};
use crate::room::{Room, Taken};
use crate::serve::Answers;

pub use ports::{OwnPorts, PortRange};

/// Bytes that are set aside to read from a connection that stays open.
const SOCKET_BUFFER: usize = 2 << 10;

/// Answers requests through channels.
#[derive(Clone)]
pub struct ChannelGateway {
    app: App,
    channels: Channels,
    /// The port that one channel has to itself; none for the one that all share.
    port: Option<u16>,
    /// Room for bodies, of all ports together.
    room: Room,
    /// Room for connections that stay open.
    seats: Arc<Semaphore>,
    /// Whether connections that stay open must end.
    stopping: watch::Sender<bool>,
}

impl ChannelGateway {
    /// The gateway of all channels.
    pub fn new(app: App) -> Self {
        let channels = Channels::new(app.engine.clone(), Arc::new(door::People(app.clone())));
        let room = Room::new(CHANNEL_BODIES_BYTES, CHANNEL_BODY_TIME);
        let seats = Arc::new(Semaphore::new(CHANNEL_SOCKETS));
        Self { app, channels, port: None, room, seats, stopping: watch::Sender::new(false) }
    }

    /// The same, with room for so many bytes of bodies.
    #[must_use]
    pub fn with_room(self, bytes: usize) -> Self {
        Self { room: Room::new(bytes, CHANNEL_BODY_TIME), ..self }
    }

    /// The same, of the one channel that has that port.
    fn of_port(&self, port: u16) -> Self {
        Self { port: Some(port), stopping: watch::Sender::new(false), ..self.clone() }
    }

    async fn respond(&self, mut request: Request) -> Response<Body> {
        let settings = &self.app.settings;
        if let Some(Peer(peer)) = request.extensions().get().copied() {
            let client = of_client(request.headers(), peer, &settings.trusted_proxies);
            request.extensions_mut().insert(Peer(client));
        }
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let info = request_info(&self.app, &head);
        let id = info.id.clone().unwrap_or_default();
        let arrival = Arrival {
            head: &head,
            port: self.port,
            peer: head.extensions.get::<Peer>().map(|Peer(peer)| *peer),
            id: &id,
            trace: info.trace,
        };
        let mut response = match self.channels.meet(&arrival).await {
            Ok(visit) if visit.is_socket() => {
                let meeting = self.channels.begin(visit, &arrival);
                let response = self.open(&meeting, &id, Request::from_parts(head, body)).await;
                self.app.metrics.through_channel(meeting.names(), response.status(), began.elapsed());
                response
            }
            Ok(visit) => {
                let response = self.visit(&visit, &arrival, body).await;
                let (channel, route) = visit.names();
                self.app.metrics.through_channel((channel, route), response.status(), began.elapsed());
                response
            }
            Err(reply) => {
                self.app.metrics.through_channel(("", ""), reply.status, began.elapsed());
                self.send(reply)
            }
        };
        mark(&mut response, &id);
        guard::headers::put(&mut response, settings.is_tls);
        response
    }

    async fn visit(&self, visit: &Visit, arrival: &Arrival<'_>, body: Body) -> Response<Body> {
        match self.read(visit, body).await {
            Ok((bytes, _room)) => self.send(self.channels.take(visit, arrival, bytes).await),
            Err(error) => {
                self.channels.note_refused(visit, arrival, (error.status, &error.message)).await;
                let (head, body) = refuse(&error, arrival.id).into_parts();
                // A page that may read answers may read this one.
                let mut reply =
                    Reply { status: head.status, headers: head.headers, body: bytes::Bytes::new(), stream: None };
                visit.let_read(arrival, &mut reply);
                let mut response = Response::new(body);
                (*response.status_mut(), *response.headers_mut()) = (reply.status, reply.headers);
                response
            }
        }
    }

    /// Opens a connection that stays open.
    async fn open(&self, meeting: &Arc<Meeting>, id: &str, request: Request) -> Response<Body> {
        let leftover = request.extensions().get::<Leftover>().cloned().unwrap_or_default();
        let upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection> = request.extract().await;
        let (upgrade, seat) = match (upgrade, self.seats.clone().try_acquire_owned()) {
            (Ok(upgrade), Ok(seat)) => (upgrade, seat),
            (Err(rejected), _) => {
                let error = ApiError::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", rejected.body_text());
                return refuse(&error, id);
            }
            (_, Err(_)) => {
                let error = ApiError::crowded("too many connections are open; try again in a moment");
                return refuse(&error, id);
            }
        };
        let (channels, meeting, app) = (self.channels.clone(), meeting.clone(), self.app.clone());
        let (sockets, stopping) = (channels.sockets().clone(), self.stopping.subscribe());
        let largest = meeting.message_limit();
        // Buffers grow where they have to: most connections are silent most of the time.
        let upgrade = upgrade.max_message_size(largest).max_frame_size(largest).read_buffer_size(SOCKET_BUFFER);
        let upgrade = upgrade.write_buffer_size(0).max_write_buffer_size(2 * largest);
        upgrade.on_upgrade(move |mut socket| async move {
            app.metrics.sockets.inc();
            let ended = socket::talk(channels, sockets, meeting, stopping, &mut socket).await;
            part(socket, ended, leftover).await;
            app.metrics.sockets.dec();
            drop(seat);
        })
    }

    /// Reads a body, where there is room for it.
    async fn read(&self, visit: &Visit, body: Body) -> Result<(bytes::Bytes, Option<Taken>), ApiError> {
        let settings = &self.app.settings;
        let largest = Largest::within(settings, visit.body_limit());
        read_in_room(body, largest, settings.read_timeout, &self.room).await
    }

    fn send(&self, reply: Reply) -> Response<Body> {
        let body = match reply.stream {
            None => Body::from(reply.body),
            Some(streamed) => progress::body(&self.app, self.channels.clone(), streamed, self.stopping.subscribe()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        if reply.stream.is_some() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        }
        response
    }
}

impl Answers for ChannelGateway {
    fn patience(&self) -> Duration {
        self.app.settings.read_timeout
    }

    fn answer(&self, request: Request) -> impl Future<Output = Response<Body>> + Send {
        self.respond(request)
    }

    fn stopping(&self) {
        self.stopping.send_replace(true);
    }
}
