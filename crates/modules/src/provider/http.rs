//! [`HttpClient`]: HTTP peers, behind the seam of the sdk.
//!
//! It keeps the rules for outgoing calls. A name is judged before it is resolved, its addresses
//! before one of them is connected to, and so is every place that an answer points to. Bodies are
//! not unpacked, so that the limit holds for what is kept. Nothing is ever sent twice by it; the
//! engine alone repeats. It reads neither the environment nor a file.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::LOCATION;
use model::limits::{HTTP_CONNECT, HTTP_CONNECTIONS, HTTP_REDIRECTS};
use sdk::http::{Http, HttpError, HttpRequest, HttpResponse};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::{Host, Url};

use super::egress::{EgressPolicy, Named, Refused};
use super::outgoing::{self, Outgoing, Trouble, is_redirect};
use super::proxy::{self, Proxies, ProxyOptions};
use super::redirect::{self, BROKEN, REFUSED};
use super::resolver::{Judged, WAY, Way};
use super::tls;

const CONNECT: &str = "HTTP_CONNECT";
const TIMEOUT: &str = "HTTP_TIMEOUT";
const TOO_LARGE: &str = "HTTP_TOO_LARGE";

/// How long a connection is kept that nobody uses: less than peers keep theirs.
const IDLE: Duration = Duration::from_secs(30);

/// Connections to one peer that are kept while nobody uses them.
const IDLE_PER_PEER: usize = 256;

/// What an [`HttpClient`] is made of.
#[derive(Clone, Default)]
pub struct HttpOptions {
    /// Where calls may go.
    pub policy: EgressPolicy,
    /// Proxies; none where nothing is set.
    pub proxy: ProxyOptions,
    /// Certificates as PEM that are trusted besides those of the web.
    pub extra_ca: Option<Vec<u8>>,
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions").field("policy", &self.policy).field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// Why a client could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSetupError {
    /// A proxy that is not one.
    #[error("the {0} proxy must be a URL such as http://proxy.example.com:3128")]
    Proxy(&'static str),
    /// A bundle of certificates that is not one.
    #[error("the CA bundle: {0}")]
    Ca(String),
    /// Anything else.
    #[error("the HTTP client: {0}")]
    Client(String),
}

/// Calls HTTP peers.
#[derive(Debug)]
pub struct HttpClient {
    current: RwLock<Arc<Settings>>,
    places: Semaphore,
}

/// One set of options, with the connections that were opened under it.
#[derive(Debug)]
struct Settings {
    policy: Arc<EgressPolicy>,
    proxies: Arc<Proxies>,
    client: reqwest::Client,
}

impl HttpClient {
    /// A client with these options.
    ///
    /// # Errors
    /// Where one of them is not usable.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        let settings = Settings::new(options)?;
        Ok(Self { current: RwLock::new(Arc::new(settings)), places: Semaphore::new(HTTP_CONNECTIONS) })
    }

