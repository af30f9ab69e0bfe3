//! [`read`]: from the events of the parser to a value, without recursion.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use model::failure::Failure;
use model::limits::{DOCUMENT_BYTES, DOCUMENT_NODES, XML_DEPTH};
use model::{Map, Value};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// It is not XML, or more than is read: too large, too deep, with entities of its own.
const XML_INVALID: &str = "XML_INVALID";

/// The value of a document: an object with the root element.
///
/// # Errors
/// With the line of what is refused.
pub(crate) fn read(text: &str) -> Result<Value, Failure> {
    if text.len() > DOCUMENT_BYTES {
        return Err(Failure::new(XML_INVALID, format!("input: has more than {DOCUMENT_BYTES} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Reader::from_str(text);
    let mut tree = Tree::default();
    loop {
        let taken = match parser.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => tree.take(event),
            Err(error) => Err(error.to_string()),
        };
        taken.map_err(|why| refusal(text, parser.buffer_position(), &why))?;
    }
    if let Some(open) = tree.open.last() {
        return Err(refusal(text, text.len() as u64, &format!("the element {} is not closed", open.name)));
    }
    let (name, root) = tree.root.ok_or_else(|| refusal(text, 0, "there is no element"))?;
    Ok(Value::map([(name, root)]))
}

fn refusal(text: &str, position: u64, why: &str) -> Failure {
    let before = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
    Failure::new(XML_INVALID, format!("input: {why} (line {line})")).with_details(Value::map([("line", line)]))
}

/// An element that is not closed yet.
struct Element {
    name: Arc<str>,
    fields: Map,
    text: String,
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<(Arc<str>, Value)>,
    nodes: usize,
    /// Names seen so far: repeated elements share them.
    names: HashMap<Box<str>, Arc<str>>,
}

/// How many different names are shared.
const SHARED_NAMES: usize = 1024;

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.begin(&start),
            Event::Empty(start) => {
                self.begin(&start)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.text(&resolved(&reference)?),
            Event::DocType(_) => Err("a document type (DOCTYPE) is not taken".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second root element starts here".to_owned());
        }
        if self.open.len() >= XML_DEPTH {
            return Err(format!("elements nest deeper than {XML_DEPTH} levels"));
        }
        self.count()?;
        let name = self.name(start.name().as_ref(), "")?;
        let mut fields = Map::default();
        // The parser looks for names given twice by comparing each with each; the map knows.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            self.count()?;
            let key = self.name(attribute.key.as_ref(), "@")?;
            let value =
                attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).map_err(|error| error.to_string())?;
            if fields.insert(key, Value::from(&*value)).is_some() {
                return Err("an attribute is given twice".to_owned());
            }
        }
        self.open.push(Element { name, fields, text: String::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(element) = self.open.pop() else { return Ok(()) };
        let value = element.value();
        let Some(parent) = self.open.last_mut() else {
            self.root = Some((element.name, value));
            return Ok(());
        };
        match parent.fields.get_mut(&element.name) {
            None => drop(parent.fields.insert(element.name, value)),
            // An element is text or an object, so a list means that it came before.
            Some(Value::List(items)) => Arc::make_mut(items).push(value),
            Some(first) => *first = Value::list([mem::take(first), value]),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of the root element".to_owned()),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > DOCUMENT_NODES {
            return Err(format!("there are more than {DOCUMENT_NODES} elements and attributes"));
        }
        Ok(())
    }

    fn name(&mut self, name: &str, before: &str) -> Result<Arc<str>, String> {
        if !is_name(name) {
            return Err("an element or an attribute has no proper name".to_owned());
        }
        let name = format!("{before}{name}");
        if let Some(known) = self.names.get(&*name) {
            return Ok(known.clone());
        }
        let fresh: Arc<str> = Arc::from(&*name);
        if self.names.len() < SHARED_NAMES {
            self.names.insert(name.into(), fresh.clone());
        }
        Ok(fresh)
    }
}

impl Element {
    /// Text where there is nothing else; white space between elements is none.
    fn value(&self) -> Value {
        if self.fields.is_empty() {
            return Value::from(&*self.text);
        }
        let mut fields = self.fields.clone();
        let text = self.text.trim();
        if !text.is_empty() {
            fields.insert("#text".into(), Value::from(text));
        }
        fields.into()
    }
}

fn is_name(name: &str) -> bool {
    let is_start = |char: char| char.is_alphabetic() || char == '_' || char == ':';
    let is_inside = |char: char| is_start(char) || char.is_alphanumeric() || matches!(char, '-' | '.' | '\u{b7}');
    name.starts_with(is_start) && name.chars().all(is_inside)
}

/// What a reference such as `&amp;` or `&#228;` stands for.
fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(char) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(char.to_string());
    }
    let resolved = resolve_predefined_entity(reference).map(str::to_owned);
    resolved.ok_or_else(|| "an entity is none of the five of XML (&lt; &gt; &amp; &quot; &apos;)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        read(text).unwrap_or_else(|failure| panic!("{text}: {failure}")).to_json()
    }

    fn refused(text: &str) -> String {
        let failure = read(text).expect_err("refused");
        assert_eq!(failure.code, XML_INVALID);
        failure.message
    }

    #[test]
    fn elements_become_objects() {
        for (text, json) in [
            ("<a/>", r#"{"a":""}"#),
            ("<a> x </a>", r#"{"a":" x "}"#),
            ("<?xml version=\"1.0\"?>\n<!-- c -->\n<a>1.10</a>\n", r#"{"a":"1.10"}"#),
            ("<a b='1' c=\"&lt;&#228;\"/>", r#"{"a":{"@b":"1","@c":"<ä"}}"#),
            ("<a b='1'>x &amp; y</a>", r##"{"a":{"@b":"1","#text":"x & y"}}"##),
            ("<a>\n <b>1</b>\n <c/>\n <b><d>2</d></b> <b/>\n</a>", r#"{"a":{"b":["1",{"d":"2"},""],"c":""}}"#),
            ("<a>x<b/>y</a>", r##"{"a":{"b":"","#text":"xy"}}"##),
            ("<a><![CDATA[<x> & ]]></a>", r#"{"a":"<x> & "}"#),
            ("<n:a xmlns:n='u'><n:b/></n:a>", r#"{"n:a":{"@xmlns:n":"u","n:b":""}}"#),
            ("\u{feff}<ä/>", r#"{"ä":""}"#),
        ] {
            assert_eq!(shown(text), json, "{text}");
        }
    }

    #[test]
    fn what_is_no_xml_is_refused_with_its_line() {
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<a",
            "<a b>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<a>&",
            "<a>&x;</a>",
            "<a b='&x;'/>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<@a/>",
            "<#text/>",
            "<1/>",
            "< a/>",
            "<a @b='1'/>",
        ] {
            let message = refused(text);
            assert!(message.contains("(line 1)"), "{text}: {message}");
        }
        assert!(refused("<a>\n\n</b>").contains("(line 3)"));
        assert!(refused("<a>\n<b>\n").contains("the element b is not closed (line 3)"));
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        let laughs = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
        assert!(refused(laughs).contains("DOCTYPE"));
        assert!(refused("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>").contains("DOCTYPE"));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(&nested(XML_DEPTH)).is_ok());
        assert!(refused(&nested(XML_DEPTH + 1)).contains("nest deeper"));
        assert!(refused(&"<a>".repeat(1_000_000)).contains("nest deeper"));
        assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(DOCUMENT_NODES))).contains("more than 1000000 elements"));
        let attributes: String = (0..50_000).map(|at| format!(" a{at}=''")).collect();
        assert!(read(&format!("<a{attributes}/>")).is_ok());
        let deepest = read(&nested(XML_DEPTH).replace("<a></a>", "<a/><a/>")).expect("XML");
        assert!(deepest.measure(usize::MAX, usize::MAX).depth <= model::limits::JSON_DEPTH);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;='\"!\\[\\]\\-? \n]{0,40}") {
            let _ = read(&text);
        }
    }
}
