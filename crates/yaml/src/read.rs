//! [`read`]: from the events of the parser to a [`Document`].
//!
//! One pass without recursion, so that no nesting can exhaust the stack.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use model::limits::{DOCUMENT_BYTES, DOCUMENT_NODES, JSON_DEPTH};
use model::{Map, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::position::{self, Place};
use crate::{Position, YamlError, scalar};

/// A value, and where everything in it was read from.
#[derive(Debug, Clone)]
pub struct Document {
    /// What the text says.
    pub value: Value,
    place: Place,
}

impl Document {
    /// Where something is, by its path as [`model::value::ValueError`] gives it
    /// (`layers[2].args.url`). Where the path leads nowhere, where the nearest thing above it
    /// is: so a missing key points at what it is missing from.
    pub fn position(&self, path: &str) -> Position {
        position::find(&self.value, &self.place, path)
    }
}

/// Reads one document. A text without one is null.
///
/// # Errors
/// With line and column, where the text is not YAML, or is what this crate refuses.
pub fn read(text: &str) -> Result<Document, YamlError> {
    parse(text).map_err(|error| error.within(text))
}

fn parse(text: &str) -> Result<Document, YamlError> {
    if text.len() > DOCUMENT_BYTES {
        let message = format!("the text has more than {DOCUMENT_BYTES} bytes");
        return Err(YamlError::at(Position::START, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    let mut reader = Reader::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError::at(error.marker().into(), explained(error.info())))?;
        reader.take(event, &span)?;
    }
    let (value, place) = reader.root.unwrap_or((Value::Null, Place { at: Position::START, below: Vec::new() }));
    Ok(Document { value, place })
}

/// What the parser says, in the words of this crate where it meets the same limit first.
fn explained(told: &str) -> String {
    if told == "recursion limit exceeded" { too_deep() } else { told.to_owned() }
}

fn too_deep() -> String {
    format!("nests deeper than {JSON_DEPTH} levels")
}

/// A list or an object that is not complete yet.
struct Open {
    at: Position,
    anchor: usize,
    parts: Parts,
    places: Vec<Place>,
    /// What the document counted when it was opened.
    before: Size,
    /// How deep its parts nest.
    height: usize,
}

enum Parts {
    List(Vec<Value>),
    Map(Map, Option<(Arc<str>, Position)>),
}

/// What a value counts, aliases as much as what they stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

/// A value that aliases may stand for.
struct Anchored {
    value: Value,
    size: Size,
    height: usize,
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    size: Size,
    documents: usize,
    root: Option<(Value, Place)>,
    /// Keys seen so far: the rows of a long list share them.
    keys: HashMap<Box<str>, Arc<str>>,
}

/// How many different keys are shared.
const SHARED_KEYS: usize = 1024;

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        let at = Position::from(&span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(YamlError::at(at, "a second document starts here; a text holds one"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref()).map_err(|message| YamlError::at(at, message))?;
                let size = Size { nodes: 1, bytes: text.len() };
                self.count(size, at)?;
                if anchor != 0 {
                    self.anchors.insert(anchor, Anchored { value: value.clone(), size, height: 0 });
                }
                self.put(value, Place { at, below: Vec::new() }, 0)
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::SequenceStart(anchor, tag) => {
                expect_tag(tag.as_deref(), "seq").map_err(|message| YamlError::at(at, message))?;
                self.begin(Parts::List(Vec::new()), anchor, at)
            }
            Event::MappingStart(anchor, tag) => {
                expect_tag(tag.as_deref(), "map").map_err(|message| YamlError::at(at, message))?;
                self.begin(Parts::Map(Map::default(), None), anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, parts: Parts, anchor: usize, at: Position) -> Result<(), YamlError> {
        if self.open.len() >= JSON_DEPTH {
            return Err(YamlError::at(at, too_deep()));
        }
        let before = self.size;
        self.count(Size { nodes: 1, bytes: 0 }, at)?;
        self.open.push(Open { at, anchor, parts, places: Vec::new(), before, height: 0 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.parts {
            Parts::List(items) => Value::from(items),
            Parts::Map(fields, _) => Value::from(fields),
        };
        let height = open.height + 1;
        if open.anchor != 0 {
            let size = Size { nodes: self.size.nodes - open.before.nodes, bytes: self.size.bytes - open.before.bytes };
            self.anchors.insert(open.anchor, Anchored { value: value.clone(), size, height });
        }
        self.put(value, Place { at: open.at, below: open.places }, height)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), YamlError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(YamlError::at(at, "the alias stands for something that it is itself a part of"));
        };
        let (value, size, height) = (anchored.value.clone(), anchored.size, anchored.height);
        if self.open.len() + height > JSON_DEPTH {
            return Err(YamlError::at(
                at,
                format!("with what the alias stands for, nests deeper than {JSON_DEPTH} levels"),
            ));
        }
        self.count(size, at)?;
        self.put(value, Place { at, below: Vec::new() }, height)
    }

    fn count(&mut self, more: Size, at: Position) -> Result<(), YamlError> {
        self.size.nodes = self.size.nodes.saturating_add(more.nodes);
        self.size.bytes = self.size.bytes.saturating_add(more.bytes);
        if self.size.nodes > DOCUMENT_NODES {
            return Err(YamlError::at(
                at,
                format!("the document has more than {DOCUMENT_NODES} values, aliases included"),
            ));
        }
        if self.size.bytes > DOCUMENT_BYTES {
            return Err(YamlError::at(
                at,
                format!("the document has more than {DOCUMENT_BYTES} bytes, aliases included"),
            ));
        }
        Ok(())
    }

    /// Puts a value that is complete where it belongs.
    fn put(&mut self, value: Value, place: Place, height: usize) -> Result<(), YamlError> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some((value, place));
            return Ok(());
        };
        open.height = open.height.max(height);
        match &mut open.parts {
            Parts::List(items) => {
                items.push(value);
                open.places.push(place);
            }
            Parts::Map(fields, key @ None) => {
                let Value::Text(text) = value else {
                    return Err(YamlError::at(place.at, not_a_key(&value)));
                };
                let text = shared(&mut self.keys, text);
                if fields.contains_key(&text) {
                    return Err(YamlError::at(place.at, format!("the key {} is given twice", Value::Text(text))));
                }
                *key = Some((text, place.at));
            }
            Parts::Map(fields, key) => {
                if let Some((key, at)) = mem::take(key) {
                    fields.insert(key, value);
                    open.places.push(Place { at, ..place });
                }
            }
        }
        Ok(())
    }
}

fn shared(keys: &mut HashMap<Box<str>, Arc<str>>, key: Arc<str>) -> Arc<str> {
    if let Some(known) = keys.get(&*key) {
        return known.clone();
    }
    if keys.len() < SHARED_KEYS {
        keys.insert((*key).into(), key.clone());
    }
    key
}

fn not_a_key(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Map(_) => format!("a key is a string, not a {}", value.type_name()),
        scalar => format!("a key is a string; quote it: \"{scalar}\""),
    }
}

/// The value of a scalar; what is wrong with it otherwise.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { scalar::plain(text) } else { Ok(text.into()) };
    };
    if tag.handle.is_empty() && tag.suffix == "!" || tag.handle == "!" && tag.suffix.is_empty() {
        return Ok(text.into());
    }
    let kind = core_tag(tag).ok_or_else(|| unknown_tag(tag))?;
    let wanted = match (kind, scalar::plain(text)?) {
        ("str", _) => return Ok(text.into()),
        ("null", value @ Value::Null) | ("bool", value @ Value::Bool(_)) => return Ok(value),
        ("int" | "float", Value::Number(number)) if kind == "float" || is_whole(&number.to_string()) => {
            return Ok(number.into());
        }
        ("null", _) => "null",
        ("bool", _) => "true or false",
        ("int", _) => "a whole number",
        ("float", _) => "a number",
        _ => return Err(unknown_tag(tag)),
    };
    Err(format!("what is tagged !!{kind} must be {wanted}"))
}

fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// A list or an object must have no tag but its own.
fn expect_tag(tag: Option<&Tag>, kind: &str) -> Result<(), String> {
    match tag {
        Some(tag) if core_tag(tag) != Some(kind) && !(tag.handle == "!" && tag.suffix.is_empty()) => {
            Err(unknown_tag(tag))
        }
        _ => Ok(()),
    }
}

fn core_tag(tag: &Tag) -> Option<&str> {
    let whole = tag.suffix.strip_prefix("tag:yaml.org,2002:");
    if tag.is_yaml_core_schema() { Some(&tag.suffix) } else { whole.filter(|_| tag.handle.is_empty()) }
}

fn unknown_tag(tag: &Tag) -> String {
    let name: String = match core_tag(tag) {
        Some(kind) => format!("!!{kind}"),
        None => format!("{}{}", tag.handle, tag.suffix),
    };
    let name: String = name.chars().take(64).collect();
    format!("the tag {name} is not known here; leave it out")
}
