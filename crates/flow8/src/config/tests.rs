//! What a configuration is, by where its settings are given; and what is refused, in which words.

use std::fs;
use std::path::Path;

use super::*;

/// The configuration that a file and variables make; problems as they are printed, by line.
fn loaded(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yml");
    fs::write(&path, file).expect("written");
    let environment = Environment::of(variables.iter().copied());
    let flags = flags.iter().map(|(key, value)| FlagValue {
        key: (*key).into(),
        value: (*value).into(),
        flag: format!("--set {key}"),
    });
    let inputs = Inputs { file: Some(path), flags: flags.collect(), ..Inputs::new(&environment) };
    let shorter = |problem: &Problem| problem.to_string().replace(&format!("{}/", folder.path().display()), "");
    load(&inputs).map_err(|problems| problems.0.iter().map(shorter).collect())
}

fn refused(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    loaded(file, variables, flags).expect_err("refused").join("\n")
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = "server: {port: 1001}\nmcp: {port: 1002}\nchannels: {port: 1003}\n";
    let variables = [("MCP_PORT", "2002"), ("CHANNELS_PORT", "2003")];
    let loaded = loaded(file, &variables, &[("channels.port", "3003")]).expect("sound");
    let config = &loaded.config;
    assert_eq!((config.server.port, config.mcp.port, config.channels.port), (Port(1001), Port(2002), Port(3003)));
    assert_eq!(config.engine.max_effects.get(), 1000);
    let source = |key| loaded.source(Setting::find(key).expect(key)).to_string();
    assert!(source("server.port").ends_with("config.yml:1:10"), "{}", source("server.port"));
    assert_eq!(source("mcp.port"), "environment MCP_PORT");
    assert_eq!(source("channels.port"), "flag --set channels.port");
    assert_eq!(source("engine.max_effects"), "default");
}

