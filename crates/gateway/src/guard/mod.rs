//! What stands before every route: where a request really comes from, how many may come, which
//! pages of other sites may ask, and what every answer tells a browser. It knows no route.

pub(crate) mod address;
pub(crate) mod cors;
pub(crate) mod headers;
mod rate;

use std::net::IpAddr;
use std::sync::Arc;

use http::{Extensions, StatusCode};
use model::actor::ActorKind;
use tokio::time::Instant;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::request::Peer;

pub use rate::Rates;
pub(crate) use rate::{OverRate, RateLimits};

/// Lets whoever asks go on, or makes them wait. Somebody whose key does not hold is a stranger.
///
/// # Errors
/// Why it is not known who asks, as it was found; where too many requests came, that.
pub(crate) fn admit(
    app: &App,
    from: &Extensions,
    found: Result<Option<Arc<Caller>>, ApiError>,
) -> Result<Option<Arc<Caller>>, ApiError> {
    match &found {
        Ok(Some(caller)) => {
            // Whoever may read the data folder needs no limit.
            if caller.actor.kind != ActorKind::Cli {
                app.rates.of_caller(caller, Instant::now()).map_err(|wait| too_many("this key or session", wait))?;
            }
        }
        Ok(None) => stranger(app, from)?,
        Err(error) if error.status == StatusCode::UNAUTHORIZED => stranger(app, from)?,
        Err(_) => {}
    }
    found
}

/// Lets somebody go on who has not signed in, or makes them wait.
///
/// # Errors
/// Where too many requests came from the address.
pub(crate) fn stranger(app: &App, from: &Extensions) -> Result<(), ApiError> {
    let Some(Peer(address)) = from.get::<Peer>() else { return Ok(()) };
    let address: &IpAddr = address;
    app.rates.of_address(*address, Instant::now()).map_err(|wait| too_many("this address, unless signed in,", wait))
}

fn too_many(whose: &str, OverRate { per_second, wait }: OverRate) -> ApiError {
    let message = format!("{whose} may send {per_second} requests a second; try again in {} seconds", seconds(wait));
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).after(seconds(wait))
}

/// Whole seconds, and enough of them.
fn seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
