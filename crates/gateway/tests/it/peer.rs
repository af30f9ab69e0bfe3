//! A peer that hears HTTP requests and answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// A request that was heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// Method and target.
    pub(crate) line: String,
    /// The header `authorization`.
    pub(crate) authorization: String,
    pub(crate) body: String,
}

/// A peer, for as long as its test runs.
pub(crate) struct Peer {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Peer {
    /// A peer that answers with a status and JSON, each time after a while.
    pub(crate) async fn start(
        takes: Duration,
        answer: impl Fn(&Heard) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (heard, answer) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(answer));
        let all = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (all, answer) = (all.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut heard = Heard::default();
                    let mut length = 0;
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                            return;
                        }
                        let line = line.trim_end();
                        match line.split_once(": ") {
                            _ if heard.line.is_empty() => heard.line = line.trim_end_matches(" HTTP/1.1").to_owned(),
                            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                                heard.authorization = value.to_owned();
                            }
                            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                                length = value.parse().expect("a number");
                            }
                            None if line.is_empty() => break,
                            _ => {}
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.expect("the body");
                    heard.body = String::from_utf8(body).expect("text");
                    let (status, body) = answer(&heard);
                    all.lock().expect("heard").push(heard);
                    tokio::time::sleep(takes).await;
                    let head = format!(
                        "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    // Who asked may have gone away.
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        Self { port, heard }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("heard").clone()
    }

    /// Host and port.
    pub(crate) fn at(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
