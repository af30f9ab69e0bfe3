//! [`Position`]: where in the text something is, found by its path in the value.

use model::Value;
use saphyr_parser::Marker;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a text.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl From<&Marker> for Position {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// Where a value is, and where its items or fields are, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// A field is where its key is; an item is where it begins.
    pub(crate) at: Position,
    pub(crate) below: Vec<Place>,
}

/// The place of what a path leads to; that of the nearest thing above it where it leads nowhere.
pub(crate) fn find(mut value: &Value, mut place: &Place, path: &str) -> Position {
    let mut rest = path;
    while !rest.is_empty() {
        let step = match value {
            Value::List(items) => index(rest).and_then(|(index, rest)| Some((index, items.get(index)?, rest))),
            Value::Map(fields) => {
                field(rest, |key| fields.get_full(key)).map(|((index, _, field), rest)| (index, field, rest))
            }
            _ => None,
        };
        let Some((index, below, behind)) = step else { break };
        // What an alias stands for is elsewhere; its own place is the nearest.
        let Some(place_below) = place.below.get(index) else { break };
        (value, place, rest) = (below, place_below, behind);
    }
    place.at
}

/// The position at the start of a path, and what is behind it.
fn index(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// The field at the start of a path, and what is behind it. A key may hold dots and brackets
/// itself, so the longest one that is known is taken.
fn field<T>(path: &str, known: impl Fn(&str) -> Option<T>) -> Option<(T, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(quoted) = path.strip_prefix('[') {
        return quoted.match_indices(']').find_map(|(at, _)| {
            let key = Value::from_json(&quoted.as_bytes()[..at]).ok()?;
            Some((known(key.as_str()?)?, &quoted[at + 1..]))
        });
    }
    let ends = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
    let ends: Vec<usize> = ends.collect();
    ends.into_iter().rev().find_map(|end| Some((known(&path[..end])?, &path[end..])))
}
