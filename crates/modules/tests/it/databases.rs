//! The modules for databases against a real PostgreSQL server.

use std::sync::Arc;
use std::time::Duration;

use model::ids::CompanyId;
use model::{Failure, Value};
use modules::provider::{Dialer, HttpOptions, Postgres};
use peers::Postgres as Server;
use sdk::Mishap;
use sdk::component::{Backend as _, Backends, Component, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::effects::{ctx, json, run};
use crate::policy;

/// What stands behind components, and a component.
struct Stage {
    backends: Backends,
    component: Component,
    folder: tempfile::TempDir,
}

impl Stage {
    fn at(port: u16, options: &HttpOptions) -> Self {
        let dialer = Arc::new(Dialer::new(options).expect("a dialer"));
        let config =
            format!(r#"{{"host":"127.0.0.1","port":{port},"database":"postgres","user":"flow8","tls":"off"}}"#);
        let component = Component {
            company: CompanyId::default(),
            id: "0".into(),
            revision: 1,
            name: "books".into(),
            kind: Kind::Db,
            provider: "postgres".into(),
            config: json(&config),
            secret: json(&format!(r#"{{"password":"{}"}}"#, Server::PASSWORD)),
            trusted: true,
        };
        Self {
            backends: Backends { db: Arc::new(Postgres::new(dialer)), ..Backends::default() },
            component,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    async fn ends(&self, module: &str, args: &str) -> Result<Value, Mishap> {
        run(module, args, ctx(self.backends.clone(), &self.component, self.folder.path())).await
    }

    async fn gives(&self, module: &str, args: &str) -> String {
        self.ends(module, args).await.unwrap_or_else(|mishap| panic!("{module} {args}: {mishap:?}")).to_json()
    }

    async fn fails(&self, module: &str, args: &str) -> Failure {
        match self.ends(module, args).await {
            Err(Mishap::Failed(failure)) => failure,
            other => panic!("{module} {args}: {other:?}"),
        }
    }
}

const TABLE: &str = r#"{"sql":"CREATE TABLE bills (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text UNIQUE NOT NULL, total numeric, paid boolean DEFAULT false, tags text[], extra jsonb, due date)"}"#;

#[tokio::test]
async fn rows_are_added_read_changed_and_removed() {
    let server = Server::start();
    let stage = Stage::at(server.port(), &HttpOptions::default());
    assert_eq!(stage.gives("db-raw", TABLE).await, r#"{"count":0}"#);
    let bills = r#"{"table":"bills","rows":[
        {"customer":"ada","total":12345678901234567890.123456789,"tags":["a\"b","c,d"],"extra":{"n":1.10},"due":"2026-02-28"},
        {"customer":"o'; DROP TABLE bills; --","total":0.1,"tags":null,"extra":null,"due":null}],"returning":["id"]}"#;
    assert_eq!(stage.gives("db-insert", bills).await, r#"{"count":2,"rows":[{"id":1},{"id":2}]}"#);
    let read = r#"{"sql":"SELECT customer, total, tags, extra, due, paid FROM bills WHERE total > $1 -- big ones","params":[1]}"#;
    assert_eq!(
        stage.gives("db-query", read).await,
        concat!(
            r#"{"rows":[{"customer":"ada","total":12345678901234567890.123456789,"tags":["a\"b","c,d"],"#,
            r#""extra":{"n":1.10},"due":"2026-02-28","paid":false}],"count":1}"#
        )
    );
    let hostile = r#"{"sql":"SELECT id FROM bills WHERE customer = $1","params":["o'; DROP TABLE bills; --"]}"#;
    assert_eq!(stage.gives("db-query", hostile).await, r#"{"rows":[{"id":2}],"count":1}"#);
    let update = r#"{"table":"public.bills","set":{"paid":true,"total":1.10},"where":{"id":2,"due":null},"returning":["customer","total"]}"#;
    assert_eq!(
        stage.gives("db-update", update).await,
        r#"{"count":1,"rows":[{"customer":"o'; DROP TABLE bills; --","total":1.10}]}"#
    );
    let upsert =
        r#"{"table":"bills","key":["customer"],"rows":[{"customer":"ada","total":2},{"customer":"eve","total":3}]}"#;
    assert_eq!(stage.gives("db-upsert", upsert).await, r#"{"count":2,"rows":[]}"#);
    let all = r#"{"sql":"SELECT array_agg(total ORDER BY id) AS totals FROM bills"}"#;
    assert_eq!(stage.gives("db-query", all).await, r#"{"rows":[{"totals":[2,1.10,3]}],"count":1}"#);
    assert_eq!(stage.gives("db-delete", r#"{"table":"bills","where":{"id":2}}"#).await, r#"{"count":1,"rows":[]}"#);
    assert_eq!(stage.gives("db-delete", r#"{"table":"bills","where":{"id":2}}"#).await, r#"{"count":0,"rows":[]}"#);
    // One connection was enough for all of these but the raw one.
    let mine = r#"{"sql":"SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'flow8'"}"#;
    assert_eq!(stage.gives("db-query", mine).await, r#"{"rows":[{"n":1}],"count":1}"#);
}

#[tokio::test]
async fn what_the_database_refuses_has_no_effect_and_tells_no_value() {
    let server = Server::start();
    let stage = Stage::at(server.port(), &HttpOptions::default());
    stage.gives("db-raw", TABLE).await;
    let read_only =
        stage.fails("db-query", r#"{"sql":"INSERT INTO bills (customer) VALUES ('x') RETURNING id"}"#).await;
    assert!(read_only.code == "DB_REFUSED" && read_only.message.contains("25006"), "{read_only}");
    let sneaky = r#"{"sql":"SELECT set_config('transaction_read_only','off',false), nextval('bills_id_seq')"}"#;
    assert!(stage.fails("db-query", sneaky).await.message.contains("25"), "the database keeps it from writing");
    let typed = r#"{"sql":"SELECT id FROM bills WHERE id = $1","params":["s3cr3t"]}"#;
    let failure = stage.fails("db-query", typed).await;
    assert!(!failure.to_string().contains("s3cr3t") && failure.message.contains("***"), "{failure}");
    stage.gives("db-insert", r#"{"table":"bills","row":{"customer":"s3cr3t"}}"#).await;
    let twice =
        stage.fails("db-insert", r#"{"table":"bills","rows":[{"customer":"new"},{"customer":"s3cr3t"}]}"#).await;
    assert!(!twice.to_string().contains("s3cr3t"), "{twice}");
    let details = twice.details.expect("details").to_json();
    assert_eq!(details, r#"{"sqlState":"23505","constraint":"bills_customer_key"}"#);
    assert_eq!(
        stage.gives("db-query", r#"{"sql":"SELECT customer FROM bills"}"#).await,
        r#"{"rows":[{"customer":"s3cr3t"}],"count":1}"#
    );
    for (module, args, code) in [
        ("db-query", r#"{"sql":"SELECT generate_series(1, 1000000) AS n","maxRows":10}"#, "LIMIT_EXCEEDED"),
        ("db-query", r#"{"sql":"SELECT repeat('x', 1000000) AS x FROM generate_series(1, 100)"}"#, "LIMIT_EXCEEDED"),
        ("db-query", r#"{"sql":"SELECT pg_sleep(60)","timeout":0.2}"#, "DB_TIMEOUT"),
        ("db-query", r#"{"sql":"SELECT 1; SELECT 2"}"#, "DB_REFUSED"),
        ("db-query", r#"{"sql":"SELECT $1::int","params":[]}"#, "BAD_ARGUMENTS"),
        ("db-insert", r#"{"table":"bills\" (customer) VALUES ('x'); --","row":{"customer":"y"}}"#, "DB_REFUSED"),
        ("db-update", r#"{"table":"bills","set":{"paid":true},"where":{}}"#, "BAD_ARGUMENTS"),
        ("db-update", r#"{"table":"bills","set":{"no such":true},"where":{"id":1}}"#, "DB_REFUSED"),
    ] {
        assert_eq!(stage.fails(module, args).await.code, code, "{module} {args}");
    }
    assert_eq!(
        stage.gives("db-query", r#"{"sql":"SELECT count(*) AS n FROM bills"}"#).await,
        r#"{"rows":[{"n":1}],"count":1}"#
    );
}

#[tokio::test]
async fn the_connection_is_tested_and_judged() {
    let server = Server::start();
    let options = HttpOptions { extra_ca: Some(server.ca().as_bytes().to_vec()), ..HttpOptions::default() };
    let stage = Stage::at(server.port(), &options);
    let db = stage.backends.db.clone();
    db.test(&stage.component).await.expect("is fine");
    let with = |config: &str| Component { config: json(config), ..stage.component.clone() };
    let secure =
        |host: &str| format!(r#"{{"host":"{host}","port":{},"database":"postgres","user":"flow8"}}"#, server.port());
    db.test(&with(&secure("localhost"))).await.expect("TLS is verified");
    // The certificate is that of localhost.
    let failure = db.test(&with(&secure("127.0.0.1"))).await.expect_err("refused");
    assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
    let stranger = Postgres::new(Arc::new(Dialer::new(&HttpOptions::default()).expect("a dialer")));
    let failure = stranger.test(&with(&secure("localhost"))).await.expect_err("refused");
    assert!(failure.message.contains("certificate"), "{failure}");
    let wrong = Component { secret: json(r#"{"password":"wr0ng-one"}"#), ..stage.component.clone() };
    let failure = db.test(&wrong).await.expect_err("refused");
    assert!(failure.message.contains("28P01") && !failure.message.contains("wr0ng"), "{failure}");
    // Whom no administrator trusts goes where flows may go.
    let untrusted = Component { trusted: false, ..stage.component.clone() };
    assert_eq!(db.test(&untrusted).await.expect_err("refused").code, "COMPONENT_EGRESS");
    let open = HttpOptions { policy: policy("127.0.0.1", ""), ..HttpOptions::default() };
    let open = Postgres::new(Arc::new(Dialer::new(&open).expect("a dialer")));
    open.test(&untrusted).await.expect("egress.allow opens it");
    for config in [
        r#"{"host":"x"}"#,
        r#"{"host":"","database":"d","user":"u"}"#,
        r#"{"host":"h","database":"d","user":"u","x":1}"#,
    ] {
        assert_eq!(db.check(&with(config)).expect_err("refused").code, "COMPONENT_INVALID");
    }
    let odd = Component { secret: json(r#"{"passwort":"s3cr3t"}"#), ..stage.component.clone() };
    assert!(!db.check(&odd).expect_err("refused").message.contains("s3cr3t"));
}

/// Stands between, and cuts both sides off when the client sends a text: before it is passed on, or after.
async fn cutting(to: u16, at: &'static [u8], passes_on: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", to)).await.expect("connects");
            let ((mut from, mut back), (mut answers, mut onward)) = (client.into_split(), server.into_split());
            let mut answering = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                let cuts = bytes[..count].windows(at.len()).any(|part| part == at);
                if cuts {
                    answering.abort();
                    // The server's answer can reach nobody from here on.
                    let _ = (&mut answering).await;
                }
                if !cuts || passes_on {
                    onward.write_all(&bytes[..count]).await.expect("is sent");
                }
                if cuts {
                    break;
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn only_a_commit_that_was_cut_off_is_in_doubt() {
    let server = Server::start();
    let direct = Stage::at(server.port(), &HttpOptions::default());
    direct.gives("db-raw", TABLE).await;
    let insert = |name: &str| format!(r#"{{"table":"bills","row":{{"customer":"{name}"}}}}"#);
    // The statement may have been run; but it was not committed.
    let before = Stage::at(cutting(server.port(), b"INSERT INTO", true).await, &HttpOptions::default());
    let failure = before.fails("db-insert", &insert("early")).await;
    assert_eq!(failure.code, "DB_BROKEN", "{failure}");
    let during = Stage::at(cutting(server.port(), b"COMMIT", true).await, &HttpOptions::default());
    let mishap = during.ends("db-insert", &insert("late")).await.expect_err("is cut off");
    assert!(matches!(&mishap, Mishap::Unknown(failure) if failure.code == "DB_BROKEN"), "{mishap:?}");
    let unsent = Stage::at(cutting(server.port(), b"COMMIT", false).await, &HttpOptions::default());
    let mishap = unsent.ends("db-insert", &insert("never")).await.expect_err("is cut off");
    assert!(matches!(mishap, Mishap::Unknown(_)), "nobody knows");
    // A read is never in doubt.
    let reading = Stage::at(cutting(server.port(), b"ROLLBACK", true).await, &HttpOptions::default());
    reading.fails("db-query", r#"{"sql":"SELECT 1"}"#).await;
    let names = async || direct.gives("db-query", r#"{"sql":"SELECT customer FROM bills ORDER BY id"}"#).await;
    // The server may still be at the commit that was passed on to it.
    let committed = tokio::time::timeout(Duration::from_secs(30), async { while !names().await.contains("late") {} });
    committed.await.expect("was committed");
    assert_eq!(names().await, r#"{"rows":[{"customer":"late"}],"count":1}"#);
    // A connection that was kept and has died is not used.
    direct
        .fails(
            "db-raw",
            r#"{"sql":"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flow8'"}"#,
        )
        .await;
    direct.gives("db-insert", &insert("after")).await;
}
