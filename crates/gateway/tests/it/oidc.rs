//! Signing in through a real OpenID provider; and what becomes of answers that somebody has altered on
//! their way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gateway::{OidcSettings, Role, Settings};
use modules::provider::{EgressPolicy, HttpClient, HttpOptions};
use sdk::http::{Http, HttpError, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use store::Store;

use crate::client::Ask;
use crate::provider::{BACK, Browser, Provider};
use crate::stage::{EMAIL, PASSWORD, Stage};
use crate::world::TestWorld;

/// Who stands between flow8 and the provider.
struct Between {
    through: HttpClient,
    mischief: Mutex<Mischief>,
    /// The last id token that came by.
    token: Mutex<String>,
    /// Every URL that was asked for.
    asked: Mutex<Vec<String>>,
    /// How flow8 showed its secret at last: in the header, and in the body.
    shown: Mutex<(bool, bool)>,
}

/// What is done there.
#[derive(Clone, PartialEq)]
enum Mischief {
    None,
    /// Nothing comes through.
    Down,
    /// The verifier is another one.
    Verifier,
    /// The id token is another one.
    Token(String),
    /// A character of what was signed is another one.
    Flip,
    /// What it says of a person is about another one.
    Person,
    /// It takes the secret of a client in one way alone.
    Posts,
}

impl Between {
    fn new() -> Arc<Self> {
        let policy = EgressPolicy::new(["*"], []).expect("rules");
        let through = HttpClient::new(&HttpOptions { policy, ..HttpOptions::default() }).expect("a client");
        Arc::new(Self {
            through,
            mischief: Mutex::new(Mischief::None),
            token: Mutex::default(),
            asked: Mutex::default(),
            shown: Mutex::default(),
        })
    }

    fn does(&self, mischief: Mischief) {
        *self.mischief.lock().expect("no panic") = mischief;
    }

    fn asked(&self, end: &str) -> usize {
        self.asked.lock().expect("no panic").iter().filter(|url| url.ends_with(end)).count()
    }
}

#[async_trait]
impl Http for Between {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mischief = self.mischief.lock().expect("no panic").clone();
        let url = request.url.clone();
        self.asked.lock().expect("no panic").push(url.clone());
        if mischief == Mischief::Down {
            return Err(HttpError { code: "HTTP_CONNECT", message: "nobody is there".into(), maybe_done: false });
        }
        if mischief == Mischief::Verifier && url.ends_with("/token") {
            let body = String::from_utf8(request.body.expect("a form").to_vec()).expect("text");
            request.body = Some(body.replace("code_verifier=", "code_verifier=x").into());
        }
        if url.ends_with("/token") {
            let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
            let in_header = request.headers.iter().any(|(name, _)| name == "authorization");
            *self.shown.lock().expect("no panic") = (in_header, body.contains("client_secret="));
        }
        let mut answer = self.through.send(request).await?;
        if url.ends_with("/token") && answer.status == 200 {
            let mut said: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let token = said["id_token"].as_str().expect("a token").to_owned();
            self.token.lock().expect("no panic").clone_from(&token);
            match mischief {
                Mischief::Token(other) => said["id_token"] = json!(other),
                Mischief::Flip => said["id_token"] = json!(altered(&token)),
                _ => {}
            }
            answer.body = said.to_string().into();
        } else if url.ends_with("/openid-configuration") && mischief == Mischief::Posts {
            answer.body = String::from_utf8_lossy(&answer.body).replace("client_secret_basic", "other").into();
        } else if url.ends_with("/me") && mischief == Mischief::Person {
            answer.body = String::from_utf8_lossy(&answer.body).replace("\"bob\"", "\"ada\"").into();
        }
        Ok(answer)
    }
}

/// The same token, about somebody else.
fn altered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("Base64")).expect("JSON");
    claims["sub"] = json!("ada");
    format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

/// A provider, who stands between, a world that has its time, and a store.
struct Set {
    provider: Provider,
    between: Arc<Between>,
    world: Arc<TestWorld>,
    store: Arc<dyn Store>,
}

