//! The MCP server of the binary: where it says that it answers, it does.

use crate::server::{Start, part};

const LIST: &str = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}"#;

#[test]
fn the_greeting_and_the_ready_file_say_where_mcp_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let ready = folder.path().join("ready.json");
    let start = Start::on(&folder.path().join("data")).args(&["--ready-file", ready.to_str().expect("UTF-8")]);
    let server = start.serves();
    let url = server.greeting.iter().find_map(|line| line.trim().strip_prefix("MCP ")).expect("a line").trim();
    let places = crate::server::json(&std::fs::read_to_string(ready).expect("the ready file"));
    assert_eq!(part(&places, "/mcp"), url);
    let headers = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
    let mut client = server.client.clone();
    client.url = url.strip_suffix("/mcp").expect("a path").to_owned();
    for path in ["/mcp", "/"] {
        let listed = client.send("POST", path, &headers, LIST.into()).expect("an answer");
        assert_eq!(listed.status(), 200, "{path}");
        let text = crate::server::RUNTIME.block_on(listed.text()).expect("a body");
        assert_eq!(part(&crate::server::json(&text), "/result/tools/0/name"), "flow8_check_flow", "{text}");
    }
    let stranger = client.with("").send("POST", "/mcp", &headers, LIST.into()).expect("an answer");
    assert_eq!(stranger.status(), 401);
    server.stop();
}
