//! Flows that ask for four eyes: whoever changed a draft does not publish it.

use serde_json::{Value, json};

use crate::client::Ask;
use crate::stage::{Stage, one};

fn pay(value: u32, four_eyes: bool) -> Value {
    let mut flow = one("Pay", "var", json!({"value": value}));
    if four_eyes {
        flow["publishing"] = json!({"fourEyes": true});
    }
    flow
}

/// Two people who make flows.
struct Two {
    stage: Stage,
    ann: String,
    ben: String,
}

impl Two {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let (ann, ben) = (stage.person("ann", &["builder"]).await, stage.person("ben", &["builder"]).await);
        Self { stage, ann, ben }
    }

    /// Two people, and a flow of Ann's that Ben published.
    async fn with_flow() -> Self {
        let two = Self::new().await;
        two.ask(&two.ann, "POST /api/flows").json(pay(1, true)).gives(201).await;
        two.ask(&two.ben, "POST /api/flows/pay/publish").gives(200).await;
        two
    }

    fn ask(&self, who: &str, line: &str) -> Ask {
        self.stage.ask(line).cookie(who)
    }

    async fn edit(&self, who: &str, flow: Value) -> Value {
        self.ask(who, "PUT /api/flows/pay").json(flow).gives(200).await
    }

    async fn runs(&self) -> Value {
        self.stage.run("pay", json!({})).await["out"]["value"].clone()
    }
}

/// It was not published, since somebody else must do that.
fn left_to_others(said: &Value) {
    assert_eq!((&said["published"], &said["problems"][0]["path"]), (&json!(false), &json!("publishing.fourEyes")));
    assert!(said["problems"][0]["message"].to_string().contains("somebody else"), "{said}");
}

#[tokio::test]
async fn whoever_changed_a_draft_does_not_publish_it_though_somebody_touched_it_since() {
    let two = Two::new().await;
    let made = two.ask(&two.ann, "POST /api/flows").json(pay(1, true)).gives(201).await;
    left_to_others(&made);
    assert_eq!(made["publishing"], json!({"fourEyes": true}));
    let message = two.ask(&two.ann, "POST /api/flows/pay/publish").refused(403, "FOUR_EYES").await;
    assert!(message.contains("somebody else must publish"), "{message}");
    // A key is its owner.
    let key = two.ask(&two.ann, "POST /api/auth/api-keys").json(json!({"name": "robot"})).gives(201).await;
    let key = key["key"].as_str().expect("a key");
    two.stage.ask("POST /api/flows/pay/publish").bearer(key).refused(403, "FOUR_EYES").await;
    // The command line is nobody in particular.
    two.stage.ask("POST /api/flows/pay/publish").refused(403, "FOUR_EYES").await;
    two.ask(&two.ben, "POST /api/flows/pay/publish").gives(200).await;
    let row = two.stage.ask("GET /api/audit?action=flow.publish").gives(200).await["data"][0].clone();
    let named = (&row["actor"]["name"], &row["after"]["editors"][0]["name"], &row["after"]["editors"][1]);
    assert_eq!(named, (&json!("ben@flow8.test"), &json!("ann@flow8.test"), &Value::Null), "{row}");

    // Ann changes the sum, Ben a comma: now neither of them, whichever way they go.
    left_to_others(&two.edit(&two.ann, pay(1_000, true)).await);
    let mut comma = pay(1_000, true);
    comma["description"] = json!("Pays,");
    left_to_others(&two.edit(&two.ben, comma.clone()).await);
    for who in [&two.ann, &two.ben] {
        two.ask(who, "POST /api/flows/pay/publish").refused(403, "FOUR_EYES").await;
        left_to_others(&two.edit(who, comma.clone()).await);
        let layer = json!({"ref": "step", "appId": "var", "args": {"value": 2_000}});
        left_to_others(&two.ask(who, "PUT /api/flows/pay/layers/step").json(layer).gives(200).await);
    }
    assert_eq!(two.runs().await, 1);
    let cleo = two.stage.person("cleo", &["builder"]).await;
    two.ask(&cleo, "POST /api/flows/pay/publish").gives(200).await;
    assert_eq!(two.runs().await, 2_000);
}

