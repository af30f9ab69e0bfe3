//! Components that files declare, and the commands about components and links.

use peers::Postgres;

use crate::Flow8;
use crate::server::{json, part};

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
    let listed = right.run(&["components", "list"]).code(0).out;
    assert!(listed.contains("db:books") && listed.contains("(from the configuration)"), "{listed}");
    assert!(right.run(&["components", "test", "books"]).code(0).out.starts_with("books works ("));
    let ran = right.run(&["run", "asks.flow", "--json"]).code(0).out;
    assert_eq!(part(&json(&ran), "/out/rows/0/price"), "1.10", "{ran}");
    right.run(&["components", "test", "other"]).code(1);
    assert_eq!(right.run(&["links", "list"]).code(0).out.lines().count(), 1);

    let wrong = flow8().variable("BOOKS_PASSWORD", "wr0ng-one");
    let tested = wrong.run(&["components", "test", "books"]).code(1);
    assert!(tested.err.contains("28P01") && !tested.err.contains("wr0ng"), "{tested:?}");
    let none = flow8().run(&["config", "check"]).code(2);
    assert!(none.err.contains("BOOKS_PASSWORD") && none.err.contains("books.yml"), "{none:?}");
    let odd =
        Flow8::new().file("odd.yml", "{name: odd, kind: db, config: {hots: x}}").variable("INTEGRATIONS_DIR", ".");
    let said = odd.run(&["components", "list"]);
    assert!(said.code != Some(0) && said.err.contains("odd.yml") && said.err.contains("hots"), "{said:?}");
}
