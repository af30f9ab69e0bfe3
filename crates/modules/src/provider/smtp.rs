//! [`Smtp`]: mail servers, behind the seam of the sdk.
//!
//! A mail is one connection. Until the text of the message goes out, whatever breaks leaves no trace;
//! where the connection breaks after that, nobody knows whether the server has taken it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment as Part, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use model::failure::Failure;
use model::limits::COMPONENT_TEST;
use model::value::from_value;
use sdk::Mishap;
use sdk::component::{Backend, COMPONENT_INVALID, Component};
use sdk::mail::{Letter, Mail, Sent};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::dial::{CONNECT, Dialer};

/// The server, or flow8 itself, refuses the mail.
const REFUSED: &str = "MAIL_REFUSED";
/// The connection to the server was lost.
const BROKEN: &str = "MAIL_BROKEN";
const TIMEOUT: &str = "MAIL_TIMEOUT";

/// Characters of what a server says that are told.
const SAID_CHARS: usize = 300;

/// Mail servers.
pub struct Smtp {
    dialer: Arc<Dialer>,
}

/// Where the server is, and how it is spoken to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    host: String,
    port: Option<u16>,
    user: Option<String>,
    /// The sender where a mail names none.
    from: String,
    #[serde(default)]
    tls: Tls,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
enum Tls {
    /// Encrypted after a greeting in the open.
    #[default]
    Starttls,
    /// Encrypted from the beginning.
    Implicit,
    /// Not encrypted.
    Off,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Secret {
    #[serde(default)]
    password: Option<String>,
}

fn settings(component: &Component) -> Result<(Config, Secret), Failure> {
    let invalid = |message: String| Failure::new(COMPONENT_INVALID, message);
    let config: Config = from_value(&component.config).map_err(|error| invalid(format!("config: {error}")))?;
    // What is wrong with a secret may hold the secret; its keys are known.
    let secret: Secret = from_value(&component.secret)
        .map_err(|_| invalid("secret: holds `password`, a text, and nothing else".to_owned()))?;
    if config.host.is_empty() || config.host.chars().any(char::is_control) || config.port == Some(0) {
        return Err(invalid("config: host is the name of a host, and port 1 to 65535".to_owned()));
    }
    if config.user.is_some() != secret.password.is_some() {
        return Err(invalid("config.user and secret.password: give both, or none".to_owned()));
    }
    mailbox("config.from", &config.from).map_err(|failure| invalid(failure.message))?;
    Ok((config, secret))
}

/// An address, perhaps with a name: `Ada <ada@example.com>`.
fn mailbox(what: &str, text: &str) -> Result<Mailbox, Failure> {
    let odd =
        || Failure::new(REFUSED, format!("{what}: is no address such as ada@example.com or Ada <ada@example.com>"));
    if text.chars().any(char::is_control) {
        return Err(odd());
    }
    text.trim().parse().map_err(|_| odd())
}

impl Smtp {
    /// Servers that are reached with this dialer.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer }
    }

    /// Connects, encrypts, and signs in.
    async fn open(&self, component: &Component, timeout: Duration) -> Result<(AsyncSmtpConnection, Config), Failure> {
        let (config, secret) = settings(component)?;
        let port = config.port.unwrap_or(if config.tls == Tls::Implicit { 465 } else { 587 });
        let addresses = self.dialer.addresses(component, &config.host, port).await?;
        let refused = |error: Error| Failure::new(CONNECT, format!("{}:{port}: {}", config.host, said(&error)));
        let tls = match config.tls {
            Tls::Off => None,
            Tls::Starttls | Tls::Implicit => Some(self.tls(&config.host).map_err(refused)?),
        };
        let implicit = tls.clone().filter(|_| config.tls == Tls::Implicit);
        let hello = ClientId::default();
        let connected =
            AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(timeout), &hello, implicit, None).await;
        let mut connection = connected.map_err(refused)?;
        if let (Tls::Starttls, Some(tls)) = (config.tls, tls) {
            connection.starttls(tls, &hello).await.map_err(refused)?;
        }
        if let (Some(user), Some(password)) = (&config.user, secret.password) {
            let credentials = Credentials::new(user.clone(), password);
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(refused)?;
        }
        Ok((connection, config))
    }

    fn tls(&self, host: &str) -> Result<TlsParameters, Error> {
        let mut tls = TlsParameters::builder(host.to_owned());
        if let Some(pem) = self.dialer.extra_ca() {
            tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
        }
        tls.build_rustls()
    }

    async fn exchange(
        &self,
        component: &Component,
        letter: &Letter,
        timeout: Duration,
        sending: &AtomicBool,
    ) -> Result<Sent, Mishap> {
        let (config, _) = settings(component)?;
        // What cannot be sent is told before anybody is called.
        let (message, message_id) = message(letter, &config.from)?;
        let (mut connection, _) = self.open(component, timeout).await?;
        let envelope = message.envelope().clone();
        let refused = |error: Error| {
            let code = if error.status().is_some() { REFUSED } else { BROKEN };
            Failure::new(code, format!("the mail server says: {}", said(&error)))
        };
        connection.command(MailFrom::new(envelope.from().cloned(), Vec::new())).await.map_err(refused)?;
        for recipient in envelope.to() {
            connection.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(refused)?;
        }
        connection.command(Data).await.map_err(refused)?;
        sending.store(true, Ordering::Release);
        match connection.message(&message.formatted()).await {
            Ok(answer) => {
                // The mail is taken, however the server says farewell.
                let _ = connection.quit().await;
                let answer: String = answer.message().collect::<Vec<_>>().join(" ").chars().take(SAID_CHARS).collect();
                Ok(Sent { message_id, answer })
            }
            Err(error) if error.status().is_some() => Err(refused(error).into()),
            Err(error) => Err(Mishap::Unknown(refused(error))),
        }
    }
}

