//! `send-mail` against a real server that receives.

use std::sync::Arc;

use bytes::Bytes;
use model::Value;
use model::ids::CompanyId;
use modules::provider::{Dialer, HttpOptions, Smtp};
use peers::MailServer;
use sdk::Mishap;
use sdk::component::{Backends, Component, Kind};

use crate::effects::{ctx, json, run};

struct Stage {
    server: MailServer,
    backends: Backends,
    component: Component,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let server = MailServer::start();
        let options = HttpOptions { extra_ca: Some(server.ca().as_bytes().to_vec()), ..HttpOptions::default() };
        let dialer = Arc::new(Dialer::new(&options).expect("a dialer"));
        let component = Component {
            company: CompanyId::default(),
            id: "0".into(),
            revision: 1,
            name: "default".into(),
            kind: Kind::Mail,
            provider: "smtp".into(),
            config: config("localhost", server.starttls(), "starttls"),
            secret: Value::map([("password", MailServer::PASSWORD)]),
            trusted: true,
        };
        Self {
            server,
            backends: Backends { mail: Arc::new(Smtp::new(dialer)), ..Backends::default() },
            component,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    async fn ends(&self, args: &str) -> Result<Value, Mishap> {
        let ctx = ctx(self.backends.clone(), &self.component, self.folder.path());
        ctx.storage.write(ctx.company, "in/ä.bin", Bytes::from_static(&[0, 159, 146, 150])).await.expect("writes");
        run("send-mail", args, ctx).await
    }

    async fn fails(&self, args: &str) -> String {
        match self.ends(args).await {
            Err(Mishap::Failed(failure)) => failure.to_string(),
            other => panic!("{args}: {other:?}"),
        }
    }
}

fn config(host: &str, port: u16, tls: &str) -> Value {
    json(&format!(
        r#"{{"host":"{host}","port":{port},"user":"flow8","from":"flow8 <robot@flow8.test>","tls":"{tls}"}}"#
    ))
}

#[tokio::test]
async fn a_mail_arrives_once_with_its_files() {
    let stage = Stage::new();
    let mail = r#"{"to":["Ada <ada@a.test>","bob@b.test"],"cc":"eve@c.test","bcc":"dan@d.test","replyTo":"help@flow8.test",
        "subject":"Grüße, 100 €","body":"Hello ä\n.\nThe end","attachments":[{"path":"in/ä.bin"}]}"#;
    let first = stage.ends(mail).await.expect("is sent");
    let taken = stage.server.taken();
    let [mail_taken] = &taken[..] else { panic!("{taken:?}") };
    let taken = json(mail_taken);
    assert_eq!(taken.get("from").and_then(Value::as_str), Some("robot@flow8.test"));
    assert_eq!(
        taken.get("to").map(Value::to_json).as_deref(),
        Some(r#"["ada@a.test","bob@b.test","eve@c.test","dan@d.test"]"#)
    );
    assert_eq!(taken.get("encrypted"), Some(&Value::from(true)));
    let data = taken.get("data").and_then(Value::as_str).expect("text");
    let id = first.get("messageId").and_then(Value::as_str).expect("an id");
    assert!(id.ends_with("@flow8.test>") && data.contains(&format!("Message-ID: {id}")), "{id}: {data}");
    assert!(!data.contains("dan@d.test") && data.contains("AJ+Slg==") && data.contains("Date: "), "{data}");
    // Another attempt of the same step has the same id.
    let second = stage.ends(mail).await.expect("is sent");
    assert_eq!(second.get("messageId"), first.get("messageId"));
}

#[tokio::test]
async fn what_is_refused_was_not_sent_and_what_was_cut_off_is_in_doubt() {
    let stage = Stage::new();
    let mail = |to: &str, subject: &str| format!(r#"{{"to":"{to}","subject":"{subject}","body":"x"}}"#);
    assert!(stage.fails(&mail("refused@a.test", "x")).await.contains("550"));
    assert!(stage.fails(&mail("full@a.test", "x")).await.contains("452"));
    for (to, subject) in [
        ("ada@a.test", r"x\r\nBcc: eve@evil.test"),
        (r"ada@a.test\r\nBcc: eve@evil.test", "x"),
        (r"ada@a.test>\r\nRCPT TO:<eve@evil.test", "x"),
        ("nobody", "x"),
        ("", "x"),
    ] {
        assert!(stage.fails(&mail(to, subject)).await.starts_with("MAIL_REFUSED"), "{to} {subject}");
    }
    let from = r#"{"to":"a@a.test","from":"x\r\nBcc: eve@evil.test","subject":"x","body":"x"}"#;
    assert!(stage.fails(from).await.starts_with("MAIL_REFUSED"));
    let name = r#"{"to":"a@a.test","subject":"x","body":"x","attachments":[{"path":"in/ä.bin","name":"a\r\nX: y"}]}"#;
    assert!(stage.fails(name).await.starts_with("MAIL_REFUSED"));
    let gone = r#"{"to":"a@a.test","subject":"x","body":"x","attachments":[{"path":"none"}]}"#;
    assert!(stage.fails(gone).await.starts_with("STORAGE_NOT_FOUND"));
    assert!(stage.server.taken().is_empty());
    let lost = stage.ends(&mail("lost@a.test", "x")).await.expect_err("is cut off");
    assert!(matches!(&lost, Mishap::Unknown(failure) if failure.code == "MAIL_BROKEN"), "{lost:?}");
    assert_eq!(stage.server.taken().len(), 1);
}

#[tokio::test]
async fn the_connection_is_tested() {
    let stage = Stage::new();
    let mail = stage.backends.mail.clone();
    mail.test(&stage.component).await.expect("is fine");
    let with = |config: Value| Component { config, ..stage.component.clone() };
    mail.test(&with(config("localhost", stage.server.implicit(), "implicit"))).await.expect("is fine");
    // The certificate is that of localhost.
    let failure =
        mail.test(&with(config("127.0.0.1", stage.server.starttls(), "starttls"))).await.expect_err("refused");
    assert!(failure.code == "COMPONENT_UNREACHABLE" && failure.message.contains("certificate"), "{failure}");
    let wrong = Component { secret: Value::map([("password", "wr0ng-one")]), ..stage.component.clone() };
    let failure = mail.test(&wrong).await.expect_err("refused");
    assert!(failure.message.contains("535") && !failure.message.contains("wr0ng"), "{failure}");
    let untrusted = Component { trusted: false, ..stage.component.clone() };
    assert_eq!(mail.test(&untrusted).await.expect_err("refused").code, "COMPONENT_EGRESS");
    for config in [
        r#"{"host":"x","from":"nobody"}"#,
        r#"{"host":"x","from":"a@b.c"}"#,
        r#"{"host":"","from":"a@b.c","user":"x"}"#,
    ] {
        assert_eq!(mail.check(&with(json(config))).expect_err(config).code, "COMPONENT_INVALID");
    }
}
