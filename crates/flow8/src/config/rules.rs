//! What must hold between settings; and what is better put otherwise.

use vault::KeyError;

use super::kind::{Profile, SameSite, Span};
use super::places;
use super::problem::{Problem, Source};
use super::sections::Policy;
use super::{Config, Environment, Loaded, SETTINGS, Setting};

/// The shortest that the finance profile keeps the audit log: a year, and a margin to look at it.
const FINANCE_AUDIT: Span = Span::days(400);

/// The rules that do not hold.
pub(super) fn broken(loaded: &Loaded) -> Vec<Problem> {
    let mut broken = Broken { loaded, problems: Vec::new() };
    let config = &loaded.config;
    broken.pairs(config);
    broken.ports(config);
    broken.retention(config);
    broken.variables(config);
    for (key, message) in places::broken(config) {
        broken.say(key, message);
    }
    let encryption = &config.encryption;
    if encryption.key.is_some() && encryption.master_key.is_some() {
        broken.say("encryption.master_key", "stands in place of encryption.key; set one of them, not both");
    }
    if encryption.previous_key.is_some() && encryption.previous_master_key.is_some() {
        let message = "stands in place of encryption.previous_key; set one of them, not both";
        broken.say("encryption.previous_master_key", message);
    }
    if config.mongodb.uri.is_some() && encryption.key.is_none() && encryption.master_key.is_none() {
        broken.say(
            "encryption.key",
            "is required with mongodb.uri: replicas share it; set ENCRYPTION_KEY to what `openssl rand -hex 128` makes, \
             and ENCRYPTION_KEY_SALT to what `openssl rand -hex 32` makes; for the data of an embedded store, set \
             ENCRYPTION_MASTER_KEY to what is in its master.key",
        );
    }
    if config.session.cookie_same_site == SameSite::None && !config.session.cookie_secure {
        broken
            .say("session.cookie_same_site", "none requires session.cookie_secure: true; browsers refuse it otherwise");
    }
    if config.oauth2.issuer.is_some() && !config.oauth2.scopes.iter().any(|scope| scope == "openid") {
        broken.say("oauth2.scopes", "must have openid; without it, the provider does not say who somebody is");
    }
    if config.profile != Profile::Development {
        broken.production(config);
    }
    if config.profile == Profile::Finance && config.retention.policies.audit_logs.enforced_minimum < FINANCE_AUDIT {
        let message = format!("is at least {FINANCE_AUDIT} in the profile finance");
        broken.say("retention.policies.audit_logs.enforced_minimum", message);
    }
    broken.problems
}

/// What is wrong with the master key, if anything. It takes a moment: the derivation is made to be slow.
pub(super) fn weak_key(loaded: &Loaded) -> Option<Problem> {
    let weak = loaded.config.master_key().err()?;
    let key = match weak {
        KeyError::WellKnown("ENCRYPTION_KEY_SALT") => "encryption.key_salt",
        KeyError::WellKnown("ENCRYPTION_MASTER_KEY") => "encryption.master_key",
        _ => "encryption.key",
    };
    let source = Setting::find(key).map_or(Source::Default, |setting| loaded.source(setting).clone());
    Some(Problem::new(key, weak.to_string(), source))
}

struct Broken<'a> {
    loaded: &'a Loaded,
    problems: Vec<Problem>,
}