/// What a server says, or why it says nothing: of one line, and not too long.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(SAID_CHARS).collect()
}

/// The message, and its id.
fn message(letter: &Letter, from: &str) -> Result<(Message, String), Failure> {
    let odd = |error: lettre::error::Error| Failure::new(REFUSED, format!("the mail cannot be made: {error}"));
    let from = mailbox("from", letter.from.as_deref().unwrap_or(from))?;
    if letter.subject.chars().any(char::is_control) {
        return Err(Failure::new(REFUSED, "subject: must be text of one line"));
    }
    // The same for all attempts: a server or a reader may recognise the repetition by it.
    let digest = Sha256::digest(format!("flow8 mail {}", letter.idempotency_key));
    let message_id = format!("<{}@{}>", hex::encode(&digest[..16]), from.email.domain());
    let mut builder =
        Message::builder().from(from).subject(letter.subject.clone()).message_id(Some(message_id.clone()));
    for (what, addresses) in [("to", &letter.to), ("cc", &letter.cc), ("bcc", &letter.bcc)] {
        for address in addresses {
            let mailbox = mailbox(what, address)?;
            builder = match what {
                "to" => builder.to(mailbox),
                "cc" => builder.cc(mailbox),
                _ => builder.bcc(mailbox),
            };
        }
    }
    if let Some(address) = &letter.reply_to {
        builder = builder.reply_to(mailbox("replyTo", address)?);
    }
    let text = SinglePart::plain(letter.text.clone());
    let body = match &letter.html {
        Some(html) => MultiPart::alternative().singlepart(text).singlepart(SinglePart::html(html.clone())),
        None => MultiPart::mixed().singlepart(text),
    };
    let message = if letter.attachments.is_empty() && letter.html.is_none() {
        builder.singlepart(SinglePart::plain(letter.text.clone())).map_err(odd)?
    } else if letter.attachments.is_empty() {
        builder.multipart(body).map_err(odd)?
    } else {
        let mut mixed = MultiPart::mixed().multipart(body);
        for file in &letter.attachments {
            let kind = ContentType::parse(&file.content_type)
                .map_err(|_| Failure::new(REFUSED, "attachments: contentType is not one such as application/pdf"))?;
            if file.name.is_empty() || file.name.chars().any(char::is_control) {
                return Err(Failure::new(REFUSED, "attachments: name must be text of one line"));
            }
            mixed = mixed.singlepart(Part::new(file.name.clone()).body(file.bytes.to_vec(), kind));
        }
        builder.multipart(mixed).map_err(odd)?
    };
    Ok((message, message_id))
}

#[async_trait]
impl Backend for Smtp {
    fn providers(&self) -> &'static [&'static str] {
        &["smtp"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        settings(component).map(drop)
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let work = async {
            let (mut connection, _) = self.open(component, COMPONENT_TEST).await?;
            // The server let us in; how it says farewell is of no matter.
            let _ = connection.quit().await;
            Ok(())
        };
        let ended = tokio::time::timeout(COMPONENT_TEST, work).await;
        ended.unwrap_or_else(|_| Err(Failure::new(TIMEOUT, "the mail server does not answer in time")))
    }
}

#[async_trait]
impl Mail for Smtp {
    async fn send(&self, component: &Component, letter: Letter, timeout: Duration) -> Result<Sent, Mishap> {
        let sending = AtomicBool::new(false);
        let work = self.exchange(component, &letter, timeout, &sending);
        tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
            let failure = Failure::new(TIMEOUT, "the mail server does not answer in time");
            Err(if sending.load(Ordering::Acquire) { Mishap::Unknown(failure) } else { Mishap::Failed(failure) })
        })
    }
}