impl Set {
    async fn new() -> Self {
        let provider = Provider::start();
        let world = Arc::new(TestWorld::at(provider.now));
        Self { provider, between: Between::new(), world, store: Stage::store().await }
    }

    fn oidc(&self, client_id: &str) -> OidcSettings {
        OidcSettings {
            issuer: self.provider.issuer.clone(),
            client_id: client_id.into(),
            client_secret: Some(format!("the secret of {client_id}: 100% + more")),
            redirect_uri: BACK.into(),
            scopes: ["openid", "email", "profile", "groups"].map(str::to_owned).into(),
            roles_claim: None,
            roles: Vec::new(),
            default_roles: Vec::new(),
            creates_people: false,
            http: self.between.clone(),
        }
    }

    async fn flow8(&self, oidc: OidcSettings) -> Stage {
        Stage::replica(self.store.clone(), self.world.clone(), Settings::default(), Some(oidc)).await
    }
}

/// A page of flow8, as a browser sees it.
fn page(stage: &Stage, path: &str) -> Ask {
    Ask::new(stage.at, &format!("GET {path}"))
}

async fn add(stage: &Stage, name: &str, roles: &[&str]) {
    let person = json!({"email": format!("{name}@flow8.test"), "roles": roles, "password": PASSWORD});
    stage.ask("POST /api/users").json(person).gives(201).await;
}

#[tokio::test]
async fn whoever_was_added_signs_in_and_any_replica_takes_them_back() {
    let set = Set::new().await;
    let (first, second) = (set.flow8(set.oidc("flow8")).await, set.flow8(set.oidc("flow8")).await);
    add(&first, "bob", &["builder"]).await;
    assert!(page(&first, "/").send().await.text().contains("href=/api/auth/oidc/login"));
    let mut browser = Browser::default();
    let entrance = browser.begins(first.at, "/plays?state=FAIL").await;
    for asked in ["response_type=code", "code_challenge_method=S256", "client_id=flow8", "scope=openid+email"] {
        assert!(entrance.contains(asked), "{asked}: {entrance}");
    }
    let back = browser.signs_in(&set.provider, &entrance, "bob").await;
    let kept = browser.cookies["oidc"].clone();
    let said = browser.open(page(&second, &back)).await;
    assert_eq!(said.status, 200, "{}", said.text());
    assert!(said.text().contains("0;url=/plays?state=FAIL"), "{}", said.text());
    let cookies: Vec<&str> =
        said.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().expect("text")).collect();
    assert!(cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600; Secure"), "{cookies:?}");
    assert!(cookies[1].starts_with("oidc=; Path=/api; HttpOnly; SameSite=Lax; Max-Age=0"), "{cookies:?}");

    let me = browser.open(page(&first, "/api/auth/me")).await.json();
    assert_eq!((&me["name"], &me["roles"]), (&json!("bob@flow8.test"), &json!(["builder"])));
    // Not twice, wherever it is tried.
    for stage in [&first, &second] {
        let again = page(stage, &back).header("cookie", &format!("oidc={kept}"));
        assert!(again.refused(409, "SIGN_IN_USED").await.contains("begin a new one"));
    }
    let rows = first.ask("GET /api/audit?action=auth.login").gives(200).await;
    assert_eq!(rows["data"][0]["after"], json!({"provider": set.provider.issuer}), "{rows}");
    assert_eq!(rows["data"][0]["actor"]["name"], "bob@flow8.test");

    // They are known by what the provider calls them, whatever becomes of the address here.
    let said = browser.open(Ask::new(first.at, "POST /api/auth/logout")).await;
    assert_eq!((said.status.as_u16(), browser.cookies.len()), (204, 0));
    let mut other = Browser::default();
    assert_eq!(other.comes_in(second.at, &set.provider, "bob").await.status, 200);
    let people = first.ask("GET /api/users").gives(200).await;
    assert_eq!(people["total"], 2);
    // And whoever is removed is out at once.
    let bob = people["data"].as_array().expect("people").iter().find(|user| user["email"] == "bob@flow8.test");
    let bob = bob.expect("Bob")["id"].as_str().expect("an id").to_owned();
    first.ask(&format!("DELETE /api/users/{bob}")).gives(204).await;
    other.open(page(&first, "/api/auth/me")).await.json()["error"].as_str().expect("refused");
    let said = Browser::default().comes_in(first.at, &set.provider, "bob").await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (403, &json!("PERSON_UNKNOWN")));
}

