//! [`SETTINGS`]: the one table of settings. Reading, checking, printing and the reference follow it.

use super::{Config, Setting};

/// A row: the field of [`Config`], whose path is the key; the environment variables; the default;
/// what it is for.
macro_rules! setting {
    ($first:ident $(. $next:ident)*, [$($env:literal),*], $default:literal, $summary:literal) => {
        Setting {
            key: concat!(stringify!($first) $(, ".", stringify!($next))*),
            env: &[$($env),*],
            flag: None,
            default: $default,
            summary: $summary,
            live: false,
            field: |config: &Config| &config.$first $(.$next)*,
            field_mut: |config: &mut Config| &mut config.$first $(.$next)*,
        }
    };
}

/// Every setting, section by section.
pub static SETTINGS: &[Setting] = &[
    setting!(profile, ["FLOW8_PROFILE"], "development", "How strict flow8 is with its own configuration.")
        .flag("profile"),
    setting!(data_dir, ["FLOW8_DATA_DIR"], "./data", "The folder of the embedded store, and of objects.")
        .flag("data-dir"),
    // The HTTP API and the page.
    setting!(server.port, ["SERVER_PORT"], "4454", "The port of the HTTP API and the page.").flag("port"),
    setting!(server.bind, ["SERVER_BIND"], "127.0.0.1", "The address that all ports listen on.").flag("bind"),
    setting!(server.max_request_size_mb, ["MAX_REQUEST_SIZE_MB"], "100", "The largest body of a request."),
    setting!(server.read_timeout_seconds, ["READ_TIMEOUT_SECONDS"], "30", "How long a request may take to arrive."),
    setting!(server.drain_seconds, ["DRAIN_SECONDS"], "25", "How long plays may go on after a signal to stop."),
    setting!(
        server.worker_threads,
        ["WORKER_THREADS", "GOMAXPROCS"],
        "",
        "Threads that do the work; as many as the process has processors where it is not set."
    ),
    setting!(server.public_url, ["PUBLIC_URL"], "", "Where people and webhooks reach flow8."),
    setting!(server.trusted_proxies, ["TRUSTED_PROXIES"], "", "Peers whose forwarding headers are believed."),
    setting!(server.allowed_origins, ["ALLOWED_ORIGINS"], "", "Other sites whose pages may call the API."),
    setting!(
        server.tls.cert,
        ["TLS_CERT_FILE"],
        "",
        "The certificate that flow8 itself shows, with its chain, as PEM."
    )
    .live(),
    setting!(server.tls.key, ["TLS_KEY_FILE"], "", "The key of that certificate, as PEM.").live(),
    setting!(
        limits.requests_per_address,
        ["RATE_LIMIT_PER_ADDRESS"],
        "20",
        "Requests a second from one address that has not signed in; 0 for any number."
    )
    .live(),
    setting!(
        limits.requests_per_key,
        ["RATE_LIMIT_PER_KEY"],
        "0",
        "Requests a second by one API key or session; 0 for any number."
    )
    .live(),
    setting!(metrics.port, ["METRICS_PORT"], "", "A port for /metrics alone; where it is not set, server.port has it."),
    setting!(mcp.port, ["MCP_PORT"], "4445", "The port of the MCP endpoint."),
    setting!(channels.port, ["CHANNELS_PORT"], "7701", "The port that all channels share."),
    setting!(channels.port_range, ["CHANNEL_PORT_RANGE"], "7702-7799", "Ports that a channel may have to itself."),
    // Where things are kept.
    setting!(mongodb.uri, ["MONGODB_URI"], "", "Where MongoDB is; where it is not set, the embedded store is used."),
    setting!(mongodb.database, ["MONGODB_DB"], "", "The database; else the one in the URI, else flow8."),
    setting!(mongodb.max_pool_size, ["MONGODB_MAX_POOL_SIZE"], "100", "Connections to MongoDB at once."),
    setting!(
        mongodb.tls_ca_file,
        ["MONGODB_TLS_CA_FILE"],
        "",
        "The authority that signed MongoDB's certificate, as PEM."
    ),
    setting!(mongodb.tls_cert_key_file, ["MONGODB_TLS_CERT_KEY_FILE"], "", "flow8's own certificate and key, as PEM."),
    setting!(
        mongodb.auto_migrate,
        ["MONGODB_AUTO_MIGRATE"],
        "true",
        "Whether a replica that starts brings the schema up to date; else `flow8 migrate` does."
    ),
    setting!(encryption.algorithm, ["ENCRYPTION_ALGORITHM"], "argon2id", "How the master key is derived."),
    setting!(
        encryption.key,
        ["ENCRYPTION_KEY", "ENC_KEY_SECRET"],
        "",
        "What the master key is derived from; the embedded store alone can make its own."
    ),
    setting!(encryption.key_salt, ["ENCRYPTION_KEY_SALT", "ENV_KEY_SALT"], "", "The salt of that derivation."),
    setting!(
        encryption.master_key,
        ["ENCRYPTION_MASTER_KEY"],
        "",
        "In place of both: the key that an embedded store made, which is in its file master.key."
    ),
    setting!(
        encryption.previous_key,
        ["ENCRYPTION_PREVIOUS_KEY"],
        "",
        "What encryption.key was before, until `flow8 keys rotate` has run."
    ),
    setting!(encryption.previous_key_salt, ["ENCRYPTION_PREVIOUS_KEY_SALT"], "", "The salt of that one."),
    setting!(
        encryption.previous_master_key,
        ["ENCRYPTION_PREVIOUS_MASTER_KEY"],
        "",
        "What encryption.master_key was before, until `flow8 keys rotate` has run."
    ),
    // Signing in.
    setting!(session.ttl_hours, ["SESSION_TTL_HOURS"], "1", "How long somebody stays signed in."),
    setting!(
        session.cookie_secure,
        ["SESSION_COOKIE_SECURE"],
        "true",
        "Whether browsers send the cookie over TLS only."
    ),
    setting!(session.cookie_http_only, ["SESSION_COOKIE_HTTP_ONLY"], "true", "Whether scripts cannot read the cookie."),
    setting!(
        session.cookie_same_site,
        ["SESSION_COOKIE_SAME_SITE"],
        "strict",
        "When other sites make the cookie be sent."
    ),
    setting!(oauth2.client_id, ["OAUTH2_CLIENT_ID"], "", "The id that the OpenID provider knows flow8 by."),
    setting!(oauth2.client_secret, ["OAUTH2_CLIENT_SECRET"], "", "The secret that goes with it."),
    setting!(oauth2.issuer, ["OAUTH2_ISSUER"], "", "The OpenID provider that people may sign in through."),
    setting!(oauth2.scopes, ["OAUTH2_SCOPES"], "openid,email,profile", "What that provider is asked for."),
    setting!(
        oauth2.roles_claim,
        ["OAUTH2_ROLES_CLAIM"],
        "",
        "The claim that holds somebody's groups there; with it, the provider says who has which role."
    ),
    setting!(oauth2.roles, ["OAUTH2_ROLES"], "", "The role that each group gives, as GROUP=ROLE."),
    setting!(oauth2.default_roles, ["OAUTH2_DEFAULT_ROLES"], "", "Roles of whoever is in none of these groups."),
    setting!(
        oauth2.create_people,
        ["OAUTH2_CREATE_PEOPLE"],
        "false",
        "Whether that provider lets people in whom nobody has added."
    ),
    setting!(storage.dir, ["STORAGE_DIR"], "", "The folder of objects; else MongoDB, or objects in data_dir."),
    setting!(storage.shared, ["STORAGE_SHARED"], "false", "Whether all replicas see that folder."),
    setting!(storage.s3.bucket, ["S3_BUCKET"], "", "The bucket of objects in S3, or in what speaks it."),
    setting!(storage.s3.endpoint, ["S3_ENDPOINT"], "", "Where the S3-compatible store is; else AWS."),
    setting!(storage.s3.region, ["S3_REGION"], "", "The region of the bucket."),
    setting!(storage.s3.prefix, ["S3_PREFIX"], "", "What the names of all objects begin with."),
    setting!(storage.s3.access_key_id, ["S3_ACCESS_KEY_ID"], "", "The access key; else the identity of the workload."),
    setting!(storage.s3.secret_access_key, ["S3_SECRET_ACCESS_KEY"], "", "The secret of the access key."),
    setting!(storage.s3.force_path_style, ["S3_FORCE_PATH_STYLE"], "false", "Whether the bucket stands in the path."),
    setting!(storage.gcs.bucket, ["GCS_BUCKET"], "", "The bucket of objects in Google Cloud Storage."),
    setting!(storage.gcs.prefix, ["GCS_PREFIX"], "", "What the names of all objects begin with."),
    setting!(
        storage.gcs.service_account_file,
        ["GCS_SERVICE_ACCOUNT_FILE"],
        "",
        "The key of a service account, as JSON; else the identity of the workload."
    ),
    setting!(storage.gcs.endpoint, ["GCS_ENDPOINT"], "", "Where the store is; else Google."),
    setting!(storage.azure.account, ["AZURE_BLOB_ACCOUNT"], "", "The storage account."),
    setting!(storage.azure.container, ["AZURE_BLOB_CONTAINER"], "", "The container of objects in Azure Blob Storage."),
    setting!(
        storage.azure.access_key,
        ["AZURE_BLOB_ACCESS_KEY"],
        "",
        "A key of the account; else the identity of the workload."
    ),
    setting!(storage.azure.prefix, ["AZURE_BLOB_PREFIX"], "", "What the names of all objects begin with."),
    setting!(storage.azure.endpoint, ["AZURE_BLOB_ENDPOINT"], "", "Where the store is; else Azure."),
    // How long things are kept.
    setting!(retention.cleanup_interval, ["RETENTION_CLEANUP_INTERVAL"], "2m", "How often what is too old is removed.")
        .live(),
    setting!(
        retention.policies.audit_logs.cadence,
        ["RETENTION_POLICIES_AUDIT_LOGS_CADENCE"],
        "30d",
        "How long the audit log is kept."
    )
    .live(),
    setting!(
        retention.policies.audit_logs.min_entries,
        ["RETENTION_POLICIES_AUDIT_LOGS_MIN_ENTRIES"],
        "10",
        "How many rows of the audit log are kept however old they are."
    )
    .live(),
    setting!(
        retention.policies.audit_logs.enforced_minimum,
        ["RETENTION_POLICIES_AUDIT_LOGS_ENFORCED_MINIMUM"],
        "14d",
        "The shortest that anybody may keep the audit log."
    )
    .live(),
    setting!(retention.policies.plays.cadence, ["RETENTION_POLICIES_PLAYS_CADENCE"], "90d", "How long plays are kept.")
        .live(),
    setting!(
        retention.policies.plays.min_entries,
        ["RETENTION_POLICIES_PLAYS_MIN_ENTRIES"],
        "100",
        "How many plays are kept however old they are."
    )
    .live(),
    setting!(
        retention.policies.plays.enforced_minimum,
        ["RETENTION_POLICIES_PLAYS_ENFORCED_MINIMUM"],
        "0s",
        "The shortest that anybody may keep plays."
    )
    .live(),
    setting!(
        retention.policies.plays_filtered.cadence,
        ["RETENTION_POLICIES_PLAYS_FILTERED_CADENCE"],
        "30d",
        "How long filtered plays are kept."
    )
    .live(),
    setting!(
        retention.policies.plays_filtered.min_entries,
        ["RETENTION_POLICIES_PLAYS_FILTERED_MIN_ENTRIES"],
        "10",
        "How many filtered plays are kept however old they are."
    )
    .live(),
    setting!(
        retention.policies.plays_filtered.enforced_minimum,
        ["RETENTION_POLICIES_PLAYS_FILTERED_ENFORCED_MINIMUM"],
        "3d",
        "The shortest that anybody may keep filtered plays."
    )
    .live(),
    // What plays may do.
    setting!(
        engine.max_effects,
        ["ENGINE_MAX_EFFECTS"],
        "1000",
        "Outgoing calls of a replica at once; more of them wait."
    ),
    setting!(expressions.env, ["EXPRESSIONS_ENV"], "", "Environment variables that flows may read as $env.NAME."),
    setting!(egress.allow, ["EGRESS_ALLOW"], "", "Private and loopback peers that flows may call.").live(),
    setting!(egress.deny, ["EGRESS_DENY"], "", "Peers that flows may not call; beats egress.allow.").live(),
    setting!(egress.http_proxy, ["HTTP_PROXY", "http_proxy"], "", "The proxy of outgoing calls by http.").live(),
    setting!(egress.https_proxy, ["HTTPS_PROXY", "https_proxy"], "", "The proxy of outgoing calls by https.").live(),
    setting!(egress.no_proxy, ["NO_PROXY", "no_proxy"], "", "Peers that are called without a proxy.").live(),
    setting!(egress.ca_file, ["EGRESS_CA_FILE"], "", "More authorities to trust in outgoing calls, as PEM.").live(),
    setting!(integrations.dir, ["INTEGRATIONS_DIR"], "/app/config/integrations", "The folder of declared components.")
        .live(),
    setting!(
        bootstrap.admin_email,
        ["FLOW8_BOOTSTRAP_ADMIN_EMAIL"],
        "",
        "The first administrator; else admin@localhost."
    ),
    setting!(
        bootstrap.admin_password,
        ["FLOW8_BOOTSTRAP_ADMIN_PASSWORD"],
        "",
        "The first administrator's password; else one is made and printed once."
    ),
    // What flow8 tells of itself.
    setting!(log.level, ["LOG_LEVEL"], "info", "The least important line that is logged.").flag("log-level").live(),
    setting!(log.format, ["LOG_FORMAT"], "auto", "How lines are logged; auto is text on a terminal, else json.")
        .flag("log-format"),
    setting!(otel.endpoint, ["OTEL_EXPORTER_OTLP_ENDPOINT"], "", "Where traces are sent, by OTLP."),
    setting!(
        otel.sample_ratio,
        ["OTEL_TRACES_SAMPLER_ARG"],
        "1",
        "The part of the traces that begin here which is kept; of others, whoever began them decides."
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_default_fits_its_setting() {
        let mut config = Config::blank();
        for setting in SETTINGS {
            let taken = setting.set(&mut config, &setting.default.into());
            assert_eq!(taken, Ok(()), "{}", setting.key);
        }
    }

    #[test]
    fn no_name_comes_twice() {
        let (mut seen, mut flags) = (BTreeSet::new(), BTreeSet::new());
        for setting in SETTINGS {
            assert!(seen.insert(setting.key), "{}", setting.key);
            for name in setting.env {
                assert!(seen.insert(name), "{name}");
            }
            assert!(!setting.env.is_empty(), "{}", setting.key);
            assert!(setting.flag.is_none_or(|flag| flags.insert(flag)), "{}", setting.key);
        }
    }

    #[test]
    fn variables_of_retention_are_their_keys_in_capitals() {
        for setting in SETTINGS.iter().filter(|setting| setting.key.starts_with("retention.")) {
            assert_eq!(setting.env, [setting.key.replace('.', "_").to_uppercase()]);
        }
    }

    #[test]
    fn a_section_is_written_in_one_piece() {
        let sections: Vec<&str> = SETTINGS.iter().map(|row| row.key.rsplit_once('.').map_or("", |at| at.0)).collect();
        let mut runs = sections.clone();
        runs.dedup();
        let different: BTreeSet<&str> = sections.into_iter().collect();
        assert_eq!(runs.len(), different.len());
    }
}
