//! Buckets of components, and the modules on them, against a real S3 endpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Value;
use model::ids::{CompanyId, FlowId, PlayId};
use modules::provider::{HttpClient, HttpOptions, LocalFiles, ProxyOptions, service_client};
use objects::S3Components;
use sdk::component::{Backend as _, Backends, Component, Kind};
use sdk::{EffectCtx, EffectLog, Mishap, Outcome, Registry, Run};
use storage_suite::moto::Moto;

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn component(endpoint: &str, bucket: &str) -> Component {
    let config = format!(
        r#"{{"bucket":"{bucket}","accessKeyId":"key","endpoint":"{endpoint}","pathStyle":true,"prefix":"flows"}}"#
    );
    Component {
        company: CompanyId::default(),
        id: "0".into(),
        revision: 1,
        name: "default".into(),
        kind: Kind::Storage,
        provider: "s3".into(),
        config: json(&config),
        secret: json(r#"{"secretAccessKey":"s3-hush-hush"}"#),
        trusted: true,
    }
}

fn components() -> Arc<S3Components> {
    Arc::new(S3Components::new(service_client(&ProxyOptions::default(), None).expect("a client")))
}

async fn run(module: &str, args: &str, component: &Component, folder: &Path) -> Result<Value, Mishap> {
    let ctx = EffectCtx {
        traceparent: None,
        company: component.company,
        flow: FlowId::default(),
        play: PlayId::default(),
        attempt: 1,
        idempotency_key: "play-1/step".into(),
        timeout: Duration::from_secs(60),
        http: Arc::new(HttpClient::new(&HttpOptions::default()).expect("a client")),
        storage: Arc::new(LocalFiles::open(folder).expect("a folder")),
        backends: Backends { storage: components(), ..Backends::default() },
        components: BTreeMap::from([(Kind::Storage, component.clone())]),
        credential: None,
        log: EffectLog::default(),
    };
    ctx.storage.write(ctx.company, "in.bin", Bytes::from_static(&[0, 1, 255])).await.expect("writes");
    let registry = Registry::new(modules::all());
    let Run::Effect(run) = registry.get(module).expect("a module").run.clone() else { panic!("{module} is pure") };
    match run(json(args), Arc::new(ctx)).await? {
        Outcome::Done(out) => Ok(out),
        other => panic!("{module}: {other:?}"),
    }
}

#[tokio::test]
async fn objects_are_put_listed_fetched_and_removed() {
    let server = Moto::start();
    server.make_bucket("papers");
    let (papers, folder) = (component(&server.url(), "papers"), tempfile::tempdir().expect("a folder"));
    let gives = async |module: &str, args: &str| {
        run(module, args, &papers, folder.path())
            .await
            .unwrap_or_else(|mishap| panic!("{module}: {mishap:?}"))
            .to_json()
    };
    assert_eq!(gives("s3-upload", r#"{"path":"in.bin","key":"2026/ä.bin"}"#).await, r#"{"key":"2026/ä.bin","size":3}"#);
    assert_eq!(gives("s3-upload", r#"{"text":"hello","key":"2026/b.txt"}"#).await, r#"{"key":"2026/b.txt","size":5}"#);
    gives("s3-upload", r#"{"text":"x","key":"2027/c"}"#).await;
    let listed = gives("s3-list", r#"{"prefix":"2026/"}"#).await;
    assert!(listed.contains(r#""key":"2026/b.txt","size":5"#) && listed.ends_with(r#""count":2}"#), "{listed}");
    let rest = gives("s3-list", r#"{"after":"2026/b.txt","limit":1}"#).await;
    assert!(rest.contains("2026/ä.bin") && rest.ends_with(r#""count":1}"#), "{rest}");
    assert_eq!(
        gives("s3-download", r#"{"key":"2026/ä.bin","path":"out.bin"}"#).await,
        r#"{"path":"out.bin","size":3}"#
    );
    assert_eq!(gives("s3-delete", r#"{"key":"2026/ä.bin"}"#).await, r#"{"deleted":true}"#);
    assert_eq!(gives("s3-delete", r#"{"key":"2026/ä.bin"}"#).await, r#"{"deleted":false}"#);
    for (module, args, code) in [
        ("s3-download", r#"{"key":"2026/ä.bin","path":"x"}"#, "STORAGE_NOT_FOUND"),
        ("s3-upload", r#"{"text":"x","key":"../up"}"#, "STORAGE_BAD_PATH"),
        ("s3-upload", r#"{"text":"x","path":"in.bin","key":"k"}"#, "BAD_ARGUMENTS"),
        ("s3-upload", r#"{"path":"none","key":"k"}"#, "STORAGE_NOT_FOUND"),
    ] {
        let Err(Mishap::Failed(failure)) = run(module, args, &papers, folder.path()).await else { panic!("{args}") };
        assert_eq!(failure.code, code, "{module} {args}");
    }
}

#[tokio::test]
async fn the_connection_is_tested_and_leads_nowhere_else() {
    let server = Moto::start();
    server.make_bucket("papers");
    let (s3, papers) = (components(), component(&server.url(), "papers"));
    s3.test(&papers).await.expect("is fine");
    let failure = s3.test(&component(&server.url(), "nothing")).await.expect_err("refused");
    assert!(failure.code == "COMPONENT_UNREACHABLE" && failure.message.contains("no bucket nothing"), "{failure}");
    let untrusted = Component { trusted: false, ..papers.clone() };
    assert_eq!(s3.check(&untrusted).expect_err("refused").code, "COMPONENT_INVALID");
    for (bucket, region) in
        [("evil.example/", "us-east-1"), ("papers", "evil.example/?"), ("papers", "a#"), ("", "x"), ("a@b", "x")]
    {
        let config = format!(r#"{{"bucket":"{bucket}","region":"{region}","accessKeyId":"key"}}"#);
        let odd = Component { config: json(&config), ..untrusted.clone() };
        assert_eq!(s3.check(&odd).expect_err(&config).code, "COMPONENT_INVALID");
    }
    // Without a key of its own it would have that of the machine.
    let none = Component { secret: Value::empty_map(), ..papers.clone() };
    assert!(!s3.check(&none).expect_err("refused").message.contains("hush"));
}
