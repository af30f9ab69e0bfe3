//! The examples of `flow8 serve --demo`: their flows, and the peers that they call.

use std::net::{Ipv4Addr, SocketAddr};

use gateway::Stop;
use http::Method;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cli::{CommandError, Exit};
use crate::client::{Api, Sent};
use crate::installation::Installation;

fn fault(message: String) -> CommandError {
    CommandError { exit: Exit::Unreachable, message }
}

/// Takes the port of the peers that the examples call.
///
/// # Errors
/// Where it is in use.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, CommandError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| {
        fault(format!("the examples' peers cannot listen at {address}: {error}; choose another port with --demo-port"))
    })
}

/// Serves those peers.
pub(crate) fn serve_peers(serving: &mut JoinSet<()>, listener: TcpListener, mut stop: Stop) {
    serving.spawn(async move { demo::serve(listener, async move { stop.wait().await }).await });
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
