//! Signing in at replicas that share a real MongoDB: through a real OpenID provider, with the settings as
//! an administrator gives them, and by guessing.

use std::net::SocketAddr;

use crate::client::Ask;
use crate::mongo::{database, replica_with};
use crate::provider::{Browser, Provider};
use crate::server::{RUNTIME, Server, until};

const SECRET: &str = "the secret of flow8: 100% + more";

fn address(server: &Server) -> SocketAddr {
    server.client.url.trim_start_matches("http://").parse().expect("an address")
}

#[test]
fn people_sign_in_through_a_provider_at_any_replica() {
    let (database, provider, folder) = (database(), Provider::start(), tempfile::tempdir().expect("a folder"));
    let variables = [
        ("OAUTH2_ISSUER", provider.issuer.clone()),
        ("OAUTH2_CLIENT_ID", "flow8".to_owned()),
        ("OAUTH2_CLIENT_SECRET", SECRET.to_owned()),
        ("OAUTH2_SCOPES", "openid,email,groups".to_owned()),
        ("OAUTH2_ROLES_CLAIM", "groups".to_owned()),
        ("OAUTH2_ROLES", "flow-makers=builder,cooks=approver".to_owned()),
        ("OAUTH2_CREATE_PEOPLE", "true".to_owned()),
        ("PUBLIC_URL", "https://flow8.test".to_owned()),
        // Flows may not reach it; flow8 itself does.
        ("EGRESS_DENY", "127.0.0.0/8".to_owned()),
    ];
    let replica = |name: &str| replica_with(&database, folder.path(), name, &variables);
    let (first, second) = (replica("first"), replica("second"));
    let (here, there) = (address(&first), address(&second));
    let me = async |browser: &mut Browser, at: SocketAddr| browser.open(Ask::new(at, "GET /api/auth/me")).await;
    let mut browser = RUNTIME.block_on(async {
        let mut browser = Browser::default();
        let entrance = browser.begins(here, "/").await;
        let back = browser.signs_in(&provider, &entrance, "bob").await;
        let said = browser.open(Ask::new(there, &format!("GET {back}"))).await;
        assert_eq!(said.status, 200, "{}", said.text());
        let known = me(&mut browser, here).await.json();
        assert_eq!(known["roles"], serde_json::json!(["builder", "approver"]), "{known}");
        let nobody = Browser::default().comes_in(here, &provider, "eve").await;
        assert_eq!((nobody.status.as_u16(), &nobody.json()["error"]), (403, &"NO_ROLE".into()));
        browser
    });
    // Signed out at one, the session is over at the other, which has just seen it.
    let signed_out =
        RUNTIME.block_on(async { browser.clone().open(Ask::new(there, "POST /api/auth/logout")).await.status });
    assert_eq!(signed_out, 204);
    until("the session is over", || (RUNTIME.block_on(me(&mut browser, here)).status == 401).then_some(()));
    for server in [&first, &second] {
        assert!(!server.log().contains(SECRET), "{}", server.log());
    }
    first.stop();
    second.stop();
}

#[test]
fn replicas_count_guesses_together() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (email, password) = ("you@example.com", "correct horse battery");
    let variables =
        [("FLOW8_BOOTSTRAP_ADMIN_EMAIL", email.to_owned()), ("FLOW8_BOOTSTRAP_ADMIN_PASSWORD", password.to_owned())];
    let replica = |name: &str| replica_with(&database, folder.path(), name, &variables);
    let (first, second) = (replica("first"), replica("second"));
    let sign_in = |server: &Server, password: &str| {
        let body = serde_json::json!({"email": email, "password": password});
        RUNTIME.block_on(Ask::new(address(server), "POST /api/auth/login").json(body).send()).status.as_u16()
    };
    // Nine, and one that is right, which forgives them.
    for (round, last) in [(9, 200), (10, 429)] {
        for guess in 0..round {
            assert_eq!(sign_in([&first, &second][guess % 2], "not it at all"), 401, "{guess}");
        }
        assert_eq!(sign_in(&second, password), last);
    }
    assert_eq!(sign_in(&first, password), 429);
    first.stop();
    second.stop();
}
