//! `wget`: fetches a file into the storage. Only an answer of 2xx is written; anything else
//! fails, so that no page of an error ends up in a file.

use std::sync::Arc;
use std::time::Duration;

use model::failure::Failure;
use model::limits::FILE_BYTES;
use model::{Value, limits};
use schemars::JsonSchema;
use sdk::http::HttpRequest;
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::arguments::{Object, Seconds, Text};
use crate::call::{self, BasicAuth, Headers};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What to fetch: http or https, without name and password.
    url: Text,
    /// The path of the file; one of its own under tmp/ where it is left out.
    path: Option<Text>,
    /// Headers: a text, or a list of texts, by name.
    headers: Option<Object>,
    /// A name and a password.
    basic_auth: Option<BasicAuth>,
    /// A bearer token; best read from $secret.
    bearer_token: Option<Text>,
    /// Seconds that all of it may take; what the flowlet may take where it is left out.
    timeout: Option<Seconds>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The path of the file.
    path: String,
    /// How many bytes it has.
    size: usize,
    /// What the peer says that it is; null where it does not.
    content_type: Option<String>,
    /// The status of the answer.
    status_code: u16,
}

pub(crate) fn module() -> Module {
    Module::effect("wget", Group::Http, "Fetches a file into the storage.", Nature::PUT, run)
        .takes_link()
        .example_args(r#"{"url":"https://example.com/report.pdf","path":"reports/2026.pdf"}"#)
}

/// The peer answered with another status than 2xx.
const HTTP_STATUS: &str = "HTTP_STATUS";

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let mut headers = Headers::of(args.headers.as_ref())?;
    headers.authorize(args.basic_auth.as_ref(), args.bearer_token.as_ref())?;
    headers.lend(ctx.credential.as_ref(), &args.url)?;
    let request = HttpRequest {
        company: ctx.company,
        method: "GET".into(),
        url: args.url.trim().to_owned(),
        headers: headers.into_pairs(),
        body: None,
        timeout: call::timeout(&ctx, args.timeout, Duration::MAX),
        follow_redirects: true,
        max_body: FILE_BYTES,
    };
    let answer = ctx.http.send(request).await.map_err(|error| call::mishap(error, false))?;
    if !(200..300).contains(&answer.status) {
        let details = Value::map([("statusCode", answer.status)]);
        return Err(Failure::new(HTTP_STATUS, format!("the peer answered {}", answer.status))
            .with_details(details)
            .into());
    }
    let path = match args.path {
        Some(path) => path.to_string(),
        None => format!("{}/{}", file::temporary_folder(&ctx.idempotency_key), name(&args.url)),
    };
    let size = answer.body.len();
    ctx.storage.write(ctx.company, &path, answer.body).await.map_err(file::failure)?;
    let content_type = call::header(&answer.headers, "content-type").map(str::to_owned);
    Ok(Out { path, size, content_type, status_code: answer.status })
}

/// The last part of the URL's path, as far as it can be the name of a file.
fn name(url: &str) -> String {
    let is_plain = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let url = Url::parse(url.trim()).ok();
    let last = url.as_ref().and_then(Url::path_segments).and_then(|mut parts| parts.next_back());
    let name: String = last.unwrap_or_default().chars().filter(is_plain).take(limits::FILE_PATH_BYTES / 8).collect();
    if name.trim_matches('.').is_empty() { "file".to_owned() } else { name }
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_file_is_named_after_the_url() {
        for (url, expected) in [
            ("https://example.com/a/report.pdf?x=1", "report.pdf"),
            ("https://example.com/a%2F..%2Fb", "a2F..2Fb"),
            ("https://example.com/", "file"),
            ("https://example.com/..", "file"),
            ("no url", "file"),
        ] {
            assert_eq!(name(url), expected, "{url}");
        }
    }
}