    /// Other options from now on. Requests under way end under the old ones; connections that
    /// were kept are not used again.
    ///
    /// # Errors
    /// Where one of them is not usable; then nothing changes.
    pub fn reconfigure(&self, options: &HttpOptions) -> Result<(), HttpSetupError> {
        let settings = Arc::new(Settings::new(options)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    fn settings(&self) -> Arc<Settings> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Http for HttpClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let started = Instant::now();
        let acted = Arc::new(AtomicBool::new(false));
        let work = async {
            let outgoing = Outgoing::of(&request)?;
            // Closed by nobody; where it were, requests would not be bounded, but they would go on.
            let _place = self.places.acquire().await;
            self.settings().exchange(outgoing, &request, &acted).await
        };
        let ended = tokio::time::timeout(request.timeout, work).await.unwrap_or_else(|_| {
            Err((TIMEOUT, format!("there was no answer within {} ms", request.timeout.as_millis())))
        });
        match ended {
            Ok(answer) => Ok(HttpResponse { took: started.elapsed(), ..answer }),
            Err((code, message)) => Err(HttpError { code, message, maybe_done: acted.load(Ordering::Acquire) }),
        }
    }
}

impl Settings {
    fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        let proxies = Arc::new(Proxies::new(&options.proxy)?);
        let through = proxies.clone();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(options.extra_ca.as_deref())?)
            .dns_resolver(Arc::new(Judged))
            .proxy(reqwest::Proxy::custom(move |url| through.of(url).cloned()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(HTTP_CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_PEER)
            .user_agent(concat!("flow8/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| HttpSetupError::Client(root_cause(&error)))?;
        Ok(Self { policy: Arc::new(options.policy.clone()), proxies, client })
    }

    /// Sends a request, goes where answers point, and reads the last one.
    async fn exchange(
        &self,
        mut outgoing: Outgoing,
        request: &HttpRequest,
        acted: &Arc<AtomicBool>,
    ) -> Result<HttpResponse, Trouble> {
        for hop in 0.. {
            let peer = outgoing::authority(&outgoing.url);
            let way = self.judge(&outgoing.url).await.map_err(|why| (REFUSED, why.to_string()))?;
            let again = request.follow_redirects.then(|| outgoing.clone());
            let sent = self.client.execute(outgoing.into_request(acted));
            let answer = WAY.scope(way, sent).await.map_err(|error| told(error, &peer))?;
            let location = answer.headers().get(LOCATION).filter(|_| is_redirect(answer.status()));
            let (Some(again), Some(location)) = (again, location) else {
                return read(answer, &peer, request.max_body).await;
            };
            if hop >= HTTP_REDIRECTS {
                break;
            }
            outgoing = redirect::next(again, answer.status(), location.as_bytes())?;
        }
        Err((BROKEN, format!("the answers point elsewhere more than {HTTP_REDIRECTS} times")))
    }

    /// Judges a peer as far as that is possible before its name is resolved.
    async fn judge(&self, url: &Url) -> Result<Way, Refused> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refused::of("the URL names no host"));
        };
        let named = match host {
            Host::Domain(name) => self.policy.judge_name(name, port)?,
            Host::Ipv4(address) => self.judge_literal(address.into(), port)?,
            Host::Ipv6(address) => self.judge_literal(address.into(), port)?,
        };
        if self.proxies.of(url).is_some() {
            proxy::judge_behind(&self.policy, &host, port).await?;
            return Ok(Way::Proxy);
        }
        Ok(Way::Direct { policy: self.policy.clone(), port, named })
    }

    fn judge_literal(&self, address: std::net::IpAddr, port: u16) -> Result<Named, Refused> {
        self.policy.judge_address(address, port, Named::Ordinary).map(|()| Named::Ordinary)
    }
}

/// Reads an answer whole, as far as it is not too long.
async fn read(mut answer: reqwest::Response, peer: &str, max: usize) -> Result<HttpResponse, Trouble> {
    let too_large = || (TOO_LARGE, format!("the answer of {peer} has more than {max} bytes"));
    // The length of what is to come: none for HEAD, whatever its headers tell.
    if answer.content_length().is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| told(error, peer))? {
        if first.len().max(body.len()) + chunk.len() > max {
            return Err(too_large());
        }
        if first.is_empty() && body.is_empty() {
            first = chunk;
            continue;
        }
        if body.is_empty() {
            body.extend_from_slice(&first);
        }
        body.extend_from_slice(&chunk);
    }
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    Ok(HttpResponse {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: if body.is_empty() { first } else { body.freeze() },
        took: Duration::ZERO,
    })
}

/// What went wrong, without the URL, which may hold secrets.
fn told(error: reqwest::Error, peer: &str) -> Trouble {
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return (REFUSED, refused.to_string());
        }
        cause = inner.source();
    }
    let why = root_cause(&error);
    if error.is_builder() {
        (outgoing::INVALID, why)
    } else if error.is_connect() {
        (CONNECT, format!("{peer} cannot be connected to: {why}"))
    } else {
        (BROKEN, format!("the connection to {peer} broke off: {why}"))
    }
}

pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
