//! A connection to a server that speaks AMQP 0-9-1: signing in, and one channel.

use std::sync::Arc;

use model::failure::Failure;
use model::limits::{QUEUE_FRAME_BYTES, QUEUE_HEARTBEAT};
use modules::provider::Dialer;
use sdk::component::Component;

use super::wire::{Args, Frame, Frames, Kind, long, method, odd, short};
use crate::fault::{Hush, not_found, refused, unreachable};
use crate::line::{self, Talk};

/// Methods: their class, and which one of it.
pub(super) mod name {
    pub(in crate::amqp) type Name = (u16, u16);
    pub(in crate::amqp) const START: Name = (10, 10);
    pub(in crate::amqp) const START_OK: Name = (10, 11);
    pub(in crate::amqp) const TUNE: Name = (10, 30);
    pub(in crate::amqp) const TUNE_OK: Name = (10, 31);
    pub(in crate::amqp) const OPEN: Name = (10, 40);
    pub(in crate::amqp) const OPEN_OK: Name = (10, 41);
    pub(in crate::amqp) const CLOSE: Name = (10, 50);
    pub(in crate::amqp) const CLOSE_OK: Name = (10, 51);
    pub(in crate::amqp) const BLOCKED: Name = (10, 60);
    pub(in crate::amqp) const UNBLOCKED: Name = (10, 61);
    pub(in crate::amqp) const CHANNEL_OPEN: Name = (20, 10);
    pub(in crate::amqp) const CHANNEL_OPEN_OK: Name = (20, 11);
    pub(in crate::amqp) const CHANNEL_CLOSE: Name = (20, 40);
    pub(in crate::amqp) const DECLARE: Name = (50, 10);
    pub(in crate::amqp) const DECLARE_OK: Name = (50, 11);
    pub(in crate::amqp) const QOS: Name = (60, 10);
    pub(in crate::amqp) const QOS_OK: Name = (60, 11);
    pub(in crate::amqp) const CONSUME: Name = (60, 20);
    pub(in crate::amqp) const CONSUME_OK: Name = (60, 21);
    pub(in crate::amqp) const CANCEL: Name = (60, 30);
    pub(in crate::amqp) const DELIVER: Name = (60, 60);
    pub(in crate::amqp) const ACK: Name = (60, 80);
    pub(in crate::amqp) const REJECT: Name = (60, 90);
}

/// The only channel.
pub(super) const CHANNEL: u16 = 1;

/// A connection.
pub(super) struct Conn {
    pub(super) talk: Talk<Frame>,
    hush: Hush,
}

/// Connects, signs in, and opens a channel.
pub(super) async fn connect(dialer: &Arc<Dialer>, component: &Component) -> Result<Conn, Failure> {
    let (config, secret) = super::settings(component)?;
    let mut line = line::open(dialer, component, (&config.host, config.port(), config.tls)).await?;
    let hello = tokio::io::AsyncWriteExt::write_all(&mut line, b"AMQP\0\0\x09\x01").await;
    hello.map_err(|error| unreachable(format!("the connection was lost: {error}")))?;
    let mut conn = Conn { talk: Talk::start(line, Frames), hush: Hush::of(component) };
    let out = |failure: Failure| unreachable(format!("the server lets nobody in: {}", failure.message));
    conn.expect(0, name::START).await.map_err(out)?;
    // With these it says why it closes, and that a queue is gone.
    let able = |what: &str| [short(what), vec![b't', 1]].concat();
    let able = ["authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify"]
        .map(able)
        .concat();
    let about = [short("product"), vec![b'S'], long(b"flow8"), short("capabilities"), vec![b'F'], long(&able)].concat();
    let proof = format!("\0{}\0{}", config.user, secret.password);
    let start_ok = [long(&about), short("PLAIN"), long(proof.as_bytes()), short("en_US")].concat();
    conn.say(0, name::START_OK, &start_ok).await.map_err(out)?;
    let mut tune = conn.expect(0, name::TUNE).await.map_err(out)?;
    // How many channels there may be is of no matter: one is enough.
    tune.u16()?;
    let frame = tune.u32()?;
    let frame = if frame == 0 { QUEUE_FRAME_BYTES } else { frame.min(QUEUE_FRAME_BYTES) };
    let beat = u16::try_from(2 * QUEUE_HEARTBEAT.as_secs()).unwrap_or(u16::MAX);
    let tuned = [&CHANNEL.to_be_bytes()[..], &frame.to_be_bytes(), &beat.to_be_bytes()].concat();
    conn.say(0, name::TUNE_OK, &tuned).await?;
    conn.say(0, name::OPEN, &[short(&config.vhost), vec![0, 0]].concat()).await?;
    conn.expect(0, name::OPEN_OK).await.map_err(out)?;
    conn.say(CHANNEL, name::CHANNEL_OPEN, &[0]).await?;
    conn.expect(CHANNEL, name::CHANNEL_OPEN_OK).await?;
    Ok(conn)
}

impl Conn {
    pub(super) async fn say(&mut self, channel: u16, name: name::Name, args: &[u8]) -> Result<(), Failure> {
        self.talk.say(&method(channel, name, args)).await
    }

    /// Waits for an answer, and gives what it holds.
    pub(super) async fn expect(&mut self, channel: u16, name: name::Name) -> Result<Args, Failure> {
        loop {
            let Frame { kind, channel: of, payload } = self.talk.answer().await?;
            if kind == Kind::Beat {
                continue;
            }
            let mut args = Args(payload);
            let found = if kind == Kind::Method { (args.u16()?, args.u16()?) } else { return Err(odd()) };
            if (of, found) == (channel, name) {
                return Ok(args);
            }
            self.heed(found, &mut args).await?;
        }
    }

    /// Heeds a method that may come at any time.
    ///
    /// # Errors
    /// Where the server closes, or it is another one.
    pub(super) async fn heed(&mut self, found: name::Name, args: &mut Args) -> Result<(), Failure> {
        match found {
            name::BLOCKED | name::UNBLOCKED => Ok(()),
            name::CLOSE => {
                let failure = closed(args, &self.hush)?;
                // It is told as far as it still listens.
                let _ = self.say(0, name::CLOSE_OK, &[]).await;
                Err(failure)
            }
            name::CHANNEL_CLOSE => Err(closed(args, &self.hush)?),
            name::CANCEL => Err(not_found("the server says that the queue is gone")),
            _ => Err(odd()),
        }
    }

    /// Ends the connection, and waits until the server has heard all that it was told before.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        // 200, nothing to say, and no method at fault.
        let farewell = [&200_u16.to_be_bytes()[..], &short(""), &[0; 4]].concat();
        self.say(0, name::CLOSE, &farewell).await?;
        loop {
            let Frame { kind, payload, .. } = self.talk.answer().await?;
            let mut args = Args(payload);
            if kind == Kind::Method && (args.u16()?, args.u16()?) == name::CLOSE_OK {
                return Ok(());
            }
        }
    }
}

/// Why the server closes.
pub(super) fn closed(args: &mut Args, hush: &Hush) -> Result<Failure, Failure> {
    let (code, words) = (args.u16()?, args.short()?);
    let message = format!("the server says: {code} {}", hush.said(&words));
    Ok(match code {
        404 => not_found(message),
        // It ends, or was told to end the connection.
        320 | 541 => crate::fault::broken(message),
        _ => refused(message),
    })
}
