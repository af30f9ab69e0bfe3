//! Servers that say the secret again which they were told: it is told on to nobody.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;

use modules::provider::HttpOptions;
use sdk::component::{Backend as _, Component};
use sdk::intake::Intake as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::own::with;
use crate::peer::{json, queues};

const SECRET: &str = "TopSecretPw99";

/// What a server answers once it has heard something.
type Step = (&'static [u8], Vec<u8>);

type Case = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) const CASES: [(&str, Case); 3] =
    [("redis", || Box::pin(redis())), ("nats", || Box::pin(nats())), ("amqp", || Box::pin(amqp()))];

/// A server that goes through this with whoever comes. It ends with the set.
async fn server(steps: Vec<Step>) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut all = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            all.spawn(go_through(stream, steps.clone()));
        }
    });
    (port, task)
}

async fn go_through(mut stream: TcpStream, steps: Vec<Step>) {
    for (until, answer) in steps {
        let mut heard = Vec::new();
        while !until.is_empty() && !heard.windows(until.len()).any(|part| part == until) {
            match stream.read_u8().await {
                Ok(byte) => heard.push(byte),
                Err(_) => return,
            }
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
    // It does not hang up first: what it said last is read.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// What fails says what the server said, and no secret.
async fn fails(provider: &str, user: &str, secret: &str, source: &str, steps: Vec<Step>, said: &str) {
    let (port, _server) = server(steps).await;
    let config = format!(r#"{{"host":"127.0.0.1","port":{port},"tls":"off"{user}}}"#);
    let component: Component = with(provider, &config, secret);
    let queues = queues(&HttpOptions::default());
    let failure = queues.open(&component, &json(source), 1).await.err().expect("an error");
    assert!(failure.message.contains(said) && !failure.message.contains(SECRET), "{failure}");
    if failure.code == "COMPONENT_UNREACHABLE" {
        assert_eq!(queues.test(&component).await, Err(failure));
    }
}

const USER: &str = r#","user":"u""#;
const PASSWORD: &str = r#"{"password":"TopSecretPw99"}"#;

async fn redis() {
    let source = r#"{"stream":"orders","group":"flows"}"#;
    let no = format!("-ERR unknown command 'AUTH', with args beginning with: 'u' '{SECRET}'\r\n").into_bytes();
    let said = "unknown command 'AUTH', with args beginning with: 'u' '***'";
    fails("redis", USER, PASSWORD, source, vec![(b"TopSecretPw99\r\n", no.clone())], said).await;
    let later = vec![(&b"TopSecretPw99\r\n"[..], b"+OK\r\n".to_vec()), (b"MKSTREAM\r\n", no)];
    fails("redis", USER, PASSWORD, source, later, said).await;
}

async fn nats() {
    let source = r#"{"stream":"orders","consumer":"flows"}"#;
    let hello: Step = (b"", b"INFO {}\r\n".to_vec());
    let no = format!("-ERR 'Authorization Violation for u {SECRET}'\r\n").into_bytes();
    let said = "Authorization Violation for u ***";
    fails("nats", USER, PASSWORD, source, vec![hello.clone(), (b"PING\r\n", no.clone())], said).await;
    let token = r#"{"token":"TopSecretPw99"}"#;
    fails("nats", "", token, source, vec![hello.clone(), (b"PING\r\n", no.clone())], said).await;
    let later = vec![hello, (b"PING\r\n", b"PONG\r\n".to_vec()), (b"$JS.API.CONSUMER.INFO.", no)];
    fails("nats", USER, PASSWORD, source, later, said).await;
}

/// A frame of AMQP with a method.
fn method(channel: u8, class: u8, method: u8, args: &[u8]) -> Vec<u8> {
    let size = u8::try_from(4 + args.len()).expect("a short one");
    [&[1, 0, channel, 0, 0, 0, size, 0, class, 0, method], args, &[0xce]].concat()
}

async fn amqp() {
    let source = r#"{"queue":"orders"}"#;
    let words = format!("ACCESS_REFUSED for u {SECRET}");
    let size = u8::try_from(words.len()).expect("a short one");
    let why = [&403_u16.to_be_bytes()[..], &[size], words.as_bytes(), &[0; 4]].concat();
    let said = "403 ACCESS_REFUSED for u ***";
    let start: Step = (b"AMQP\0\0\x09\x01", method(0, 10, 10, &[]));
    let refuses = vec![start.clone(), (b"TopSecretPw99", method(0, 10, 50, &why))];
    fails("amqp", USER, PASSWORD, source, refuses, said).await;
    let later = vec![
        start,
        (b"TopSecretPw99", method(0, 10, 30, &[0; 8])),
        (b"\0\x0a\0\x28", method(0, 10, 41, &[0])),
        (b"\0\x14\0\x0a", method(1, 20, 11, &[0; 4])),
        (b"\0\x32\0\x0a", method(1, 20, 40, &why)),
    ];
    fails("amqp", USER, PASSWORD, source, later, said).await;
}
