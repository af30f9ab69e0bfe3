//! `send-mail`: sends a mail, with files of the storage. The id of the message is the same for all attempts.
//! Where the connection is lost after the text went out, the outcome is unknown and `inDoubt` decides.

use std::sync::Arc;

use model::Value;
use model::limits::{MAIL_BYTES, MAIL_RECIPIENTS};
use schemars::JsonSchema;
use sdk::component::Kind;
use sdk::mail::{Attachment, Letter};
use sdk::{EffectCtx, Group, Mishap, Module, Nature};
use serde::{Deserialize, Serialize};

use crate::arguments::{Seconds, Text, beyond_limit, refused};
use crate::file;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// Whom it is to: an address, or a list of them; Ada <ada@example.com> has a name, too.
    #[schemars(with = "Addresses")]
    to: Value,
    /// Who gets a copy.
    #[schemars(with = "Option<Addresses>")]
    cc: Option<Value>,
    /// Who gets a copy that the others do not hear of.
    #[schemars(with = "Option<Addresses>")]
    bcc: Option<Value>,
    /// Whom it is from; the component's own sender where it is left out.
    from: Option<Text>,
    /// Whom answers go to.
    reply_to: Option<Text>,
    /// What it is about, in one line.
    subject: Text,
    /// What it says.
    body: Text,
    /// What it says, as HTML; body is for readers that show none.
    html: Option<Text>,
    /// Files of the storage that go with it.
    #[serde(default)]
    attachments: Vec<File>,
    /// Seconds that all of it may take.
    #[serde(default = "minute")]
    timeout: Seconds,
}

/// One or several addresses, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Addresses {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    /// The path of the file.
    path: Text,
    /// The name that the reader sees; the last part of the path where it is left out.
    name: Option<Text>,
    /// What it is, such as application/pdf.
    content_type: Option<Text>,
}

const fn minute() -> Seconds {
    Seconds::of(60)
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The id of the message.
    message_id: String,
    /// What the server said when it took the mail.
    answer: String,
}

pub(crate) fn module() -> Module {
    Module::effect("send-mail", Group::Mail, "Sends a mail.", Nature::WRITE, run).on(Kind::Mail).example_args(
        r#"{"to":"ada@example.com","subject":"Invoice 7","body":"It is attached.","attachments":[{"path":"invoices/7.pdf","contentType":"application/pdf"}]}"#,
    )
}

fn addresses(what: &str, given: Option<&Value>) -> Result<Vec<String>, Mishap> {
    let odd = || Mishap::from(refused(format!("{what}: is an address, or a list of addresses")));
    let texts = match given {
        None => return Ok(Vec::new()),
        Some(Value::List(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(value) => value.as_str().map(|text| vec![text.to_owned()]),
    };
    texts.ok_or_else(odd)
}

async fn run(args: Args, ctx: Arc<EffectCtx>) -> Result<Out, Mishap> {
    let (to, cc) = (addresses("to", Some(&args.to))?, addresses("cc", args.cc.as_ref())?);
    let bcc = addresses("bcc", args.bcc.as_ref())?;
    let count = to.len() + cc.len() + bcc.len();
    if to.is_empty() || count > MAIL_RECIPIENTS {
        return Err(beyond_limit(format!("to, cc and bcc: a mail goes to 1 to {MAIL_RECIPIENTS} addresses")).into());
    }
    let mut left = MAIL_BYTES.saturating_sub(args.body.len() + args.html.as_ref().map_or(0, |html| html.len()));
    let mut attachments = Vec::new();
    for file in &args.attachments {
        let bytes = file::read(&ctx, &file.path, left).await?;
        left -= bytes.len().min(left);
        let own = file.name.as_deref().map(|name| &**name);
        let name = own.unwrap_or_else(|| file.path.rsplit('/').next().unwrap_or_default());
        let content_type = file.content_type.as_deref().map_or("application/octet-stream", |kind| kind);
        attachments.push(Attachment { name: name.to_owned(), content_type: content_type.to_owned(), bytes });
    }
    if left == 0 {
        return Err(beyond_limit(format!("a mail and its files have at most {} MiB", MAIL_BYTES >> 20)).into());
    }
    let text = |given: Option<Text>| given.map(|text| text.to_string());
    let letter = Letter {
        from: text(args.from),
        to,
        cc,
        bcc,
        reply_to: text(args.reply_to),
        subject: args.subject.to_string(),
        text: args.body.to_string(),
        html: text(args.html),
        attachments,
        idempotency_key: ctx.idempotency_key.clone(),
    };
    let sent = ctx.backends.mail.send(ctx.component(Kind::Mail)?, letter, ctx.timeout.min(*args.timeout)).await?;
    Ok(Out { message_id: sent.message_id, answer: sent.answer })
}

sdk::contract!(module());
