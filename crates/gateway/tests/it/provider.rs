//! [`Provider`]: a real OpenID provider in a process of its own; and [`Browser`], which signs in there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use model::time::Timestamp;
use serde_json::Value;

use crate::client::{Ask, Said};

/// The script that says where the provider is, and fetches it where there is none.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/oidc-provider");

/// How it is set up.
const SET_UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/oidc-provider.mjs");

/// Where it sends people back to.
pub(crate) const BACK: &str = "https://flow8.test/api/auth/callback";

/// A provider. It ends when this is dropped.
pub(crate) struct Provider {
    process: Child,
    pub(crate) issuer: String,
    pub(crate) at: SocketAddr,
    /// The time that it has: what it says holds for a while from then.
    pub(crate) now: Timestamp,
}

impl Provider {
    /// Starts one, and waits until it answers.
    pub(crate) fn start() -> Self {
        let found = Command::new(SCRIPT).stderr(Stdio::inherit()).output().expect("scripts/oidc-provider");
        assert!(found.status.success(), "scripts/oidc-provider says above what is missing");
        let mut command = Command::new(String::from_utf8_lossy(&found.stdout).trim());
        command.arg(SET_UP).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("node starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let said = loop {
            let line = lines.next().expect("it serves; run scripts/needs where it does not").expect("text");
            if line.starts_with('{') {
                break serde_json::from_str::<Value>(&line).expect("JSON");
            }
        };
        let issuer = said["issuer"].as_str().expect("an address").to_owned();
        let at = issuer.trim_start_matches("http://").parse().expect("an address");
        // Whoever does not read what it says makes it stop one day.
        std::thread::spawn(move || lines.count());
        Self { process, issuer, at, now: Timestamp(said["now"].as_i64().expect("a time")) }
    }

    /// Gives it other keys.
    pub(crate) async fn rotate(&self) {
        assert_eq!(Ask::new(self.at, "POST /rotate").send().await.status, 200);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Somebody's browser, as far as it matters here: it keeps cookies, and goes where it is sent.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    /// Of flow8.
    pub(crate) cookies: BTreeMap<String, String>,
    /// Of the provider.
    theirs: BTreeMap<String, String>,
}

impl Browser {
    /// Opens a page of flow8, or sends something to it.
    pub(crate) async fn open(&mut self, ask: Ask) -> Said {
        let said = ask.header("cookie", &line(&self.cookies)).send().await;
        keep(&mut self.cookies, &said);
        said
    }

    /// Begins to sign in at a flow8; gives where that leads.
    pub(crate) async fn begins(&mut self, flow8: SocketAddr, return_to: &str) -> String {
        let said = self.open(Ask::new(flow8, &format!("GET /api/auth/oidc/login?returnTo={return_to}"))).await;
        assert_eq!(said.status, 303, "{}", said.text());
        said.header("location").to_owned()
    }

    /// Signs in at the provider; gives the path that it sends the browser back to.
    pub(crate) async fn signs_in(&mut self, provider: &Provider, entrance: &str, name: &str) -> String {
        let mut ask = Ask::new(provider.at, &format!("GET {}", path(entrance)));
        for _ in 0..20 {
            let said = ask.header("cookie", &line(&self.theirs)).send().await;
            keep(&mut self.theirs, &said);
            let location = said.header("location");
            if location.starts_with(BACK) {
                return path(location).to_owned();
            }
            if !location.is_empty() {
                ask = Ask::new(provider.at, &format!("GET {}", path(location)));
                continue;
            }
            let page = said.text();
            let form = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
            let form = form.unwrap_or_else(|| panic!("no form: {page}")).to_owned();
            let fields = match page.contains("name=\"login\"") {
                true => format!("prompt=login&login={name}&password=any"),
                false => "prompt=consent".to_owned(),
            };
            ask = Ask::new(provider.at, &format!("POST {}", path(&form)))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(fields);
        }
        panic!("the provider sends nobody back");
    }

    /// Signs in from the beginning to the end; gives what flow8 says at last.
    pub(crate) async fn comes_in(&mut self, flow8: SocketAddr, provider: &Provider, name: &str) -> Said {
        let entrance = self.begins(flow8, "/plays").await;
        let back = self.signs_in(provider, &entrance, name).await;
        self.open(Ask::new(flow8, &format!("GET {back}"))).await
    }
}

/// The path of a URL, with what stands after the question mark.
pub(crate) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

fn line(cookies: &BTreeMap<String, String>) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

fn keep(cookies: &mut BTreeMap<String, String>, said: &Said) {
    for cookie in said.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("text");
        let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let is_over = cookie.contains("Max-Age=0") || value.is_empty();
        match is_over {
            true => cookies.remove(name),
            false => cookies.insert(name.to_owned(), value.to_owned()),
        };
    }
}