impl Broken<'_> {
    /// A problem of a setting, where it was given.
    fn say(&mut self, key: &str, message: impl Into<String>) {
        let source = Setting::find(key).map_or(Source::Default, |setting| self.loaded.source(setting).clone());
        self.problems.push(Problem::new(key, message, source));
    }

    /// Settings that go together.
    fn pairs(&mut self, config: &Config) {
        let Config { server, encryption, oauth2, storage, mongodb, .. } = config;
        let (s3, gcs, azure) = (&storage.s3, &storage.gcs, &storage.azure);
        for (key, is_set, other, is_other_set) in [
            ("server.tls.cert", server.tls.cert.is_some(), "server.tls.key", server.tls.key.is_some()),
            ("server.tls.key", server.tls.key.is_some(), "server.tls.cert", server.tls.cert.is_some()),
            ("encryption.key", encryption.key.is_some(), "encryption.key_salt", encryption.key_salt.is_some()),
            ("encryption.key_salt", encryption.key_salt.is_some(), "encryption.key", encryption.key.is_some()),
            (
                "encryption.previous_key",
                encryption.previous_key.is_some(),
                "encryption.previous_key_salt",
                encryption.previous_key_salt.is_some(),
            ),
            (
                "encryption.previous_key_salt",
                encryption.previous_key_salt.is_some(),
                "encryption.previous_key",
                encryption.previous_key.is_some(),
            ),
            ("oauth2.client_id", oauth2.client_id.is_some(), "oauth2.issuer", oauth2.issuer.is_some()),
            ("oauth2.issuer", oauth2.issuer.is_some(), "oauth2.client_id", oauth2.client_id.is_some()),
            ("oauth2.client_secret", oauth2.client_secret.is_some(), "oauth2.client_id", oauth2.client_id.is_some()),
            ("oauth2.issuer", oauth2.issuer.is_some(), "server.public_url", server.public_url.is_some()),
            ("oauth2.roles", !oauth2.roles.is_empty(), "oauth2.roles_claim", oauth2.roles_claim.is_some()),
            ("oauth2.roles_claim", oauth2.roles_claim.is_some(), "oauth2.roles", !oauth2.roles.is_empty()),
            ("oauth2.create_people", oauth2.create_people, "oauth2.issuer", oauth2.issuer.is_some()),
            ("storage.s3.endpoint", s3.endpoint.is_some(), "storage.s3.bucket", s3.bucket.is_some()),
            ("storage.s3.access_key_id", s3.access_key_id.is_some(), "storage.s3.bucket", s3.bucket.is_some()),
            (
                "storage.s3.access_key_id",
                s3.access_key_id.is_some(),
                "storage.s3.secret_access_key",
                s3.secret_access_key.is_some(),
            ),
            (
                "storage.s3.secret_access_key",
                s3.secret_access_key.is_some(),
                "storage.s3.access_key_id",
                s3.access_key_id.is_some(),
            ),
            ("storage.gcs.endpoint", gcs.endpoint.is_some(), "storage.gcs.bucket", gcs.bucket.is_some()),
            (
                "storage.gcs.service_account_file",
                gcs.service_account_file.is_some(),
                "storage.gcs.bucket",
                gcs.bucket.is_some(),
            ),
            ("storage.azure.account", azure.account.is_some(), "storage.azure.container", azure.container.is_some()),
            ("storage.azure.container", azure.container.is_some(), "storage.azure.account", azure.account.is_some()),
            (
                "storage.azure.access_key",
                azure.access_key.is_some(),
                "storage.azure.container",
                azure.container.is_some(),
            ),
            ("mongodb.database", mongodb.database.is_some(), "mongodb.uri", mongodb.uri.is_some()),
        ] {
            if is_set && !is_other_set {
                let variable = Setting::find(other).map_or("", |setting| setting.env[0]);
                self.say(
                    key,
                    format!("goes together with {other}, which is not set; set it, too, as {variable} for instance"),
                );
            }
        }
    }

    /// No port is taken twice, and no channel's own port is another's.
    fn ports(&mut self, config: &Config) {
        let mut ports = vec![
            ("server.port", config.server.port.0),
            ("mcp.port", config.mcp.port.0),
            ("channels.port", config.channels.port.0),
        ];
        ports.extend(config.metrics.port.map(|port| ("metrics.port", port.0)));
        ports.retain(|(_, port)| *port != 0);
        for (at, (key, port)) in ports.iter().enumerate() {
            if let Some((other, _)) = ports[..at].iter().find(|(_, taken)| taken == port) {
                self.say(key, format!("is {port}, which {other} has; give each a port of its own, or 0"));
            }
            if let Some(range) = config.channels.port_range.filter(|range| range.contains(*port)) {
                let (first, last) = (range.first, range.last);
                self.say(key, format!("is {port}, which lies in channels.port_range ({first}-{last}); choose another"));
            }
        }
    }

    fn retention(&mut self, config: &Config) {
        if config.retention.cleanup_interval.is_zero() {
            self.say("retention.cleanup_interval", "is at least 1s; a cleanup without a pause would never end");
        }
        let policies = &config.retention.policies;
        for (name, policy) in [
            ("audit_logs", &policies.audit_logs),
            ("plays", &policies.plays),
            ("plays_filtered", &policies.plays_filtered),
        ] {
            let Policy { cadence, enforced_minimum, .. } = policy;
            if cadence < enforced_minimum {
                let key = format!("retention.policies.{name}.cadence");
                self.say(&key, format!("is {cadence}, less than the enforced_minimum of {enforced_minimum}"));
            }
        }
    }

    /// Flows cannot read what flow8 itself keeps secret.
    fn variables(&mut self, config: &Config) {
        for name in &config.expressions.env {
            let is_own = |setting: &&Setting| setting.is_secret() && setting.env.contains(&name.as_str());
            if SETTINGS.iter().find(is_own).is_some() {
                self.say(
                    "expressions.env",
                    format!("names {}, which is a secret of flow8; flows may not read it", name.as_str()),
                );
            }
        }
    }

    /// What has no place in production.
    fn production(&mut self, config: &Config) {
        let profile = config.profile.word();
        if !config.session.cookie_secure {
            self.say("session.cookie_secure", format!("must be true in the profile {profile}"));
        }
        if !config.session.cookie_http_only {
            self.say("session.cookie_http_only", format!("must be true in the profile {profile}"));
        }
        if config.server.public_url.as_ref().is_some_and(|url| !url.is_https()) {
            self.say("server.public_url", format!("must be https in the profile {profile}"));
        }
        if config.oauth2.issuer.as_ref().is_some_and(|url| !url.is_https()) {
            self.say("oauth2.issuer", format!("must be https in the profile {profile}"));
        }
        for setting in SETTINGS.iter().filter(|setting| setting.is_secret()) {
            if matches!(self.loaded.source(setting), Source::File { .. }) {
                let message = format!(
                    "is secret and does not belong into config.yml in the profile {profile}; give it as {}, or as a file of that name in CREDENTIALS_DIRECTORY",
                    setting.env[0]
                );
                self.say(setting.key, message);
            }
        }
    }
}

/// What is taken, but better put otherwise.
pub(super) fn warnings(loaded: &Loaded, environment: &Environment) -> Vec<String> {
    let mut warnings = Vec::new();
    let threads = Setting::find("server.worker_threads").map(|setting| loaded.source(setting));
    if threads == Some(&Source::Environment("GOMAXPROCS".into())) {
        warnings.push("GOMAXPROCS is taken as server.worker_threads; set WORKER_THREADS in its place".into());
    }
    for setting in SETTINGS {
        let mut given = setting.env.iter().filter_map(|name| Some((name, environment.given(name)?)));
        if let Some((first, value)) = given.next()
            && let Some((other, _)) = given.find(|(_, other)| *other != value)
        {
            warnings.push(format!("{first} and {other} differ; {first} counts, so remove {other}"));
        }
    }
    let known: Vec<&str> = SETTINGS.iter().flat_map(|setting| setting.env.iter().copied()).collect();
    for name in environment.names().filter(|name| name.len() > 7 && !known.contains(name)) {
        if let Some(near) = known.iter().find(|known| strsim::damerau_levenshtein(known, name) == 1) {
            warnings.push(format!("the environment variable {name} is not read; did you mean {near}?"));
        }
    }
    warnings
}
