//! Entries of a stream as messages: the field `body` is what one says, all others are its headers.

use bytes::Bytes;
use model::value::Value;

use super::wire::{List, Reply};
use crate::message::{Came, Headers, at, key, too_long};

/// An entry of a stream.
pub(super) struct Entry {
    pub(super) id: String,
    /// Its message, or why it is dead.
    pub(super) came: Result<Came, String>,
}

/// The entries of a list; what was removed meanwhile is left out.
pub(super) fn entries(stream: &str, list: List, again: bool) -> Vec<Entry> {
    list.items.into_iter().filter_map(|item| entry(stream, item, again)).collect()
}

fn entry(stream: &str, item: Reply, again: bool) -> Option<Entry> {
    let Reply::List(List { items, .. }) = item else { return None };
    let mut items = items.into_iter();
    let (Some(Reply::Bytes(id)), Some(Reply::List(fields))) = (items.next(), items.next()) else { return None };
    let id = String::from_utf8_lossy(&id).into_owned();
    let came = if fields.is_cut { Err(too_long()) } else { came(stream, &id, fields.items, again) };
    Some(Entry { id, came })
}

fn came(stream: &str, id: &str, fields: Vec<Reply>, again: bool) -> Result<Came, String> {
    let texts: Vec<Bytes> = fields.into_iter().filter_map(Reply::into_bytes).collect();
    let pairs = || texts.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    let body = pairs().find(|(name, _)| **name == b"body"[..]).map(|(_, value)| value.clone());
    let mut headers = Headers::default();
    let (media, bytes) = match body {
        Some(body) => {
            for (name, value) in pairs().filter(|(name, _)| **name != b"body"[..]) {
                headers.add(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value))?;
            }
            (headers.all.get("content-type").cloned().unwrap_or_default(), body)
        }
        None => {
            let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            let all = Value::map(pairs().map(|(name, value)| (text(name), Value::from(text(value).as_str()))));
            ("application/json".to_owned(), Bytes::from(all.to_json()))
        }
    };
    let millis = id.split('-').next().and_then(|millis| millis.parse().ok());
    let about = [("stream", Value::from(stream)), ("id", id.into()), ("at", at(millis)), ("again", again.into())];
    Ok(Came { key: Some(key(&[stream, id])), headers: headers.all, about: Value::map(about), media, bytes })
}

impl Reply {
    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}