#[tokio::test]
async fn nobody_comes_in_whom_nobody_added_or_whose_address_is_not_verified() {
    let set = Set::new().await;
    let stage = set.flow8(set.oidc("flow8")).await;
    let refused = async |name: &str| {
        let mut browser = Browser::default();
        let said = browser.comes_in(stage.at, &set.provider, name).await;
        assert!(!browser.cookies.contains_key("sid"), "{name}");
        (said.status.as_u16(), said.json()["error"].as_str().expect("a code").to_owned())
    };
    assert_eq!(refused("eve").await, (403, "PERSON_UNKNOWN".into()));
    // Anybody could have typed in the administrator's address there.
    assert_eq!(refused("mallory").await, (403, "EMAIL_NOT_VERIFIED".into()));
    assert_eq!(Browser::default().comes_in(stage.at, &set.provider, "ada").await.status, 200);
    // Nor does a second one there become the administrator.
    assert_eq!(refused("twin").await, (403, "ALREADY_BOUND".into()));
    let people = stage.ask("GET /api/users").gives(200).await;
    assert_eq!((&people["total"], &people["data"][0]["providers"]), (&json!(1), &json!([set.provider.issuer])));
    // Unless an administrator says so, and whoever it was is out.
    let mut ada = Browser::default();
    assert_eq!(ada.comes_in(stage.at, &set.provider, "ada").await.status, 200);
    let id = people["data"][0]["id"].as_str().expect("an id");
    stage.ask(&format!("DELETE /api/users/{id}/identities")).gives(204).await;
    assert_eq!(ada.open(page(&stage, "/api/auth/me")).await.status, 401);
    let mut twin = Browser::default();
    assert_eq!(twin.comes_in(stage.at, &set.provider, "twin").await.status, 200);
    assert_eq!(refused("ada").await, (403, "ALREADY_BOUND".into()));
    stage.ask(&format!("DELETE /api/users/{id}/sessions")).gives(204).await;
    assert_eq!(twin.open(page(&stage, "/api/auth/me")).await.status, 401);
    // In a browser, it is a page.
    let mut browser = Browser::default();
    let entrance = browser.begins(stage.at, "/").await;
    let back = browser.signs_in(&set.provider, &entrance, "eve").await;
    let said = browser.open(page(&stage, &back).header("accept", "text/html,*/*")).await;
    assert_eq!((said.status.as_u16(), said.header("content-type")), (403, "text/html; charset=utf-8"));
    assert!(said.text().contains("nobody has added eve@flow8.test here"), "{}", said.text());
    // The password still does.
    stage.sign_in(EMAIL, PASSWORD).await;
}

