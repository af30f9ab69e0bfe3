//! How WebSockets end: the other side hears why, of channels and of events alike.

use std::net::SocketAddr;

use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::channels::{Port, make};
use crate::stage::{Stage, echo};

type Socket = WebSocketStream<TcpStream>;

/// A place to connect to.
struct Way {
    _stage: Stage,
    _port: Port,
    ways: [(SocketAddr, String); 2],
}

impl Way {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let port = Port::of(&stage).await;
        let flow = stage.flow(echo()).await;
        let route = serde_json::json!({"name": "r", "path": "/", "targetFlowIds": [flow]});
        let channel = serde_json::json!({"name": "ws", "slug": "ws", "kind": "websocket", "authMode": "public",
            "routes": [route]});
        make(&stage, channel).await;
        let ways = [(port.at, "/ws".to_owned()), (stage.at, format!("/api/ws?token={}", stage.token()))];
        Self { _stage: stage, _port: port, ways }
    }

    async fn open(&self, at: usize) -> Socket {
        let (at, path) = &self.ways[at];
        let stream = TcpStream::connect(at).await.expect("connects");
        tokio_tungstenite::client_async(format!("ws://flow8.test{path}"), stream).await.expect("opens").0
    }
}

/// The code that a connection ends with.
async fn code(socket: &mut Socket) -> u16 {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_says_goodbye_hears_it_in_turn() {
    let way = Way::new().await;
    for at in [0, 1] {
        for sent in [1000, 4000] {
            let mut socket = way.open(at).await;
            socket.close(Some(CloseFrame { code: sent.into(), reason: "bye".into() })).await.expect("sends");
            assert_eq!(code(&mut socket).await, sent);
            assert!(socket.next().await.is_none(), "and the connection ends");
        }
    }
}

/// The beginning of a message of so many bytes.
fn large(bytes: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &bytes.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn whoever_says_what_cannot_be_heard_is_told_why() {
    let way = Way::new().await;
    for at in [0, 1] {
        for (said, heard) in [
            (large(64 << 20), 1009),
            // A first part that may be, and a second that is too much.
            (
                [&[0x01, 0x81, 0, 0, 0, 0, b'a'][..], &[0x80, 0xff], &(64_u64 << 20).to_be_bytes(), &[0; 4]].concat(),
                1009,
            ),
            // Without a mask; with a bit that means nothing; more of a message that has not begun.
            (vec![0x81, 0x01, b'a'], 1002),
            (vec![0xc1, 0x81, 0, 0, 0, 0, b'a'], 1002),
            (vec![0x80, 0x81, 0, 0, 0, 0, b'a'], 1002),
            (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        ] {
            let mut socket = way.open(at).await;
            socket.get_mut().write_all(&said).await.expect("writes");
            assert_eq!(code(&mut socket).await, heard, "{at} {said:x?}");
        }
    }
}

/// Browsers send a message whole before they listen: a connection that is reset in between takes the goodbye along.
#[tokio::test]
async fn whoever_sends_too_much_can_send_it_and_hears_why_nobody_wants_it() {
    let way = Way::new().await;
    for at in [0, 1] {
        let mut socket = way.open(at).await;
        let stream = socket.get_mut();
        let message = [large(3 << 20), vec![0; 3 << 20]].concat();
        stream.write_all(&message).await.expect("all of it is read");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("it ends, and is not reset");
        assert_eq!(heard[..4], [0x88, heard[1], 0x03, 0xf1], "a goodbye with 1009: {heard:x?}");
    }
}
