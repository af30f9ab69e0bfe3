//! The files of a form: put where the flow finds them, and taken away again where no play has them.

use bytes::Bytes;
use http::StatusCode;
use model::ids::{CompanyId, PlayId};
use model::payload::Digest;
use model::value::{Map, Value};
use sdk::intake::File;
use sdk::storage::{FROM_CHANNELS, Storage, StorageError};

use crate::answer::Problem;
use crate::request::{Body, Part, add};

/// Characters of a file's name that are kept.
const NAME_CHARS: usize = 100;

/// The name under which the files of a mail are gathered.
const ATTACHMENT: &str = "attachment";

/// Where a mail tells of its files.
const ATTACHMENTS: &str = "attachments";

/// A body whose files are where a flow finds them.
pub(crate) struct Stored {
    /// As the flow gets it.
    pub(crate) body: Value,
    /// What is the same where the same is sent again: digests in place of paths.
    pub(crate) same: Value,
    paths: Vec<String>,
}

impl Stored {
    /// Puts the files of a body into the storage of a company, beside others of the same play.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) async fn put(
        files: &dyn Storage,
        (company, play): (CompanyId, PlayId),
        body: Body,
    ) -> Result<Self, Problem> {
        let parts = match body {
            Body::Value(body) => return Ok(Self { same: body.clone(), body, paths: Vec::new() }),
            Body::Form(parts) => parts,
        };
        let (mut fields, mut same, mut paths) = (Map::default(), Map::default(), Vec::new());
        for (at, part) in parts.into_iter().enumerate() {
            let Part { name, file_name, content_type, bytes } = part;
            let Some(file_name) = file_name else {
                let text = Value::from(String::from_utf8_lossy(&bytes).into_owned());
                add(&mut fields, &name, text.clone());
                add(&mut same, &name, text);
                continue;
            };
            let path = format!("{FROM_CHANNELS}{play}/{at}/{}", safe(&file_name));
            let digest = Digest::of(&bytes).to_string();
            let about = |path: &str| {
                Value::map([
                    ("path", Value::from(path)),
                    ("name", file_name.as_str().into()),
                    ("contentType", content_type.clone().into()),
                    ("size", (bytes.len() as u64).into()),
                ])
            };
            add(&mut fields, &name, about(&path));
            add(&mut same, &name, about(&digest));
            // What was cut from the whole body would keep all of it.
            let written = files.write(company, &path, Bytes::copy_from_slice(&bytes)).await;
            paths.push(path);
            if let Err(error) = written {
                Self { body: Value::Null, same: Value::Null, paths }.drop(files, company).await;
                return Err(unwritten(error));
            }
        }
        Ok(Self { body: Value::from(fields), same: Value::from(same), paths })
    }

    /// Puts the files of a mail there, and their places into what it says of them in `attachments`.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) async fn attach(
        files: &dyn Storage,
        of: (CompanyId, PlayId),
        value: Value,
        attached: Vec<File>,
    ) -> Result<Self, Problem> {
        let parts = attached.into_iter().map(|File { name, content_type, bytes }| Part {
            name: ATTACHMENT.into(),
            file_name: Some(name),
            content_type: Some(content_type),
            bytes,
        });
        let stored = Self::put(files, of, Body::Form(parts.collect())).await?;
        let told = value.get(ATTACHMENTS).and_then(Value::as_list).unwrap_or_default();
        let with = |stored: &Value| {
            let places = match stored.get(ATTACHMENT) {
                Some(Value::List(places)) => places.to_vec(),
                one => one.cloned().into_iter().collect(),
            };
            let files = places.into_iter().enumerate().map(|(at, place)| {
                let mut file = told.get(at).and_then(Value::as_map).cloned().unwrap_or_default();
                file.extend(place.as_map().cloned().unwrap_or_default());
                Value::from(file)
            });
            let mut fields = value.as_map().cloned().unwrap_or_default();
            fields.insert(ATTACHMENTS.into(), Value::list(files.collect::<Vec<_>>()));
            Value::from(fields)
        };
        Ok(Self { body: with(&stored.body), same: with(&stored.same), paths: stored.paths })
    }

    /// Takes the files away: no play has them.
    pub(crate) async fn drop(self, files: &dyn Storage, company: CompanyId) {
        for path in self.paths {
            if let Err(error) = files.delete(company, &path).await {
                tracing::warn!(?error, path, "a file that nobody has is left behind");
            }
        }
    }
}

fn unwritten(error: StorageError) -> Problem {
    tracing::error!(?error, "a file of a form cannot be written");
    match error {
        StorageError::Full(_) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "STORE_FULL", "no space is left"),
        StorageError::TooLarge(_) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "a file of the form is too large")
        }
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "files cannot be written now"),
    }
}

/// A name that every storage takes: what a sender calls a file leads nowhere.
fn safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = last.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME_CHARS).collect();
    if name.chars().all(|c| c == '.') { "file".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn the_name_of_a_file_leads_nowhere() {
        for (name, path) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\b c.pdf", "b_c.pdf"),
            ("..", "file"),
            ("", "file"),
            ("ä\n.png", "__.png"),
        ] {
            assert_eq!(safe(name), path, "{name}");
        }
    }
}
