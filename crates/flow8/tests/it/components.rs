//! Components that files declare, and the commands about components and links.

use std::fs;

use peers::Postgres;

use crate::Flow8;
use crate::server::{Start, json, part, until};

const ASKS: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Asks\nlayers:\n\
    \x20 - {ref: step, appId: db-query, componentConfigIds: {db: books}, args: {sql: SELECT 1.10 AS price}}\n";

#[test]
fn a_declared_component_is_listed_tested_and_used() {
    let server = Postgres::start();
    let books = format!(
        "name: books\nkind: db\nconfig: {{host: 127.0.0.1, port: {}, database: {}, user: {}, tls: \"off\"}}\n\
         secretRef: {{password: BOOKS_PASSWORD}}\n",
        server.port(),
        Postgres::DATABASE,
        Postgres::USER
    );
    let flow8 = || Flow8::new().file("books.yml", &books).file("asks.flow", ASKS).variable("INTEGRATIONS_DIR", ".");
    let right = flow8().variable("BOOKS_PASSWORD", Postgres::PASSWORD);
    right.run(&["import", "asks.flow"]);
    let listed = right.run(&["components", "list"]).code(0).out;
    assert!(listed.contains("db:books") && listed.contains("(from the configuration)"), "{listed}");
    assert!(right.run(&["components", "test", "books"]).code(0).out.starts_with("books works ("));
    let ran = right.run(&["run", "asks.flow", "--json"]).code(0).out;
    assert_eq!(part(&json(&ran), "/out/rows/0/price"), "1.10", "{ran}");
    right.run(&["components", "test", "other"]).code(1);
    assert_eq!(right.run(&["links", "list"]).code(0).out.lines().count(), 1);

    let wrong = flow8().variable("BOOKS_PASSWORD", "wr0ng-one");
    wrong.run(&["import", "asks.flow"]);
    let tested = wrong.run(&["components", "test", "books"]).code(1);
    assert!(tested.err.contains("28P01") && !tested.err.contains("wr0ng"), "{tested:?}");
    let none = flow8().run(&["config", "check"]).code(2);
    assert!(none.err.contains("BOOKS_PASSWORD") && none.err.contains("books.yml"), "{none:?}");
    let odd = flow8().file("odd.yml", "{name: odd, kind: db, config: {hots: x}}").variable("BOOKS_PASSWORD", "any-one");
    let said = odd.run(&["import", "asks.flow"]);
    assert!(said.code != Some(0) && said.err.contains("odd.yml") && said.err.contains("hots"), "{said:?}");
}

#[test]
fn what_is_declared_is_read_again_when_it_has_changed() {
    let database = Postgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (declared, secrets) = (path("integrations"), path("secrets"));
    for made in [&declared, &secrets] {
        fs::create_dir(made).expect("a folder");
    }
    fs::write(secrets.join("BOOKS_PASSWORD"), Postgres::PASSWORD).expect("written");
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let start = Start::on(&path("data")).variable("INTEGRATIONS_DIR", &text(&declared));
    let server = start.variable("CREDENTIALS_DIRECTORY", &text(&secrets)).serves();
    let client = &server.client;
    let names = || part(&client.granted("GET", "/components", ""), "/data");
    let tested = || part(&client.granted("POST", "/components/db:books/test", "{}"), "/ok");
    let told = || {
        let rows = client.granted("GET", "/audit?action=setting.reload&entityId=integrations", "");
        part(&rows, "/data")
    };
    assert_eq!(names(), "[]");

    let write = |host: &str| {
        let (port, database, user) = (database.port(), Postgres::DATABASE, Postgres::USER);
        let config = format!("{{host: {host}, port: {port}, database: {database}, user: {user}, tls: \"off\"}}");
        let file = format!("{{name: books, kind: db, config: {config}, secretRef: {{password: BOOKS_PASSWORD}}}}\n");
        // As a whole: one that is half written would be refused, and told.
        fs::write(path("new.yml"), file).and_then(|()| fs::rename(path("new.yml"), declared.join("books.yml")))
    };
    write("127.0.0.1").expect("written");
    until("it is declared", || names().contains("db:books").then_some(()));
    assert_eq!(tested(), "true");
    assert!(told().contains(r#""after":["db:books"]"#) && !told().contains(Postgres::PASSWORD), "{}", told());

    // A connection that is kept from before is of no use with another password.
    client.import(ASKS);
    let ran = || part(&client.granted("POST", "/flows/asks/run?wait=50", "{}"), "/state");
    assert_eq!(ran(), "DONE");
    fs::write(secrets.join("BOOKS_PASSWORD"), "wr0ng-one").expect("written");
    until("the password is the new one", || (ran() == "FAIL").then_some(()));
    assert_eq!(tested(), "false");
    fs::write(secrets.join("BOOKS_PASSWORD"), Postgres::PASSWORD).expect("written");
    until("the password is right again", || (ran() == "DONE").then_some(()));

    // What is wrong changes nothing.
    fs::write(declared.join("odd.yml"), "{name: odd, kind: db, config: {hots: x}}").expect("written");
    until("it says what is wrong", || server.log().contains("odd.yml").then_some(()));
    assert_eq!(tested(), "true");
    fs::remove_file(declared.join("odd.yml"))
        .and_then(|()| fs::remove_file(declared.join("books.yml")))
        .expect("removed");
    until("it is gone", || (names() == "[]").then_some(()));
    server.stop();
}
