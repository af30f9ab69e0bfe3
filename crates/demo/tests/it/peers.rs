//! The peers by themselves.

use std::time::Duration;

use model::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::stage::{Server, json};

const PAYMENT: &str = r#"{"iban":"DE00100000000000000201","amount":18250.00,"currency":"EUR"}"#;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn the_same_key_pays_once() {
    let server = Server::start().await;
    let pay = async |key, body| server.ask("POST", "/payments", Some(key), Some(body)).await;
    let first = pay("k-1", PAYMENT).await;
    let again = pay("k-1", PAYMENT).await;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(
        text(&first.body),
        r#"{"paymentId":"PAY-0001","iban":"DE00100000000000000201","amount":18250.00,"currency":"EUR"}"#
    );
    let replayed =
        |answer: &sdk::http::HttpResponse| answer.headers.iter().any(|(name, _)| name == "idempotent-replayed");
    assert!(!replayed(&first) && replayed(&again));
    assert_eq!(pay("k-1", r#"{"iban":"X","amount":1,"currency":"EUR"}"#).await.status, 422);
    assert_eq!(text(&pay("k-2", PAYMENT).await.body).split('"').nth(3), Some("PAY-0002"));
    assert_eq!(server.get("/payments").await.as_list().map(<[Value]>::len), Some(2));
    let calls = server.calls("POST", "/payments");
    assert_eq!(
        calls.iter().map(|call| (call.status, call.is_replay)).collect::<Vec<_>>(),
        [(201, false), (201, true), (422, false), (201, false)]
    );
}

#[tokio::test]
async fn what_is_refused_may_be_asked_again_under_its_key() {
    let server = Server::start().await;
    for (body, status) in [("{}", 400), (r#"{"iban":"X","amount":0,"currency":"EUR"}"#, 409), (PAYMENT, 201)] {
        assert_eq!(server.ask("POST", "/payments", Some("k"), Some(body)).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn a_fault_comes_as_often_as_it_was_planned() {
    let server = Server::start().await;
    server.fault(r#"{"path":"/payments","method":"POST","kind":"unavailable","times":2}"#).await;
    assert_eq!(server.ask("GET", "/payments", None, None).await.status, 200);
    for status in [503, 503, 201] {
        assert_eq!(server.ask("POST", "/payments", Some("k"), Some(PAYMENT)).await.status, status);
    }
    server.fault(r#"{"path":"/payments","kind":"late","delayMs":50}"#).await;
    let late = server.ask("POST", "/payments", Some("late"), Some(PAYMENT)).await;
    assert!(late.status == 201 && late.took >= Duration::from_millis(50), "{:?}", late.took);
    for fault in ["{}", r#"{"path":"/x"}"#, r#"{"kind":"late"}"#] {
        assert_eq!(server.ask("POST", "/faults", None, Some(fault)).await.status, 400, "{fault}");
    }
}

#[tokio::test]
async fn bookings_are_made_and_undone() {
    let server = Server::start().await;
    for (path, body, id) in [
        ("/accounting/bookings", r#"{"invoiceId":"INV-2026-0117","amount":1}"#, "BOOK-0001"),
        ("/travel/flights", r#"{"to":"Lisbon"}"#, "FLIGHT-0001"),
        ("/travel/hotels", "{}", "HOTEL-0001"),
        ("/travel/cars", r#"{"class":"compact"}"#, "CAR-0001"),
    ] {
        let made = server.ask("POST", path, None, Some(body)).await;
        let made = (made.status, json(text(&made.body)));
        assert_eq!((made.0, made.1.get("bookingId")), (201, Some(&id.into())), "{path}");
        assert_eq!(server.get(path).await.as_list().map(<[Value]>::len), Some(1));
        for status in [204, 404] {
            assert_eq!(server.ask("DELETE", &format!("{path}/{id}"), None, None).await.status, status, "{path}");
        }
    }
    let car = server.ask("POST", "/travel/cars", None, Some(r#"{"class":"convertible"}"#)).await;
    assert_eq!((car.status, text(&car.body)), (409, r#"{"message":"no convertible is left"}"#));
}

#[tokio::test]
async fn what_is_known_is_always_the_same() {
    let server = Server::start().await;
    let day = server.get("/figures?day=2026-03-02").await;
    assert_eq!(day, server.get("/figures?day=2026-03-02").await);
    assert_ne!(day.get("sales"), server.get("/figures?day=2026-03-03").await.get("sales"));
    assert_eq!(server.ask("GET", "/figures?day=yesterday", None, None).await.status, 400);
    let rates = server.get("/rates?base=EUR").await;
    assert_eq!(rates.pointer("/rates/6").map(Value::to_json), Some(r#"{"currency":"USD","rate":1.0873}"#.into()));
    let lead = server.ask("PUT", "/crm/leads/ada%40example.com", None, Some(r#"{"points":7}"#)).await;
    assert_eq!((lead.status, text(&lead.body)), (201, r#"{"email":"ada@example.com","points":7}"#));
    let lead = server.ask("PATCH", "/crm/leads/ada@example.com", None, Some(r#"{"points":8}"#)).await;
    assert_eq!((lead.status, text(&lead.body)), (200, r#"{"email":"ada@example.com","points":8}"#));
    assert_eq!(server.get("/payments/screening?name=vanta%20trading").await.get("listed"), Some(&true.into()));
}

#[tokio::test]
async fn the_log_shows_the_calls_and_can_begin_anew() {
    let server = Server::start().await;
    server.ask("POST", "/mail", Some("k"), Some(r#"{"to":"a@example.com","subject":"x"}"#)).await;
    server.get("/rates").await;
    let log = server.get("/log?path=/mail").await;
    assert_eq!(
        log.to_json(),
        r#"{"count":2,"calls":[{"number":1,"method":"POST","path":"/mail","key":"k","body":{"to":"a@example.com","subject":"x"},"status":201,"replayed":false}]}"#
    );
    assert_eq!(server.ask("DELETE", "/log", None, None).await.status, 204);
    assert_eq!(server.get("/log").await.to_json(), r#"{"count":0,"calls":[]}"#);
    assert_eq!(server.get("/mail").await.to_json(), "[]");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let long = format!("/mail?x={}", "x".repeat(2_000));
    let large = format!("\"{}\"", "x".repeat(20_000));
    for (path, body, status) in [
        ("/mail", "{", 400),
        (&*long, "{}", 414),
        ("/mail", &*large, 413),
        ("/nowhere", "{}", 404),
        ("/mail", "{}", 400),
    ] {
        assert_eq!(server.ask("POST", path, None, Some(body)).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_memory_is_bounded() {
    let server = Server::start().await;
    for _ in 0..1_005 {
        server.ask("POST", "/mail", None, Some(r#"{"to":"a@example.com","subject":"x"}"#)).await;
    }
    assert_eq!(server.get("/mail").await.as_list().map(<[Value]>::len), Some(1_000));
    let calls = server.calls("POST", "/mail");
    assert_eq!((calls.len(), calls[0].number), (999, 7), "the look at the mail is a call, too");
}

#[tokio::test]
async fn serving_ends_when_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(demo::serve(listener, async {
        let _ = stopped.await;
    }));
    stop.send(()).expect("is served");
    served.await.expect("ends");
}
