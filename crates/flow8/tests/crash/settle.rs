//! Whoever answers what plays wait for.

use model::Value;

use crate::server::Server;

/// How many plays of a flow have ended; nothing where the server is gone.
pub(crate) async fn ended(server: &Server, flow: &str) -> Option<i64> {
    let path = format!("/plays?flowId={flow}&state=DONE,FAIL&size=1");
    let page = server.granted("GET", &path, &Value::Null).await?;
    page.get("total").and_then(Value::as_i64)
}

/// Approves and answers whatever waits now. Says how many steps were in doubt; nothing where the server is gone.
pub(crate) async fn answer(server: &Server) -> Option<u64> {
    let mut in_doubt = 0;
    for (kind, verb, decision) in [("approval", "approve", "approved"), ("inDoubt", "resolve", "happened")] {
        let inbox = server.granted("GET", &format!("/approvals?kind={kind}"), &Value::Null).await?;
        for asked in inbox.get("data").and_then(Value::as_list).expect("a list") {
            let text = |key: &str| asked.get(key).and_then(Value::as_str).expect("a text");
            let mut answer = vec![("layerId", Value::from(text("layerId"))), ("decision", decision.into())];
            if kind == "inDoubt" {
                in_doubt += 1;
                answer.push(("out", Value::map([("body", Value::map([("done", "by hand")]))])));
            }
            let path = format!("/plays/{}/{verb}", text("playId"));
            // Somebody may have been faster: then it is answered already.
            server.ask("POST", &path, &Value::map(answer)).await?;
        }
    }
    Some(in_doubt)
}
