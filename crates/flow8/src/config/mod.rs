//! The configuration: every setting of flow8, where it may come from, and what was found.
//!
//! One table ([`SETTINGS`]) has a row for each setting. Reading config.yml, the environment and
//! flags, printing, and the reference in the docs all follow it; a setting is added with a field
//! in [`Config`] and a row there. Flags beat the environment, which beats config.yml, which beats
//! the defaults. What is unknown or does not fit stops the start, and says where it came from.
//!
//! Nothing else in flow8 reads the environment or looks for a configuration file.

mod environment;
mod file;
mod integrations;
mod kind;
mod load;
mod places;
mod print;
mod problem;
mod rules;
mod sections;
mod setting;
mod table;
#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use file::DEFAULT_FILES;
pub use integrations::Declaration;
pub use kind::{
    Algorithm, EgressRule, EmailAddress, GivenRole, HexSecret, Hours, LogFormat, LogLevel, Megabytes, MongoUri, Origin,
    Port, PortRange, Profile, ProxyUrl, Ratio, RoleRule, SameSite, Seconds, Secret, Span, VariableName, WebUrl, Whole,
};
pub(crate) use load::is_open_to_all;
pub use load::{FlagValue, Inputs, Loaded, check, load};
pub use print::{reference, to_json, to_yaml};
pub use problem::{Problem, Problems, Source};
pub use sections::{
    Azure, Bootstrap, Channels, Config, Egress, Encryption, EngineLimits, Expressions, Gcs, Integrations, Limits, Log,
    Mcp, Metrics, Mongodb, OAuth2, Otel, Policies, Policy, Retention, S3, Server, Session, Storage, Tls,
};
pub use setting::{Setting, changes};
pub use table::SETTINGS;
