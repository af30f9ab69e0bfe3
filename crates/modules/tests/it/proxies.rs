//! Calls through a proxy: it looks names up itself, but the rules hold all the same.

use modules::provider::{HttpClient, HttpOptions, ProxyOptions};

use crate::server::{Reply, Server, ok};
use crate::{answer, policy, request, trouble, with_body};

async fn proxy() -> Server {
    Server::start(|heard| match &*heard.method {
        "CONNECT" => Reply::Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned()),
        _ => ok("through the proxy"),
    })
    .await
}

fn client(proxy: &Server, no_proxy: &str, allow: &str) -> HttpClient {
    let url = Some(format!("http://ada:pass@localhost:{}", proxy.port));
    let options = HttpOptions {
        policy: policy(allow, ""),
        proxy: ProxyOptions { http: url.clone(), https: url, no_proxy: no_proxy.to_owned() },
        extra_ca: None,
    };
    HttpClient::new(&options).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_proxy_may_be_inside_but_not_what_is_behind_it() {
    let proxy = proxy().await;
    let client = client(&proxy, "", "");
    assert_eq!(answer(&client, request("GET", "http://93.184.216.34/a")).await.body, "through the proxy");
    let [heard] = &proxy.heard()[..] else { panic!("one request") };
    assert_eq!(heard.target, "http://93.184.216.34/a");
    assert_eq!(heard.header("proxy-authorization"), Some("Basic YWRhOnBhc3M="));
    for url in ["http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/", "http://metadata.google.internal/"]
    {
        assert_eq!(trouble(&client, request("GET", url)).await.code, "HTTP_REFUSED", "{url}");
    }
    assert_eq!(proxy.heard().len(), 1);
}

#[tokio::test]
async fn a_tunnel_that_is_refused_means_that_nothing_was_done() {
    let proxy = proxy().await;
    let error = trouble(&client(&proxy, "", ""), with_body("POST", "https://93.184.216.34/", "s3cr3t")).await;
    assert_eq!((error.code, error.maybe_done), ("HTTP_CONNECT", false));
    let [heard] = &proxy.heard()[..] else { panic!("one request") };
    assert_eq!((&*heard.method, &*heard.target, &*heard.body), ("CONNECT", "93.184.216.34:443", ""));
    assert_eq!(heard.header("proxy-authorization"), Some("Basic YWRhOnBhc3M="));
}

#[tokio::test]
async fn what_needs_no_proxy_is_reached_directly() {
    let (proxy, server) = (proxy().await, Server::start(|_| ok("directly")).await);
    let client = client(&proxy, "127.0.0.1", "127.0.0.1");
    assert_eq!(answer(&client, request("GET", &server.url("/"))).await.body, "directly");
    assert_eq!(proxy.connections(), 0);
}
