//! Text as base64, hex, URLs and HTML, and back. Bytes that are no UTF-8 text are an error.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::{Map, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::write;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Encoding,
        "base64(text)",
        "The text as base64.",
        r#"base64 "hello?""#,
        r#""aGVsbG8/""#,
        |of, budget| to_base64(of, budget, &STANDARD),
    )
    .alias(&["base64Encode", "b64enc"]),
    strict(
        Kind::Encoding,
        "base64Decode(text)",
        "The text that base64 stands for, with or without padding.",
        r#"base64Decode "aGVsbG8/""#,
        r#""hello?""#,
        |of, budget| from_base64(of, budget, &STANDARD),
    )
    .alias(&["b64dec"]),
    strict(
        Kind::Encoding,
        "base64Url(text)",
        "The text as base64 for URLs, without padding.",
        r#"base64Url "hello?""#,
        r#""aGVsbG8_""#,
        |of, budget| to_base64(of, budget, &URL),
    )
    .alias(&["base64UrlEncode"]),
    strict(
        Kind::Encoding,
        "base64UrlDecode(text)",
        "The text that base64 for URLs stands for, with or without padding.",
        r#"base64UrlDecode "aGVsbG8_""#,
        r#""hello?""#,
        |of, budget| from_base64(of, budget, &URL),
    ),
    strict(Kind::Encoding, "hex(text)", "The bytes of the text as hex digits.", r#"hex "az""#, r#""617a""#, to_hex)
        .alias(&["hexEncode"]),
    strict(
        Kind::Encoding,
        "hexDecode(text)",
        "The text that hex digits stand for.",
        r#"hexDecode "617A""#,
        r#""az""#,
        from_hex,
    ),
    strict(
        Kind::Encoding,
        "hexToBase64(text)",
        "Hex digits as base64: the other form of a digest.",
        r#"hexToBase64 "617a""#,
        r#""YXo=""#,
        hex_to_base64,
    ),
    strict(
        Kind::Encoding,
        "urlEncode(text)",
        "The text as a part of a URL: everything but letters, digits and - _ . ~ escaped.",
        r#"urlEncode "a b/ü""#,
        r#""a%20b%2F%C3%BC""#,
        url_encode,
    )
    .alias(&["urlquery", "encodeURIComponent"]),
    strict(
        Kind::Encoding,
        "urlDecode(text)",
        "The text with the escapes of a URL resolved.",
        r#"urlDecode "a%20b""#,
        r#""a b""#,
        url_decode,
    )
    .alias(&["decodeURIComponent"]),
    strict(
        Kind::Encoding,
        "toQuery(object)",
        "The fields as the query of a URL; a list gives its key several times, null is left out.",
        r#"toQuery (dict "q" "a b" "n" 1)"#,
        r#""q=a+b&n=1""#,
        to_query,
    ),
    strict(
        Kind::Encoding,
        "fromQuery(text)",
        "The fields of a URL's query; a key that is given several times has a list.",
        r#"fromQuery "a=1&b=2&b=3""#,
        r#"{"a":"1","b":["2","3"]}"#,
        from_query,
    ),
    strict(
        Kind::Encoding,
        "htmlEscape(text)",
        "The text fit for HTML, also inside quotes.",
        r#"htmlEscape "<a>&'b'""#,
        r#""&lt;a&gt;&amp;&#x27;b&#x27;""#,
        html_escape,
    )
    .alias(&["html"]),
    strict(
        Kind::Encoding,
        "htmlUnescape(text)",
        "The text with the entities of HTML resolved.",
        r#"htmlUnescape "&lt;&euro;&#33;""#,
        r#""<€!""#,
        html_unescape,
    ),
];

/// Padding is taken and not asked for; it is written where `padded`.
const fn engine(alphabet: &alphabet::Alphabet, padded: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

static STANDARD: GeneralPurpose = engine(&alphabet::STANDARD, true);
static URL: GeneralPurpose = engine(&alphabet::URL_SAFE, false);

/// What stands for itself in a part of a URL (RFC 3986: unreserved).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The text of bytes.
fn utf8(of: &Operands<'_>, bytes: Vec<u8>) -> Outcome {
    String::from_utf8(bytes).map(Value::from).map_err(|_| of.refuse(0, "does not stand for text, but for other bytes"))
}

fn to_base64(of: &Operands<'_>, budget: &mut Budget, engine: &GeneralPurpose) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().div_ceil(3).saturating_mul(4))?;
    Ok(engine.encode(text).into())
}

fn from_base64(of: &Operands<'_>, budget: &mut Budget, engine: &GeneralPurpose) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    let bytes = engine.decode(text.trim()).map_err(|_| of.refuse(0, "must be base64"))?;
    utf8(of, bytes)
}

fn to_hex(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(2))?;
    Ok(hex::encode(text).into())
}

/// The bytes of hex digits.
fn hex_bytes(of: &Operands<'_>, budget: &mut Budget) -> Outcome<Vec<u8>> {
    let text = of.text(0)?;
    budget.text(text.len())?;
    hex::decode(text).map_err(|_| of.refuse(0, "must be an even number of hex digits"))
}

fn from_hex(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let bytes = hex_bytes(of, budget)?;
    utf8(of, bytes)
}

fn hex_to_base64(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let bytes = hex_bytes(of, budget)?;
    Ok(STANDARD.encode(bytes).into())
}

fn url_encode(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(3))?;
    Ok(utf8_percent_encode(text, PART).to_string().into())
}

fn url_decode(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    utf8(of, percent_decode_str(text).collect())
}

fn to_query(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let fields = of.map(0)?;
    budget.go_through(fields.len())?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut append = |key: &str, value: &Value, budget: &mut Budget| -> Outcome<()> {
        if !value.is_null() {
            let text = write::text_of(value, budget)?;
            budget.text(key.len().saturating_add(text.len()).saturating_mul(3).saturating_add(2))?;
            query.append_pair(key, &text);
        }
        Ok(())
    };
    for (key, value) in fields {
        match value {
            Value::List(items) => {
                budget.go_through(items.len())?;
                items.iter().try_for_each(|item| append(key, item, budget))?;
            }
            other => append(key, other, budget)?,
        }
    }
    Ok(query.finish().into())
}

fn from_query(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    let text = text.strip_prefix('?').unwrap_or(text);
    // A byte that is no text becomes a replacement character of three.
    budget.text(text.len().saturating_mul(3))?;
    budget.map(1 + text.bytes().filter(|byte| *byte == b'&').count())?;
    let mut fields = Map::default();
    for (key, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::from(&*value);
        match fields.get_mut(&*key) {
            None => {
                fields.insert((&*key).into(), value);
            }
            // What a query says is text, so a list was made here.
            Some(Value::List(several)) => Arc::make_mut(several).push(value),
            Some(single) => *single = Value::list([single.clone(), value]),
        }
    }
    Ok(fields.into())
}

fn html_escape(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(6))?;
    Ok(html_escape::encode_quoted_attribute(text).into_owned().into())
}

fn html_unescape(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(2))?;
    Ok(html_escape::decode_html_entities(text).into_owned().into())
}
