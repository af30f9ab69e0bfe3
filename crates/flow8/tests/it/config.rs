//! `flow8 config`.

use model::Value;

use crate::Flow8;

#[test]
fn nothing_given_is_sound() {
    let ended = Flow8::new().run(&["config", "check"]).code(0);
    assert_eq!((&*ended.out, &*ended.err), ("the configuration is sound (no configuration file)\n", ""));
}

#[test]
fn a_wrong_key_a_bad_value_and_a_wrong_variable_are_told() {
    let flow8 = Flow8::new()
        .file("config.yml", "server:\n  prot: 80\n  drain_seconds: soon\n")
        .variable("SERVER_PORT", "eighty");
    let ended = flow8.run(&["config", "check"]).code(2);
    assert_eq!(
        ended.err,
        "error: server.prot: is no setting; did you mean server.port? (from ./config.yml:2:3)\n\
         error: server.drain_seconds: expects a whole number of seconds from 0 to 3600, not \"soon\" (from ./config.yml:3:3)\n\
         error: server.port: expects a port, 0 to 65535 (0 takes a free one), not \"eighty\" (from environment SERVER_PORT)\n"
    );
    assert_eq!(ended.out, "");
    let told = flow8.run(&["config", "check", "--json"]).code(2).out;
    let told = Value::from_json(told.as_bytes()).expect("JSON");
    assert_eq!(told.get("sound").and_then(Value::as_bool), Some(false));
    let source = told.pointer("/problems/2/source").and_then(Value::as_str);
    assert_eq!(source, Some("environment SERVER_PORT"));
}

#[test]
fn a_key_that_anybody_could_guess_is_refused() {
    let flow8 = Flow8::new()
        .variable("ENCRYPTION_KEY", &"ab".repeat(128))
        .variable("ENCRYPTION_KEY_SALT", &"0123456789abcdef".repeat(4));
    let ended = flow8.run(&["config", "check"]).code(2);
    assert!(ended.err.contains("encryption.key: ENCRYPTION_KEY is a well-known value"), "{}", ended.err);
    assert!(ended.err.contains("(from environment ENCRYPTION_KEY)"), "{}", ended.err);
    let told = flow8.run(&["config", "check", "--json"]).code(2).out;
    assert!(told.contains("ENCRYPTION_KEY is a well-known value"), "{told}");
}

#[test]
fn printing_masks_secrets_and_says_where_everything_is_from() {
    let flow8 = Flow8::new()
        .file("custom.yml", "log:\n  level: debug\n")
        .variable("MONGODB_URI", "mongodb://u:hunter2@h/d")
        .variable("ENCRYPTION_KEY", &"0123456789abcdef".repeat(16))
        .variable("ENCRYPTION_KEY_SALT", &"fedcba9876543210".repeat(4))
        .variable("HTTPS_PROXY", "http://u:hunter2@proxy:3128");
    let args = ["--config", "custom.yml", "--data-dir", "/srv/flow8", "config", "print", "--port", "0"];
    let printed = flow8.run(&args).code(0).out;
    for expected in [
        "data_dir: /srv/flow8  # flag --data-dir\n",
        "server:\n  port: 0  # flag --port\n  bind: 127.0.0.1  # default\n",
        "  uri: ***  # environment MONGODB_URI\n",
        "  key: ***  # environment ENCRYPTION_KEY\n",
        "  level: debug  # custom.yml:2:3\n",
        "    plays_filtered:\n      cadence: 30d  # default\n",
    ] {
        assert!(
            printed.contains(expected) || printed.contains(&expected.replace("***", "\"***\"")),
            "{expected}\n---\n{printed}"
        );
    }
    let json = flow8.run(&["--config", "custom.yml", "--json", "config", "print"]).code(0).out;
    let read = Value::from_json(json.as_bytes()).expect("JSON");
    assert_eq!(read.pointer("/config/server/tls/cert"), Some(&Value::Null));
    assert_eq!(read.pointer("/config/mongodb/uri").and_then(Value::as_str), Some("***"));
    assert_eq!(read.pointer("/sources/log.level").and_then(Value::as_str), Some("custom.yml:2:3"));
    for told in [printed, json] {
        assert!(!told.contains("hunter2") && !told.contains("0123456789abcdef"), "{told}");
    }
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let ended = Flow8::new().run(&["config", "check", "--config", "nowhere.yml"]).code(2);
    assert!(ended.err.contains("the configuration file nowhere.yml cannot be read"), "{}", ended.err);
}

#[test]
fn set_takes_every_setting_but_no_secret() {
    let printed = Flow8::new().run(&["config", "print", "--set", "engine.max_effects=7"]).code(0).out;
    assert!(printed.contains("  max_effects: 7  # flag --set engine.max_effects\n"), "{printed}");
    let ended = Flow8::new().run(&["config", "print", "--set", "oauth2.client_secret=x"]).code(2);
    assert!(ended.err.contains("give it as OAUTH2_CLIENT_SECRET"), "{}", ended.err);
    let ended = Flow8::new().run(&["config", "print", "--set", "engine.max_effects"]).code(2);
    assert!(ended.err.contains("write it as KEY=VALUE"), "{}", ended.err);
}

#[test]
fn the_list_has_a_row_for_every_setting() {
    let list = Flow8::new().run(&["config", "list"]).code(0).out;
    assert_eq!(list.lines().count(), flow8::config::SETTINGS.len() + 2);
    assert!(list.contains("| `mongodb.uri` | `MONGODB_URI` |  | unset |"), "{list}");
    let json = Flow8::new().run(&["config", "list", "--json"]).code(0).out;
    let rows = Value::from_json(json.as_bytes()).expect("JSON");
    assert_eq!(rows.as_list().map(<[_]>::len), Some(flow8::config::SETTINGS.len()));
}
