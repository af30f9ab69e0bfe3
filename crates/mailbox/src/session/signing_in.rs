//! From a component to a [`Session`]: connecting, encrypting, signing in.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::failure::Failure;
use modules::provider::Dialer;
use rustls::pki_types::ServerName;
use sdk::component::Component;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Session, within};
use crate::response::{Response, Status, Word};
use crate::settings::{self, Tls};
use crate::wire::{Stream, Wire};
use crate::{BROKEN, REFUSED, UNREACHABLE, names};

impl Session {
    /// Connects to the server of a component, encrypts, and signs in.
    ///
    /// # Errors
    /// Where it cannot be reached, is not who it should be, or does not let flow8 in. No password is told.
    pub(crate) async fn open(dialer: &Dialer, component: &Component, silence: Duration) -> Result<Self, Failure> {
        let (config, password) = settings::of(component)?;
        let (host, port) = (config.host.as_str(), config.port());
        let at = |failure: Failure| Failure::new(UNREACHABLE, format!("{host}:{port}: {}", failure.message));
        let stream = dialer.dial(component, host, port).await?;
        let encrypt = |stream| encrypted(dialer, host, stream, silence);
        let mut session = match config.tls {
            Tls::Off => Self::greeted(Wire::new(stream, silence)).await.map_err(at)?.0,
            Tls::Implicit => {
                let stream = encrypt(Box::new(stream)).await.map_err(at)?;
                Self::greeted(Wire::new(stream, silence)).await.map_err(at)?.0
            }
            Tls::Starttls => {
                let stream = Self::until_encrypted(Wire::new(stream, silence)).await.map_err(at)?;
                // Whatever was said in the open is forgotten.
                Self::of(Wire::new(encrypt(stream).await.map_err(at)?, silence))
            }
        };
        session.sign_in(&config.user, &password).await.map_err(at)?;
        Ok(session)
    }

    fn of(wire: Wire) -> Self {
        Self { wire, commands: 0, able: Vec::new(), validity: None, has_news: false, hush: Vec::new() }
    }

    /// Hears the greeting; whether the server takes us for somebody already.
    async fn greeted(wire: Wire) -> Result<(Self, bool), Failure> {
        let mut session = Self::of(wire);
        let greeting = session.wire.answer().await?;
        match session.heed(greeting)? {
            Response::Status(Status { tag: None, word: Word::Ok, .. }) => Ok((session, false)),
            Response::Status(Status { tag: None, word: Word::Preauth, .. }) => Ok((session, true)),
            _ => Err(Failure::new(BROKEN, "who answers there is no mail server that speaks IMAP")),
        }
    }

    async fn until_encrypted(wire: Wire) -> Result<Box<dyn Stream>, Failure> {
        let (mut session, is_known) = Self::greeted(wire).await?;
        if is_known {
            // Somebody in between may have said so, to keep all that follows in the open.
            return Err(Failure::new(REFUSED, "the mail server offers no encryption (tls: starttls)"));
        }
        session.tell("STARTTLS").await?;
        Ok(session.wire.into_stream()?.0)
    }

    async fn sign_in(&mut self, user: &str, password: &str) -> Result<(), Failure> {
        self.learn().await?;
        let proof = STANDARD.encode(format!("\0{user}\0{password}"));
        self.hush = vec![proof.clone(), password.to_owned()];
        if self.can("AUTH=PLAIN") {
            self.authenticate(&proof).await?;
        } else if self.can("LOGINDISABLED") {
            return Err(Failure::new(REFUSED, "the mail server takes no password here; it may want tls: starttls"));
        } else if user.is_ascii() && password.is_ascii() {
            self.tell(&format!("LOGIN {} {}", names::quoted(user), names::quoted(password))).await?;
        } else {
            return Err(Failure::new(REFUSED, "the mail server takes no user or password beyond ASCII"));
        }
        // Whoever is signed in may do more.
        self.learn().await
    }

    async fn authenticate(&mut self, proof: &str) -> Result<(), Failure> {
        within(async {
            let tag = self.say("AUTHENTICATE PLAIN").await?;
            loop {
                let answer = self.wire.answer().await?;
                match self.heed(answer)? {
                    Response::Continue => self.wire.say(format!("{proof}\r\n").as_bytes()).await?,
                    Response::Status(status) if status.tag.as_deref() == Some(&tag) => {
                        return self.judge(status).map(drop);
                    }
                    _ => {}
                }
            }
        })
        .await
    }

    /// Asks what the server can do.
    async fn learn(&mut self) -> Result<(), Failure> {
        let mut able = Vec::new();
        let asked = self.ask("CAPABILITY".to_owned(), |answer| {
            if let Response::Able(names) = answer {
                able = names;
            }
        });
        asked.await?;
        self.able = able;
        Ok(())
    }
}

async fn encrypted(
    dialer: &Dialer,
    host: &str,
    stream: Box<dyn Stream>,
    silence: Duration,
) -> Result<Box<dyn Stream>, Failure> {
    let failed = |why: String| Failure::new(UNREACHABLE, format!("no encrypted connection: {why}"));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let connecting = TlsConnector::from(dialer.tls()).connect(name, stream);
    match timeout(silence, connecting).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the mail server does not answer in time".to_owned())),
    }
}
