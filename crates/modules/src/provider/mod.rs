//! What stands behind the seams of the sdk: HTTP peers and files.
//!
//! The application makes these and hands them to modules as traits; no module names this folder.

mod address;
mod dial;
mod egress;
mod files;
mod http;
mod listing;
mod outgoing;
mod path;
mod postgres;
mod proxy;
mod redirect;
mod resolver;
mod service;
mod smtp;
mod tls;
mod tokens;
mod web;

pub use self::dial::Dialer;
pub use self::egress::{BadRule, EgressPolicy, Named, Refused};
pub use self::files::LocalFiles;
pub use self::http::{HttpClient, HttpOptions, HttpSetupError};
pub use self::postgres::Postgres;
pub use self::proxy::ProxyOptions;
pub use self::service::service_client;
pub use self::smtp::Smtp;
pub use self::tokens::TokenClient;
pub use self::web::Web;