#[tokio::test]
async fn groups_give_roles_but_never_an_owner() {
    let set = Set::new().await;
    let settings = OidcSettings {
        roles_claim: Some("groups".into()),
        roles: vec![
            ("flow-makers".into(), Role::Builder),
            ("cooks".into(), Role::Owner),
            ("cooks".into(), Role::Approver),
        ],
        creates_people: true,
        ..set.oidc("flow8")
    };
    let stage = set.flow8(settings.clone()).await;
    let roles = async |stage: &Stage, name: &str| {
        let mut browser = Browser::default();
        let said = browser.comes_in(stage.at, &set.provider, name).await;
        assert_eq!(said.status, 200, "{}", said.text());
        browser.open(page(stage, "/api/auth/me")).await.json()["roles"].clone()
    };
    assert_eq!(roles(&stage, "bob").await, json!(["builder", "approver"]));
    // The owner keeps flow8, whatever the provider says.
    assert_eq!(roles(&stage, "ada").await, json!(["owner", "builder"]));
    let said = Browser::default().comes_in(stage.at, &set.provider, "eve").await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (403, &json!("NO_ROLE")));
    let made = stage.ask("GET /api/audit?action=user.create").gives(200).await;
    assert_eq!(made["data"][0]["after"]["providers"], json!([set.provider.issuer]), "{made}");
    // Other groups, other roles: at the next sign-in.
    let later =
        OidcSettings { roles: vec![("cooks".into(), Role::Operator)], default_roles: vec![Role::Auditor], ..settings };
    let stage = set.flow8(later).await;
    assert_eq!(roles(&stage, "bob").await, json!(["operator"]));
    assert_eq!(roles(&stage, "eve").await, json!(["auditor"]));
    // Another company gives its own.
    stage.other_company().await;
    assert_eq!(roles(&stage, "grace").await, json!(["owner"]));
}

#[tokio::test]
async fn a_sign_in_ends_in_the_browser_that_began_it_and_in_time() {
    let set = Set::new().await;
    let stage = set.flow8(set.oidc("flow8")).await;
    let mut ada = Browser::default();
    let entrance = ada.begins(stage.at, "/").await;
    let back = ada.signs_in(&set.provider, &entrance, "ada").await;
    // A link that somebody sends signs nobody in: not who has begun nothing, nor who has begun otherwise.
    page(&stage, &back).refused(400, "SIGN_IN_UNKNOWN").await;
    let mut other = Browser::default();
    other.begins(stage.at, "/").await;
    assert_eq!(other.open(page(&stage, &back)).await.json()["error"], "SIGN_IN_UNKNOWN");
    page(&stage, &back).header("cookie", "oidc=AAAA").refused(400, "SIGN_IN_UNKNOWN").await;
    let code = back.replace("code=", "code=x");
    assert_eq!(ada.open(page(&stage, &code)).await.json()["error"], "PROVIDER_REFUSED");
    let elsewhere = back.replace("iss=", "iss=x");
    assert_eq!(ada.open(page(&stage, &elsewhere)).await.json()["error"], "ID_TOKEN_REFUSED");
    page(&stage, "/api/auth/callback?error=access_denied&state=x").refused(403, "PROVIDER_REFUSED").await;
    page(&stage, "/api/auth/callback").refused(400, "VALIDATION_ERROR").await;
    set.world.pass(Duration::from_secs(601));
    assert_eq!(ada.open(page(&stage, &back)).await.json()["error"], "SIGN_IN_UNKNOWN");
    page(&stage, "/api/auth/oidc/login?returnTo=//evil.test").refused(400, "VALIDATION_ERROR").await;
    Stage::new().await.ask("GET /api/auth/oidc/login").nobody().refused(404, "OIDC_NOT_SET_UP").await;
}

#[tokio::test]
async fn what_was_altered_on_its_way_is_not_believed() {
    let set = Set::new().await;
    let stage = set.flow8(set.oidc("flow8")).await;
    add(&stage, "bob", &["builder"]).await;
    let bob = async |stage: &Stage| Browser::default().comes_in(stage.at, &set.provider, "bob").await;
    let refused = async |mischief: Mischief, code: &str, why: &str| {
        set.between.does(mischief);
        let said = bob(&stage).await;
        assert_eq!(said.json()["error"], code, "{}", said.text());
        assert!(said.text().contains(why), "{}", said.text());
    };
    assert_eq!(bob(&stage).await.status, 200);
    let before = set.between.token.lock().expect("no panic").clone();
    // The provider's own tokens, each of them well signed: of another sign-in, for another application.
    refused(Mischief::Token(before.clone()), "ID_TOKEN_REFUSED", "of another sign-in").await;
    let elliptic = set.flow8(set.oidc("elliptic")).await;
    set.between.does(Mischief::None);
    assert_eq!(bob(&elliptic).await.status, 200);
    let other = set.between.token.lock().expect("no panic").clone();
    refused(Mischief::Token(other), "ID_TOKEN_REFUSED", "another application").await;
    refused(Mischief::Flip, "ID_TOKEN_REFUSED", "the signature of the id token is wrong").await;
    let unsigned = format!(
        "{}.{}.",
        BASE64_URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
        before.split('.').nth(1).expect("claims")
    );
    refused(Mischief::Token(unsigned), "ID_TOKEN_REFUSED", "cannot be read").await;
    let shared = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\"}"),
        before.split_once('.').expect("parts").1
    );
    refused(Mischief::Token(shared), "ID_TOKEN_REFUSED", "HS256, which is not taken").await;
    refused(Mischief::Person, "ID_TOKEN_REFUSED", "different people").await;
    refused(Mischief::Verifier, "PROVIDER_REFUSED", "invalid_grant").await;
    set.between.does(Mischief::None);
    assert_eq!(bob(&stage).await.status, 200);
}

