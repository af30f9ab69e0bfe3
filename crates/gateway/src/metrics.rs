//! `/metrics`, in the format of Prometheus. Labels come from the table of routes, never from
//! what a request says, so there are never more series than routes times statuses.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use engine::Engine;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use model::limits::{CHANNEL_ROUTES_MEASURED, DUE_COUNTED};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::app::App;
use crate::call::Route;

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
}

/// A route of a channel: as many of them as have figures of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ThroughChannel {
    channel: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelAnswered {
    channel: String,
    route: String,
    status: u16,
}

/// What is counted.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    answered: Family<Answered, Counter>,
    took: Family<OfRoute, Histogram>,
    through_channels: Family<ChannelAnswered, Counter>,
    channels_took: Family<ThroughChannel, Histogram>,
    measured: Mutex<BTreeSet<ThroughChannel>>,
    active: Gauge,
    attempts: Gauge,
    waiting: Gauge,
    due: Gauge,
    store_bytes: Gauge,
    store_unused: Gauge,
    pub(crate) sockets: Gauge,
    feed: Counter<u64, AtomicU64>,
}

impl Metrics {
    /// What is counted here, and what others count of themselves.
    pub(crate) fn new(engine: &Engine, ticks: &schedules::Figures, intakes: &channels::Intakes) -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("flow8")),
            answered: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            through_channels: Family::default(),
            channels_took: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            measured: Mutex::default(),
            active: Gauge::default(),
            attempts: Gauge::default(),
            waiting: Gauge::default(),
            due: Gauge::default(),
            store_bytes: Gauge::default(),
            store_unused: Gauge::default(),
            sockets: Gauge::default(),
            feed: Counter::default(),
        };
        metrics.register(engine, ticks, intakes);
        metrics
    }

    fn register(&self, engine: &Engine, ticks: &schedules::Figures, intakes: &channels::Intakes) {
        let mut registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        registry.register("http_requests", "Requests answered", self.answered.clone());
        registry.register_with_unit(
            "http_request_duration",
            "How long requests took",
            Unit::Seconds,
            self.took.clone(),
        );
        registry.register("channel_requests", "Requests through channels answered", self.through_channels.clone());
        registry.register_with_unit(
            "channel_request_duration",
            "How long requests through channels took",
            Unit::Seconds,
            self.channels_took.clone(),
        );
        registry.register("plays_active", "Plays in memory", self.active.clone());
        registry.register("attempts_active", "Attempts under way", self.attempts.clone());
        registry.register("attempts_waiting", "Plays whose attempts wait for others to end", self.waiting.clone());
        let due = format!("Plays that are due and not in memory yet; counted up to {DUE_COUNTED}");
        registry.register("plays_due", due, self.due.clone());
        engine.figures().register(&mut registry);
        ticks.register(&mut registry);
        intakes.register(&mut registry);
        registry.register_with_unit("store_size", "Size of the store", Unit::Bytes, self.store_bytes.clone());
        registry.register_with_unit(
            "store_unused",
            "Part of the store that nothing uses",
            Unit::Bytes,
            self.store_unused.clone(),
        );
        registry.register("websockets", "Open WebSockets", self.sockets.clone());
        registry.register("commits", "Commits with records since the store was made", self.feed.clone());
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: &Route, status: StatusCode, took: Duration) {
        self.answered.get_or_create(&Answered { route: route.name, status: status.as_u16() }).inc();
        self.took.get_or_create(&OfRoute { route: route.name }).observe(took.as_secs_f64());
    }

    /// Counts an answer through a channel. What was turned away before it came to a route has no names.
    pub(crate) fn through_channel(&self, (channel, route): (&str, &str), status: StatusCode, took: Duration) {
        let mut of = ThroughChannel { channel: channel.to_owned(), route: route.to_owned() };
        let mut measured = self.measured.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !measured.contains(&of) {
            if measured.len() < CHANNEL_ROUTES_MEASURED {
                measured.insert(of.clone());
            } else {
                of = ThroughChannel { channel: "other".into(), route: "other".into() };
            }
        }
        drop(measured);
        self.channels_took.get_or_create(&of).observe(took.as_secs_f64());
        let ThroughChannel { channel, route } = of;
        self.through_channels.get_or_create(&ChannelAnswered { channel, route, status: status.as_u16() }).inc();
    }

    async fn text(&self, app: &App) -> String {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.active.set(gauge(app.engine.active_plays()));
        self.attempts.set(gauge(app.engine.attempts_under_way()));
        self.waiting.set(gauge(app.engine.attempts_waiting()));
        app.engine.figures();
        if let Ok(due) = app.engine.store().due(app.engine.now(), DUE_COUNTED).await {
            self.due.set(gauge(due.len()));
        }
        self.feed.inner().store(*app.engine.feed().borrow(), std::sync::atomic::Ordering::Relaxed);
        if let Ok(size) = app.engine.store().size().await {
            self.store_bytes.set(i64::try_from(size.bytes).unwrap_or(i64::MAX));
            self.store_unused.set(i64::try_from(size.unused).unwrap_or(i64::MAX));
        }
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// The route.
pub(crate) fn router(app: App) -> Router {
    let serve = move || {
        let app = app.clone();
        async move {
            let mut response = Response::new(Body::from(app.metrics.text(&app).await));
            let media = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, media);
            response
        }
    };
    Router::new().route("/metrics", get(serve))
}
