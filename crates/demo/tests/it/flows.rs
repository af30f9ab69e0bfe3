//! Each example, run to its end.

use model::Value;
use model::play::{Compensation, LayerState, PlayState};
use model::record::Resolution;

use crate::stage::{Stage, example, json};

/// Texts at a pointer in each item of a list.
fn texts<'v>(list: &'v Value, pointer: &str) -> Vec<&'v str> {
    let items = list.as_list().expect("a list");
    items.iter().map(|item| item.pointer(pointer).and_then(Value::as_str).unwrap_or("-")).collect()
}

#[tokio::test]
async fn a_small_invoice_is_paid_at_once() {
    let stage = Stage::new().await;
    let out = stage.out("invoice-approval", r#"{"invoiceId":"INV-2026-0118"}"#).await;
    assert_eq!(
        out.to_json(),
        r#"{"value":{"invoiceId":"INV-2026-0118","outcome":"paid","paymentId":"PAY-0001","bookingId":"BOOK-0001"}}"#
    );
    let paid = stage.server.get("/payments").await;
    assert_eq!(paid.pointer("/0/amount").map(Value::to_json).as_deref(), Some("480.50"), "exact to the last digit");
    assert_eq!(paid.as_list().map(<[Value]>::len), Some(1));
    let mail = stage.server.get("/mail").await;
    assert_eq!(texts(&mail, "/body"), ["Lindqvist Cleaning gets 480.50 EUR (small)."]);
}

#[tokio::test]
async fn a_large_invoice_is_paid_when_a_second_person_agrees() {
    let stage = Stage::new().await;
    let play = stage.play("invoice-approval", "{}").await;
    stage.until(play, PlayState::Wait).await;
    assert_eq!(stage.server.get("/payments").await.to_json(), "[]");
    for (who, role, why) in [(1, "approver", "you started this play"), (2, "builder", "only approver")] {
        let refused = stage.decide(play, "payLarge", who, role, true).await.expect_err("refused").to_string();
        assert!(refused.contains(why), "{refused}");
    }
    stage.decide(play, "payLarge", 2, "approver", true).await.expect("approves");
    let out = stage.done(play).await;
    assert_eq!(out.pointer("/value/paymentId"), Some(&"PAY-0001".into()));
    assert_eq!(stage.server.calls("POST", "/payments").len(), 1);
    assert_eq!(stage.server.undone(), [""; 0]);
}

#[tokio::test]
async fn a_declined_invoice_is_not_paid_and_no_longer_booked() {
    let stage = Stage::new().await;
    let play = stage.play("invoice-approval", "{}").await;
    stage.until(play, PlayState::Wait).await;
    assert_eq!(stage.server.get("/accounting/bookings").await.as_list().map(<[Value]>::len), Some(1));
    stage.decide(play, "payLarge", 2, "approver", false).await.expect("declines");
    let header = stage.until(play, PlayState::Fail).await;
    assert_eq!(&*header.error.expect("an error").code, "APPROVAL_DECLINED");
    assert_eq!(header.compensation, Some(Compensation::Done));
    assert_eq!(stage.server.undone(), ["/accounting/bookings/BOOK-0001"]);
    assert_eq!(stage.server.get("/accounting/bookings").await.to_json(), "[]");
    assert_eq!(stage.server.get("/payments").await.to_json(), "[]");
}

#[tokio::test]
async fn an_invoice_that_is_paid_is_not_paid_again_and_an_unknown_one_fails() {
    let stage = Stage::new().await;
    let (text, _) = example("invoice-approval");
    let flow = stage.publish(text).await;
    let paid = stage.start(&flow, &json(r#"{"invoiceId":"INV-2026-0119"}"#)).await;
    let out = stage.done(paid).await;
    assert_eq!(out.get("outcome"), Some(&"nothing to pay: the invoice is paid".into()));
    let unknown = stage.start(&flow, &json(r#"{"invoiceId":"INV/1 2"}"#)).await;
    let header = stage.until(unknown, PlayState::Fail).await;
    let error = header.error.expect("an error");
    assert_eq!((&*error.code, &*error.message), ("HTTP_STATUS", "the peer answered with status 404"));
    assert_eq!(stage.server.calls("POST", "/").len(), 0);
}

#[tokio::test]
async fn a_large_payment_whose_answer_is_lost_is_never_sent_twice() {
    let stage = Stage::new().await;
    let (text, args) = example("invoice-approval");
    // As it is, but for the patience.
    let flow = stage.publish(&text.replace("    timeout: 30\n", "    timeout: 1\n")).await;
    stage.server.fault(r#"{"path":"/payments","method":"POST","kind":"late","delayMs":5000}"#).await;
    let play = stage.start(&flow, &args).await;
    stage.until(play, PlayState::Wait).await;
    stage.decide(play, "payLarge", 2, "approver", true).await.expect("approves");
    let begun = tokio::time::Instant::now();
    while stage.row(play, "payLarge").await.is_none_or(|row| row.state != LayerState::InDoubt) {
        assert!(begun.elapsed().as_secs() < 30, "it is never in doubt");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage.until(play, PlayState::Wait).await;
    stage.resolve(play, "payLarge", Resolution::Happened, Some(r#"{"body":{"paymentId":"PAY-0001"}}"#)).await;
    let out = stage.done(play).await;
    assert_eq!(out.pointer("/value/paymentId"), Some(&"PAY-0001".into()));
    assert_eq!(stage.server.calls("POST", "/payments").len(), 1);
}

#[tokio::test]
async fn payments_are_converted_and_added_up() {
    let stage = Stage::new().await;
    let out = stage.out("payments-by-currency", "{}").await;
    assert_eq!(
        out.to_json(),
        r#"{"value":{"currency":"EUR","total":61298.3,"accepted":7,"held":2,"files":["payments/totals.csv","payments/held.csv"]}}"#
    );
    assert_eq!(
        stage.read("payments/totals.csv").await,
        "currency,payments,amount,converted\nJPY,1,9500000,58185.83\nGBP,2,2012.04,2391.86\nSEK,1,5330.25,480.48\n\
         TND,1,812.345,239.83\nEUR,2,0.3,0.30\n"
    );
    assert_eq!(
        stage.read("payments/held.csv").await,
        "id,name,currency,amount,converted,kind\nP-5,Vanta Trading,USD,48000.00,44146.05,listed\n\
         P-8,Atoll Shipping,XXX,75.00,,unknown\n"
    );
    assert_eq!(stage.server.calls("GET", "/payments/screening").len(), 2, "only large payments are screened");
}

#[tokio::test]
async fn payments_rates_and_places_can_come_from_files() {
    let stage = Stage::new().await;
    stage
        .write("in/payments.csv", "id,name,currency,amount,country\n1,A,CHF,10.00,Switzerland\n2,B,JPY,7,Japan\n")
        .await;
    stage
        .write(
            "in/rates.csv",
            "Date,Country,Exchange rate\n2026-01-01,Japan,2\n2026-02-01,Japan,0.5\n2026-02-01,Switzerland,0.3\n",
        )
        .await;
    stage.write("in/codes.csv", "AlphabeticCode,MinorUnit\nKWD,3\nUSD,2\n").await;
    let files = r#"{"path":"in/payments.csv","ratesPath":"in/rates.csv","rateKey":"Country","rateColumn":"Exchange rate",
        "matchColumn":"country","codesPath":"in/codes.csv","to":"KWD","out":"there"}"#;
    let (text, _) = example("payments-by-currency");
    let flow = stage.publish(text).await;
    let play = stage.start(&flow, &json(files)).await;
    let out = stage.done(play).await;
    assert_eq!(out.pointer("/value/total").map(Value::to_json).as_deref(), Some("47.333"));
    assert_eq!(
        stage.read("there/totals.csv").await,
        "currency,payments,amount,converted\nCHF,1,10,33.333\nJPY,1,7,14.000\n"
    );
    assert_eq!(stage.read("there/held.csv").await, "id,name,currency,amount,converted,kind\n");
    assert_eq!(stage.server.calls("GET", "/rates").len(), 0);
}

#[tokio::test]
async fn a_lead_is_enriched_answered_and_told_about() {
    let stage = Stage::new().await;
    let out = stage.out("enrich-lead", "{}").await;
    assert_eq!(
        out.to_json(),
        r#"{"statusCode":201,"headers":{"location":"/leads/mira.okafor%40harbour-foods.example"},"body":{"email":"mira.okafor@harbour-foods.example","company":"Harbour Foods","hot":true}}"#
    );
    let leads = stage.server.get("/crm/leads").await;
    assert_eq!((texts(&leads, "/name"), leads.pointer("/0/points")), (vec!["Mira Okafor"], Some(&100.into())));
    let mail = stage.server.get("/mail").await;
    assert_eq!(texts(&mail, "/subject"), ["Hot lead: Mira Okafor, Harbour Foods"]);
}

#[tokio::test]
async fn a_lead_of_nobody_we_know_is_kept_and_a_broken_one_is_refused() {
    let stage = Stage::new().await;
    let (text, _) = example("enrich-lead");
    let flow = stage.publish(text).await;
    let answer = async |args| {
        let play = stage.start(&flow, &json(args)).await;
        stage.done(play).await
    };
    let unknown = answer(r#"{"body":{"email":"kai@example.org"}}"#).await;
    assert_eq!(
        unknown.get("body").map(Value::to_json).as_deref(),
        Some(r#"{"email":"kai@example.org","company":null,"hot":false}"#)
    );
    let again = answer(r#"{"body":{"email":"kai@example.org"}}"#).await;
    assert_eq!(again.get("statusCode"), Some(&200.into()), "the same lead twice is one lead");
    for args in [r#"{"body":{"email":"not an address"}}"#, "{}"] {
        let refused = answer(args).await;
        assert_eq!(refused.get("statusCode"), Some(&422.into()));
    }
    assert_eq!(stage.server.get("/crm/leads").await.as_list().map(<[Value]>::len), Some(1));
    assert_eq!(stage.server.get("/mail").await.to_json(), "[]");
}

#[tokio::test]
async fn a_report_is_written_and_counted() {
    let stage = Stage::new().await;
    let (text, args) = example("nightly-report");
    let flow = stage.publish(text).await;
    for number in 1..=2 {
        let play = stage.start(&flow, &args).await;
        let out = stage.done(play).await;
        assert_eq!(out.pointer("/value/number"), Some(&number.into()));
    }
    let report = stage.read("reports/2026-03-02.txt").await;
    let figures = stage.server.get("/figures?day=2026-03-02").await;
    let sales = figures.get("sales").and_then(Value::as_list).expect("sales");
    let units: i64 = sales.iter().filter_map(|sale| sale.get("units").and_then(Value::as_i64)).sum();
    assert!(
        report.starts_with("Sales of Monday, 2 March 2026\nReport no. 2\n\nBy region  units           EUR\n"),
        "{report}"
    );
    assert!(report.contains(&format!("\nAll in all {units} units for ")), "{report}");
    // Two tables of a head and three rows, in columns of the same width.
    let lines: Vec<&str> = report.lines().filter(|line| line.len() == 30).collect();
    assert_eq!(lines.len(), 8, "{report}");
}

#[tokio::test]
async fn without_a_day_the_report_is_of_yesterday() {
    let stage = Stage::new().await;
    let out = stage.out("nightly-report", r#"{"day":null}"#).await;
    assert_eq!(out.pointer("/value/path"), Some(&"reports/2027-01-14.txt".into()));
}

#[tokio::test]
async fn a_customer_who_signs_is_taken_in() {
    let stage = Stage::new().await;
    let play = stage.play("onboarding", r#"{"followUpSeconds":0.05}"#).await;
    stage.until(play, PlayState::Wait).await;
    let accounts = stage.server.get("/crm/accounts").await;
    assert_eq!(texts(&accounts, "/state"), ["waiting"]);
    stage.post("contract-signed-C-1042", r#"{"signedBy":"Jonas Feld"}"#).await;
    let out = stage.done(play).await;
    assert_eq!(out.to_json(), r#"{"value":{"customerId":"C-1042","outcome":"signed","reminded":false}}"#);
    let accounts = stage.server.get("/crm/accounts").await;
    assert_eq!((texts(&accounts, "/state"), texts(&accounts, "/signedBy")), (vec!["active"], vec!["Jonas Feld"]));
    let mail = stage.server.get("/mail").await;
    assert_eq!(texts(&mail, "/subject"), ["Welcome, Feld & Sons", "How is it going?"]);
}

#[tokio::test]
async fn a_customer_who_is_slow_is_reminded() {
    let stage = Stage::new().await;
    let play = stage.play("onboarding", r#"{"waitSeconds":0.05,"followUpSeconds":0.05}"#).await;
    while stage.server.calls("POST", "/mail").len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stage.post("contract-signed-C-1042", r#"{"signedBy":"Jonas Feld"}"#).await;
    let out = stage.done(play).await;
    assert_eq!(out.to_json(), r#"{"value":{"customerId":"C-1042","outcome":"signed","reminded":true}}"#);
    let mail = stage.server.get("/mail").await;
    assert_eq!(texts(&mail, "/subject"), ["Welcome, Feld & Sons", "A reminder: your contract", "How is it going?"]);
}

#[tokio::test]
async fn a_customer_who_never_signs_is_let_go() {
    let stage = Stage::new().await;
    let out = stage.out("onboarding", r#"{"waitSeconds":0.05,"lastSeconds":0.05}"#).await;
    assert_eq!(out.to_json(), r#"{"value":{"customerId":"C-1042","outcome":"lapsed","reminded":true}}"#);
    assert_eq!(stage.server.get("/crm/accounts").await.to_json(), "[]");
    assert_eq!(stage.server.calls("POST", "/mail").len(), 2, "no follow-up");
}

#[tokio::test]
async fn a_trip_is_booked_whole() {
    let stage = Stage::new().await;
    let out = stage.out("travel-saga", "{}").await;
    assert_eq!(
        out.to_json(),
        r#"{"value":{"flight":"FLIGHT-0001","hotel":"HOTEL-0001","car":"CAR-0001","price":796.1}}"#
    );
    assert_eq!(stage.server.undone(), [""; 0]);
    assert_eq!(stage.server.get("/mail").await.as_list().map(<[Value]>::len), Some(1));
}

#[tokio::test]
async fn without_a_car_there_is_no_trip() {
    let stage = Stage::new().await;
    // The first try to cancel the hotel is refused; it is tried again.
    stage.server.fault(r#"{"path":"/travel/hotels","method":"DELETE","kind":"unavailable"}"#).await;
    let play = stage.play("travel-saga", r#"{"carClass":"convertible"}"#).await;
    let header = stage.until(play, PlayState::Fail).await;
    assert_eq!((header.failed_ref.as_deref(), header.compensation), (Some("car"), Some(Compensation::Done)));
    let undone = stage.server.undone();
    assert_eq!(undone, ["/travel/hotels/HOTEL-0001", "/travel/hotels/HOTEL-0001", "/travel/flights/FLIGHT-0001"]);
    for path in ["/travel/flights", "/travel/hotels", "/travel/cars", "/mail"] {
        assert_eq!(stage.server.get(path).await.to_json(), "[]", "{path}");
    }
}

#[tokio::test]
async fn a_trip_over_budget_is_undone_in_reverse() {
    let stage = Stage::new().await;
    let play = stage.play("travel-saga", r#"{"budget":796.09}"#).await;
    let header = stage.until(play, PlayState::Fail).await;
    assert_eq!(&*header.error.expect("an error").code, "OVER_BUDGET");
    assert_eq!(
        stage.server.undone(),
        ["/travel/cars/CAR-0001", "/travel/hotels/HOTEL-0001", "/travel/flights/FLIGHT-0001"]
    );
}

#[tokio::test]
async fn merchants_are_paid_once_a_day_whatever_the_bank_does() {
    let stage = Stage::new().await;
    let (text, args) = example("settlement");
    let flow = stage.publish(text).await;
    stage.server.fault(r#"{"path":"/payments","method":"POST","kind":"unavailable","times":3}"#).await;
    let mut files = Vec::new();
    for _ in 0..2 {
        let play = stage.start(&flow, &args).await;
        let out = stage.done(play).await;
        let of = |name| out.pointer(&format!("/value/{name}")).map(Value::to_json);
        assert_eq!(
            (of("paid"), of("failed"), of("total")),
            (Some("4".into()), Some("0".into()), Some("7318.45".into()))
        );
        files.push(stage.read(out.pointer("/value/path").and_then(Value::as_str).expect("a path")).await);
    }
    let paid = stage.server.get("/payments").await;
    assert_eq!(paid.as_list().map(<[Value]>::len), Some(4), "each once");
    let calls = stage.server.calls("POST", "/payments");
    let of = |status: u16, is_replay| calls.iter().filter(|c| c.status == status && c.is_replay == is_replay).count();
    assert_eq!((of(503, false), of(201, false), of(201, true)), (3, 4, 4));
    assert!(files[0].starts_with("merchantId,amount,paymentId,earlier,error\nM-201,1284.10,PAY-"), "{}", files[0]);
    assert!(files[0].ends_with("M-205,0.00,,false,\n"), "{}", files[0]);
    assert!(files[1].contains(",true,\n"), "{}", files[1]);
}

#[tokio::test]
async fn a_merchant_who_cannot_be_paid_does_not_stop_the_others() {
    let stage = Stage::new().await;
    let (text, args) = example("settlement");
    let flow =
        stage.publish(&text.replace("retry: {count: 5, delayMs: 200, b", "retry: {count: 1, delayMs: 1, b")).await;
    // With one item at a time, the first has both faults.
    stage.server.fault(r#"{"path":"/payments","method":"POST","kind":"unavailable","times":2}"#).await;
    let mut args = args.as_map().cloned().expect("an object");
    args.insert("parallel".into(), 1.into());
    let play = stage.start(&flow, &args.into()).await;
    let out = stage.done(play).await;
    assert_eq!(
        out.to_json(),
        r#"{"value":{"run":1,"paid":3,"failed":1,"total":6034.35,"path":"settlements/2026-03-02-1.csv"}}"#
    );
    let file = stage.read("settlements/2026-03-02-1.csv").await;
    assert!(file.contains("M-201,1284.10,,false,the peer answered with status 503\n"), "{file}");
}