#[tokio::test]
async fn a_provider_may_change_its_keys_and_may_be_down() {
    let set = Set::new().await;
    let stage = set.flow8(set.oidc("flow8")).await;
    let ada = async |stage: &Stage| Browser::default().comes_in(stage.at, &set.provider, "ada").await;
    assert_eq!(ada(&stage).await.status, 200);
    assert_eq!(ada(&stage).await.status, 200);
    assert_eq!((set.between.asked("/jwks"), set.between.asked("/openid-configuration")), (1, 1));
    set.provider.rotate().await;
    // Whoever shows forged tokens does not make flow8 ask for keys all the time.
    let said = ada(&stage).await;
    assert!(said.text().contains("none of its keys"), "{}", said.text());
    set.world.pass(Duration::from_secs(11));
    assert_eq!(ada(&stage).await.status, 200);
    assert_eq!(set.between.asked("/jwks"), 2);

    let fresh = set.flow8(set.oidc("flow8")).await;
    set.between.does(Mischief::Down);
    let begin = || page(&fresh, "/api/auth/oidc/login");
    let told = begin().refused(502, "PROVIDER_UNREACHABLE").await;
    assert!(told.contains(&set.provider.issuer) && told.contains("nobody is there"), "{told}");
    let asked = set.between.asked("/openid-configuration");
    begin().refused(502, "PROVIDER_UNREACHABLE").await;
    assert_eq!(set.between.asked("/openid-configuration"), asked, "it is left alone for a moment");
    set.between.does(Mischief::None);
    set.world.pass(Duration::from_secs(6));
    assert_eq!(ada(&fresh).await.status, 200);
    // The clock of the provider and ours may differ, but not by much.
    set.world.pass(Duration::from_secs(3_590));
    assert_eq!(ada(&fresh).await.status, 200);
    set.world.pass(Duration::from_secs(120));
    assert!(ada(&fresh).await.text().contains("see that the clocks are right"));
}

#[tokio::test]
async fn a_client_without_a_secret_and_one_that_posts_it_sign_in_too() {
    let set = Set::new().await;
    let ada = async |stage: &Stage| Browser::default().comes_in(stage.at, &set.provider, "ada").await;
    let bare = set.flow8(OidcSettings { client_secret: None, ..set.oidc("bare") }).await;
    assert_eq!(ada(&bare).await.status, 200);
    assert_eq!(*set.between.shown.lock().expect("no panic"), (false, false));
    let wrong = set.flow8(OidcSettings { client_secret: Some("wrong".into()), ..set.oidc("flow8") }).await;
    let said = ada(&wrong).await;
    assert!(said.text().contains("check oauth2.client_id and oauth2.client_secret"), "{}", said.text());
    assert_eq!(*set.between.shown.lock().expect("no panic"), (true, false));
    set.between.does(Mischief::Posts);
    let post = set.flow8(set.oidc("post")).await;
    assert_eq!(ada(&post).await.status, 200);
    assert_eq!(*set.between.shown.lock().expect("no panic"), (false, true));
}
