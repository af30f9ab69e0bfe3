//! The examples of `flow8 serve --demo`: their flows, and the peers that they call.

use std::net::{Ipv4Addr, SocketAddr};

use gateway::Stop;
use http::Method;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cli::{CommandError, Exit};
use crate::client::{Api, Sent};
use crate::installation::Installation;

/// Where the examples expect their peers.
const PORT: u16 = 4460;

fn fault(message: String) -> CommandError {
    CommandError { exit: Exit::Unreachable, message }
}

/// Serves the peers that the examples call.
///
/// # Errors
/// Where their port is in use.
pub(crate) async fn serve_peers(serving: &mut JoinSet<()>, mut stop: Stop) -> Result<SocketAddr, CommandError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| fault(format!("the examples' peers cannot listen at {address}: {error}")))?;
    serving.spawn(async move { demo::serve(listener, async move { stop.wait().await }).await });
    Ok(address)
}

/// Loads the flows of the examples; those that are there already, and the same, stay.
///
/// # Errors
/// Where one of them is refused.
pub(crate) async fn load(installation: &Installation) -> Result<(), CommandError> {
    let api = Api::of(installation);
    for example in demo::examples() {
        api.call(Method::POST, "/flows/import", Sent::Yaml(example.yaml.to_owned())).await?;
    }
    Ok(())
}