#[tokio::test]
async fn who_sends_what_is_there_already_has_changed_nothing() {
    let two = Two::with_flow().await;
    left_to_others(&two.edit(&two.ann, pay(2, true)).await);
    let mut same = two.ask(&two.ben, "GET /api/flows/pay").gives(200).await;
    same.as_object_mut().expect("a flow").remove("problems");
    assert_eq!(two.edit(&two.ben, same).await["published"], true);
    assert_eq!(two.runs().await, 2);
}

#[tokio::test]
async fn to_take_it_out_needs_somebody_else_too() {
    let two = Two::with_flow().await;
    left_to_others(&two.edit(&two.ann, pay(7, false)).await);
    two.ask(&two.ann, "POST /api/flows/pay/publish").refused(403, "FOUR_EYES").await;
    // Neither is it gone by removing the flow and making it anew.
    two.ask(&two.ann, "DELETE /api/flows/pay").refused(403, "FOUR_EYES").await;
    assert_eq!(two.runs().await, 1);
    two.ask(&two.ben, "POST /api/flows/pay/publish").gives(200).await;
    assert_eq!(two.edit(&two.ann, pay(8, false)).await["published"], true);
    // To put it in is a change like any other: the version does not ask yet, the draft does.
    left_to_others(&two.edit(&two.ann, pay(9, true)).await);
    assert_eq!(two.runs().await, 8);
    assert_eq!(two.edit(&two.ann, pay(9, false)).await["published"], true);
    two.ask(&two.ann, "DELETE /api/flows/pay").gives(204).await;
}

#[tokio::test]
async fn to_go_back_is_a_change_that_somebody_else_publishes() {
    let two = Two::new().await;
    two.ask(&two.ann, "POST /api/flows").json(pay(1, false)).gives(201).await;
    two.edit(&two.ann, pay(2, true)).await;
    two.ask(&two.ben, "POST /api/flows/pay/publish").gives(200).await;
    // Version 1 asks for nothing: to go back to it alone would be a way out.
    let back = |who: &str, query: &str| {
        two.ask(who, &format!("POST /api/flows/pay/rollback{query}")).json(json!({"version": 1}))
    };
    for who in [&two.ann, &two.ben] {
        let message = back(who, "").refused(403, "FOUR_EYES").await;
        assert!(message.contains("?draft=true"), "{message}");
    }
    let draft = back(&two.ann, "?draft=true").gives(200).await;
    assert_eq!((&draft["published"], &draft["layers"][0]["args"]["value"]), (&json!(false), &json!(1)));
    two.ask(&two.ann, "POST /api/flows/pay/publish").refused(403, "FOUR_EYES").await;
    assert_eq!(two.runs().await, 2);
    two.ask(&two.ben, "POST /api/flows/pay/publish").gives(200).await;
    assert_eq!(two.runs().await, 1);
    // Without four eyes, one goes back alone, as ever.
    two.edit(&two.ann, pay(3, false)).await;
    back(&two.ann, "").gives(200).await;
    assert_eq!(two.runs().await, 1);
}

#[tokio::test]
async fn a_file_says_it_as_json_does_and_nothing_else() {
    let two = Two::new().await;
    let file = "apiVersion: flow8/v1\nkind: Flow\nname: Pay\npublishing:\n  fourEyes: true\n\
                layers: [{ref: step, appId: var, args: {value: 1}}]\n";
    left_to_others(&two.ask(&two.ann, "POST /api/flows/import").body(file).gives(201).await);
    let text = two.ask(&two.ben, "GET /api/flows/pay/export").send().await.text();
    assert!(text.contains("publishing:\n  fourEyes: true"), "{text}");
    let typo = file.replace("fourEyes", "foureyes");
    two.ask(&two.ann, "POST /api/flows/import").body(typo).refused(400, "VALIDATION_ERROR").await;
    let odd = json!({"name": "Odd", "publishing": {"fourEyes": true, "sixEyes": true}});
    two.ask(&two.ann, "POST /api/flows").json(odd).refused(400, "VALIDATION_ERROR").await;
}