#[test]
fn everything_wrong_is_told_with_its_place_and_what_is_expected() {
    for (file, variables, flags, expected) in [
        (
            "server:\n  port: eighty\n",
            vec![],
            vec![],
            r#"server.port: expects a port, 0 to 65535 (0 takes a free one), not "eighty" (from config.yml:2:3)"#,
        ),
        (
            "server:\n  prot: 80\n",
            vec![],
            vec![],
            "server.prot: is no setting; did you mean server.port? (from config.yml:2:3)",
        ),
        (
            "server: 80\n",
            vec![],
            vec![],
            "server: this is a section and holds settings by name, not a number (from config.yml:1:1)",
        ),
        ("[]\n", vec![], vec![], "the file is a section and holds settings by name, not a list (from config.yml:1:1)"),
        (
            "server.port: 80\n",
            vec![],
            vec![],
            "server.port: a key has no dots; write it as server: {port: …} (from config.yml:1:1)",
        ),
        ("server:\n\tport: 80\n", vec![], vec![], "config.yml:2:"),
        (
            "",
            vec![("SERVER_PORT", "tcp://10.0.0.1:80")],
            vec![],
            r#"not "tcp://10.0.0.1:80" (from environment SERVER_PORT)"#,
        ),
        (
            "",
            vec![("RETENTION_POLICIES_PLAYS_CADENCE", "90")],
            vec![],
            "with its unit, such as 30s, 2m, 12h, 30d or 2w",
        ),
        ("", vec![("ENCRYPTION_KEY", "hunter2")], vec![], "encryption.key: expects 256 hex digits"),
        (
            "",
            vec![("TRUSTED_PROXIES", "10.0.0.0/8, nonsense")],
            vec![],
            r#"not "nonsense" (from environment TRUSTED_PROXIES)"#,
        ),
        ("", vec![], vec![("server.port", "x")], r#"not "x" (from flag --set server.port)"#),
        (
            "",
            vec![],
            vec![("sever.port", "1")],
            "sever.port: is no setting; did you mean server.port? (from flag --set sever.port)",
        ),
        (
            "",
            vec![],
            vec![("encryption.key", "x")],
            "encryption.key: is secret, and a command line can be seen by others",
        ),
        ("log: {level: loud}\n", vec![], vec![], r#"log.level: expects error, warn, info, debug or trace, not "loud""#),
        (
            "session: {cookie_secure: yes}\n",
            vec![],
            vec![],
            r#"session.cookie_secure: expects true or false, not "yes""#,
        ),
    ] {
        let told = refused(file, &variables, &flags);
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = refused("a: 1\nserver: {port: x}\n", &[("MCP_PORT", "x")], &[("channels.port", "x")]);
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn rules_between_settings_hold() {
    let key = "0123456789abcdef".repeat(16);
    let salt = "fedcba9876543210".repeat(4);
    for (file, variables, expected) in [
        ("mcp: {port: 4454}\n", vec![], "mcp.port: is 4454, which server.port has"),
        ("mcp: {port: 7750}\n", vec![], "mcp.port: is 7750, which lies in channels.port_range (7702-7799)"),
        ("server: {tls: {cert: a.pem}}\n", vec![], "server.tls.cert: goes together with server.tls.key"),
        (
            "",
            vec![("ENCRYPTION_KEY", &*key)],
            "encryption.key: goes together with encryption.key_salt, which is not set; set it, too, as ENCRYPTION_KEY_SALT",
        ),
        ("", vec![("MONGODB_URI", "mongodb://h/d")], "encryption.key: is required with mongodb.uri"),
        (
            "",
            vec![("ENCRYPTION_KEY", &*key), ("ENCRYPTION_KEY_SALT", &*salt), ("ENCRYPTION_MASTER_KEY", &*salt)],
            "encryption.master_key: stands in place of encryption.key",
        ),
        (
            "session: {cookie_same_site: none, cookie_secure: false}\n",
            vec![],
            "none requires session.cookie_secure: true",
        ),
        (
            "retention: {policies: {plays_filtered: {cadence: 1d}}}\n",
            vec![],
            "is 1d, less than the enforced_minimum of 3d",
        ),
        ("retention: {cleanup_interval: 0s}\n", vec![], "retention.cleanup_interval: is at least 1s"),
        (
            "expressions: {env: [HOME, ENCRYPTION_KEY]}\n",
            vec![],
            "expressions.env: names ENCRYPTION_KEY, which is a secret",
        ),
        (
            "profile: production\nsession: {cookie_secure: false}\n",
            vec![],
            "session.cookie_secure: must be true in the profile production (from config.yml:2:11)",
        ),
        (
            "profile: production\noauth2: {issuer: https://i, client_id: a, client_secret: b}\nserver: {public_url: https://p}\n",
            vec![],
            "oauth2.client_secret: is secret and does not belong into config.yml",
        ),
        (
            "profile: production\noauth2: {issuer: http://i, client_id: a}\nserver: {public_url: https://p}\n",
            vec![],
            "oauth2.issuer: must be https in the profile production",
        ),
        (
            "oauth2: {issuer: https://i, client_id: a, scopes: [email]}\nserver: {public_url: https://p}\n",
            vec![],
            "oauth2.scopes: must have openid",
        ),
        ("", vec![("OAUTH2_ROLES", "staff=builder")], "oauth2.roles: goes together with oauth2.roles_claim"),
        ("oauth2: {roles_claim: groups}\n", vec![], "oauth2.roles_claim: goes together with oauth2.roles"),
        ("oauth2: {create_people: true}\n", vec![], "oauth2.create_people: goes together with oauth2.issuer"),
        (
            "",
            vec![("OAUTH2_DEFAULT_ROLES", "auditor, owner")],
            "oauth2.default_roles: expects one of the roles admin, builder, operator, approver, auditor, not \"owner\"",
        ),
        (
            "profile: finance\n",
            vec![],
            "retention.policies.audit_logs.enforced_minimum: is at least 400d in the profile finance (it has its default)",
        ),
    ] {
        let told = refused(file, &variables, &[]);
        assert!(told.contains(expected), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let sound = "profile: finance\nretention: {policies: {audit_logs: {cadence: 500d, enforced_minimum: 400d}}}\n";
    let variables = [("MONGODB_URI", "mongodb://h/d"), ("ENCRYPTION_KEY", &*key), ("ENCRYPTION_KEY_SALT", &*salt)];
    assert!(loaded(sound, &variables, &[]).is_ok());
    assert!(loaded("server: {port: 0}\nmcp: {port: 0}\nchannels: {port: 0}\n", &[], &[]).is_ok());
}

#[test]
fn a_credential_file_is_read_where_its_variable_is_not_set() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("OAUTH2_CLIENT_SECRET"), "from a file\n").expect("written");
    fs::write(folder.path().join("S3_BUCKET"), "bucket\n").expect("written");
    let credentials = ("CREDENTIALS_DIRECTORY", folder.path().to_str().expect("text"));
    let file = "oauth2: {client_id: a, issuer: https://i}\nserver: {public_url: https://p}\n";
    let client_secret = |loaded: &Loaded| loaded.config.oauth2.client_secret.as_ref().map(|it| it.reveal().to_owned());
    let from_file = loaded(file, &[credentials], &[]).expect("sound");
    assert_eq!(client_secret(&from_file).as_deref(), Some("from a file"));
    assert_eq!(from_file.config.storage.s3.bucket.as_deref(), Some("bucket"));
    let from_variable = loaded(file, &[credentials, ("OAUTH2_CLIENT_SECRET", "from a variable")], &[]).expect("sound");
    assert_eq!(client_secret(&from_variable).as_deref(), Some("from a variable"));
}

#[test]
fn a_credential_file_that_everybody_may_read_is_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("OAUTH2_CLIENT_SECRET");
    fs::write(&file, "secret").expect("written");
    fs::write(folder.path().join("S3_BUCKET"), "bucket").expect("written");
    let credentials = ("CREDENTIALS_DIRECTORY", folder.path().to_str().expect("text"));
    let yaml = "oauth2: {client_id: a, issuer: https://i}\nserver: {public_url: https://p}\n";
    let warnings = |mode: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set");
        loaded(yaml, &[credentials], &[]).expect("sound").warnings.join("\n")
    };
    for mode in [0o400, 0o440, 0o600] {
        assert_eq!(warnings(mode), "", "{mode:o}");
    }
    let told = warnings(0o644);
    assert!(told.contains("OAUTH2_CLIENT_SECRET") && told.contains("chmod o="), "{told}");
    assert_eq!(told.lines().count(), 1, "a bucket is no secret: {told}");
}

#[test]
fn a_file_that_was_asked_for_must_be_there_and_a_default_one_need_not() {
    let environment = Environment::default();
    let missing = Path::new("/nonexistent/config.yml").to_owned();
    let asked = Inputs { file: Some(missing.clone()), ..Inputs::new(&environment) };
    let told = load(&asked).expect_err("refused").to_string();
    assert!(told.contains("/nonexistent/config.yml cannot be read"), "{told}");
    let searched = Inputs { default_files: vec![missing], ..Inputs::new(&environment) };
    assert_eq!(load(&searched).expect("sound").file, None);
}

#[test]
fn an_empty_variable_counts_as_unset_and_names_of_old_are_taken() {
    let loaded = loaded("", &[("SERVER_PORT", ""), ("GOMAXPROCS", "2"), ("SERVER_PROT", "1")], &[]).expect("sound");
    assert_eq!(loaded.config.server.port, Port(4454));
    assert_eq!(loaded.config.server.worker_threads.map(Whole::get), Some(2));
    let told = loaded.warnings.join("\n");
    assert!(
        told.contains("GOMAXPROCS is taken") && told.contains("SERVER_PROT is not read; did you mean SERVER_PORT?"),
        "{told}"
    );
}

#[test]
fn flows_get_the_variables_they_may_read() {
    let variables = [("REGION", "eu"), ("HOME", "/root"), ("EXPRESSIONS_ENV", "REGION,UNSET")];
    let variables = loaded("", &variables, &[]).expect("sound").config.expressions.variables;
    assert_eq!(variables.into_iter().collect::<Vec<_>>(), [("REGION".to_owned(), "eu".to_owned())]);
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let file = "server: {public_url: 'https://flow8.example.com', trusted_proxies: [10.0.0.0/8]}\n\
                egress: {allow: ['*.internal', '[fd12::/16]:443']}\nretention: {cleanup_interval: 90m}\n";
    let first = loaded(file, &[], &[]).expect("sound");
    let second = loaded(&to_yaml(&first), &[], &[]).expect("sound");
    assert_eq!(changes(&first.config, &second.config).map(|setting| setting.key).collect::<Vec<_>>(), [""; 0]);
    let third = loaded("log: {level: debug}\n", &[], &[]).expect("sound");
    let changed: Vec<&str> = changes(&first.config, &third.config).map(|setting| setting.key).collect();
    assert_eq!(
        changed,
        ["server.public_url", "server.trusted_proxies", "retention.cleanup_interval", "egress.allow", "log.level"]
    );
}

#[test]
fn the_configuration_of_the_deployment_guide_is_taken_as_it_is() {
    let file = r#"
server:
  port: 4454
  max_request_size_mb: 100
  read_timeout_seconds: 30
mongodb:
  max_pool_size: 100
encryption:
  algorithm: argon2id
session:
  ttl_hours: 1
  cookie_secure: true
  cookie_http_only: true
  cookie_same_site: strict
retention:
  cleanup_interval: "2m"
  policies:
    audit_logs:
      cadence: "30d"
      enforced_minimum: "14d"
"#;
    let loaded = loaded(file, &[], &[]).expect("sound");
    assert_eq!(changes(&loaded.config, &Config::default()).count(), 0);
    assert_eq!(loaded.config.server.max_request_size_mb.bytes(), 104_857_600);
    assert_eq!(loaded.config.session.ttl_hours.duration().as_secs(), 3600);
    assert_eq!(loaded.config.retention.policies.audit_logs.enforced_minimum, Span::days(14));
}

#[test]
fn rules_for_outgoing_calls_become_the_policy() {
    let variables =
        [("EGRESS_ALLOW", "10.0.0.0/8, *.internal:443"), ("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", "a,b")];
    let egress = loaded("", &variables, &[]).expect("sound").config.egress;
    assert_eq!(egress.policy(), modules::provider::EgressPolicy::new(["10.0.0.0/8", "*.internal:443"], []));
    assert_eq!((egress.proxy().https.as_deref(), &*egress.proxy().no_proxy), (Some("proxy:3128"), "a,b"));
    let told = refused("", &[("EGRESS_DENY", "10.0.0.1/8")], &[]);
    assert!(told.contains("10.0.0.0/8 is the network (from environment EGRESS_DENY)"), "{told}");
}
