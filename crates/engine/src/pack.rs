//! Packing: what a payload becomes before it is written, and how its parts come back.
//!
//! A large value leaves its record and is kept once for the play, by its digest; so a document
//! that passes through ten steps is encoded, hashed and stored once. A sensitive one is sealed.

use std::collections::HashMap;
use std::sync::Arc;

use model::codec::{self, CodecError};
use model::limits::{INLINE_BYTES, JSON_DEPTH, OUTPUT_BYTES};
use model::payload::{Digest, Payload, ValueRef};
use model::play::PlayKey;
use model::seal::{Binding, Seal, SealError, Sealed};
use model::value::Value;

/// How deep into an object a large part is looked for, before all of it is kept as one value.
const PARTS_DEPTH: usize = 3;

/// Values that are remembered as stored, so that meeting them again costs nothing.
const REMEMBERED: usize = 64;

/// The name of the field that sealed parts of a play are bound to.
const SEALED_FIELD: &str = "play";

/// Why something cannot be written down or read back.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be encoded or decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A large value, ready to be kept.
#[derive(Debug, Clone)]
pub struct Packed {
    /// Where it will be found.
    pub at: ValueRef,
    /// Its encoded form, compressed.
    pub bytes: Arc<[u8]>,
}

/// Packs the payloads of one play.
pub struct Packer {
    play: PlayKey,
    seal: Arc<dyn Seal>,
    /// By address. Each value is held, so that its address stays its own.
    known: HashMap<usize, (Value, ValueRef)>,
    new: Vec<Packed>,
}

impl Packer {
    /// A packer for a play.
    pub fn new(play: PlayKey, seal: Arc<dyn Seal>) -> Self {
        Self { play, seal, known: HashMap::new(), new: Vec::new() }
    }

    /// The large values met since the last call.
    pub fn take_new(&mut self) -> Vec<Packed> {
        std::mem::take(&mut self.new)
    }

    /// The payload as it may be written.
    ///
    /// # Errors
    /// Where it cannot be encoded or sealed.
    pub fn pack(&mut self, payload: &Payload) -> Result<Payload, PackError> {
        Ok(match payload {
            Payload::Plain(value) => self.value(value, 0)?,
            Payload::Sensitive(value, pointers) => {
                let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
                self.sensitive(value, &pointers, 0)?
            }
            Payload::Recalled(_, packed) => (**packed).clone(),
            Payload::Stored(_) | Payload::Sealed(_) => payload.clone(),
            Payload::Map(fields) => {
                let packed: Result<_, PackError> =
                    fields.iter().map(|(key, part)| Ok((key.clone(), self.pack(part)?))).collect();
                Payload::Map(packed?)
            }
            Payload::List(items) => Payload::List(items.iter().map(|part| self.pack(part)).collect::<Result<_, _>>()?),
        })
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<Payload, PackError> {
        if value.measure(INLINE_BYTES, usize::MAX).bytes <= INLINE_BYTES {
            return Ok(Payload::Plain(value.clone()));
        }
        if let Some(at) = self.known_at(value) {
            return Ok(Payload::Stored(at));
        }
        match value {
            Value::Map(fields) if depth < PARTS_DEPTH => {
                let parts: Vec<(Arc<str>, Payload)> = fields
                    .iter()
                    .map(|(key, part)| Ok((key.clone(), self.value(part, depth + 1)?)))
                    .collect::<Result<_, PackError>>()?;
                let small: usize = parts
                    .iter()
                    .filter_map(|(key, part)| Some(key.len() + part.plain()?.measure(INLINE_BYTES, usize::MAX).bytes))
                    .sum();
                // Where many small fields make it large, it is kept as one after all.
                if small <= INLINE_BYTES { Ok(Payload::Map(parts)) } else { self.store(value) }
            }
            _ => self.store(value),
        }
    }

    fn known_at(&self, value: &Value) -> Option<ValueRef> {
        self.known.get(&value.address()?).map(|(_, at)| *at)
    }

    fn store(&mut self, value: &Value) -> Result<Payload, PackError> {
        let encoded = codec::encode(value)?;
        let at = ValueRef { digest: Digest::of(&encoded), bytes: encoded.len() as u64 };
        if !self.known.values().any(|(_, known)| known.digest == at.digest) {
            self.new.push(Packed { at, bytes: codec::compress(&encoded).into() });
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        if let Some(address) = value.address() {
            self.known.insert(address, (value.clone(), at));
        }
        Ok(Payload::Stored(at))
    }

    fn sensitive(&mut self, value: &Value, pointers: &[&str], depth: usize) -> Result<Payload, PackError> {
        if pointers.is_empty() {
            return self.value(value, depth);
        }
        if pointers.contains(&"") || depth > JSON_DEPTH {
            let sealed = self.seal.seal(binding(self.play), &codec::encode(value)?)?;
            return Ok(Payload::Sealed(sealed));
        }
        Ok(match value {
            Value::Map(fields) => {
                let packed: Result<_, PackError> = fields
                    .iter()
                    .map(|(key, part)| Ok((key.clone(), self.sensitive(part, &below(pointers, key), depth + 1)?)))
                    .collect();
                Payload::Map(packed?)
            }
            Value::List(items) => {
                let packed: Result<_, PackError> = items
                    .iter()
                    .enumerate()
                    .map(|(at, part)| self.sensitive(part, &below(pointers, &at.to_string()), depth + 1))
                    .collect();
                Payload::List(packed?)
            }
            scalar => Payload::Plain(scalar.clone()),
        })
    }
}

/// What is left of the pointers that lead through a name.
fn below<'a>(pointers: &[&'a str], name: &str) -> Vec<&'a str> {
    let step = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let rest = |pointer: &&'a str| pointer.strip_prefix(&step).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    pointers.iter().filter_map(rest).collect()
}

fn binding(play: PlayKey) -> Binding<'static> {
    Binding { company: play.company, field: SEALED_FIELD, id: play.play.0 }
}

/// The value of a stored part, from its compressed form.
///
/// # Errors
/// Where the bytes were altered.
pub fn unpack_stored(bytes: &[u8]) -> Result<Value, PackError> {
    // The encoded form is never much longer than the JSON that the limit is about.
    Ok(codec::decode(&codec::decompress(bytes, 2 * OUTPUT_BYTES)?)?)
}

/// The value of a sealed part.
///
/// # Errors
/// Where the key is not at hand, or the bytes were altered.
pub fn unpack_sealed(seal: &dyn Seal, play: PlayKey, sealed: &Sealed) -> Result<Value, PackError> {
    Ok(codec::decode(&seal.open(binding(play), sealed)?)?)
}

#[cfg(test)]
mod tests {
    use model::doc::Doc;
    use model::ids::{CompanyId, Id, PlayId};

    use super::*;

    /// Seals by turning every bit.
    struct Upside;

    impl Seal for Upside {
        fn seal(&self, _: Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
            Ok(Sealed(plain.iter().map(|byte| !byte).collect()))
        }

        fn open(&self, _: Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
            Ok(sealed.0.iter().map(|byte| !byte).collect())
        }

        fn knows(&self, _: CompanyId) -> bool {
            true
        }

        fn learn(&self, _: &Doc) -> Result<(), SealError> {
            Ok(())
        }
    }

    fn packer() -> Packer {
        let play = PlayKey { company: CompanyId::default(), play: PlayId(Id::from_parts(1, 1)) };
        Packer::new(play, Arc::new(Upside))
    }

    /// Unpacks with what the packer has made so far.
    fn unpack(payload: &Payload, new: &[Packed]) -> Value {
        let play = PlayKey { company: CompanyId::default(), play: PlayId(Id::from_parts(1, 1)) };
        payload
            .assemble::<PackError>(
                &mut |at| unpack_stored(&new.iter().find(|packed| packed.at == at).expect("kept").bytes),
                &mut |sealed| unpack_sealed(&Upside, play, sealed),
            )
            .expect("unpacks")
    }

    fn object(json: &str) -> Value {
        Value::from_json(json.as_bytes()).expect("JSON")
    }

    fn large() -> Value {
        Value::list((0..2_000).map(|number| format!("item {number}")))
    }

    #[test]
    fn a_small_value_stays_and_a_large_one_is_kept_once() {
        let mut packer = packer();
        let small = object(r#"{"a":1}"#);
        assert_eq!(packer.pack(&small.clone().into()).expect("packs"), Payload::Plain(small));
        let document = large();
        let args = Value::map([("doc", document.clone()), ("note", Value::from("x"))]);
        let out = Value::map([("value", document.clone())]);
        let packed: Vec<Payload> =
            [&args, &out].iter().map(|value| packer.pack(&(*value).clone().into()).expect("packs")).collect();
        let again = packer.pack(&Payload::Plain(document)).expect("packs");
        let new = packer.take_new();
        assert_eq!(new.len(), 1, "the document is encoded once, though it passes by three times");
        assert!(new[0].bytes.len() < new[0].at.bytes as usize / 2, "and compressed");
        assert_eq!(again, Payload::Stored(new[0].at));
        assert_eq!((unpack(&packed[0], &new), unpack(&packed[1], &new)), (args, out));
        // The same value at another address is found by its digest.
        packer.pack(&large().into()).expect("packs");
        assert!(packer.take_new().is_empty());
    }

    #[test]
    fn many_small_fields_make_one_large_value() {
        let mut packer = packer();
        let wide = Value::map((0..2_000).map(|number| (number.to_string(), Value::from(number))));
        let packed = packer.pack(&wide.clone().into()).expect("packs");
        assert!(matches!(packed, Payload::Stored(_)));
        assert_eq!(unpack(&packed, &packer.take_new()), wide);
    }

    #[test]
    fn what_is_sensitive_is_sealed_and_nothing_else() {
        let mut packer = packer();
        let value = object(r#"{"card":{"number":"4111","name":"Ada"},"list":[1,{"pin":"0000"}],"sum":5}"#);
        let pointers: Arc<[String]> = ["/card/number".into(), "/list/1/pin".into(), "/not/there".into()].into();
        let packed = packer.pack(&Payload::Sensitive(value.clone(), pointers)).expect("packs");
        assert!(packed.is_packed());
        let written = codec::encode(&packed).expect("encodes");
        let holds = |text: &str| written.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds("4111") && !holds("0000") && holds("Ada"));
        assert_eq!(unpack(&packed, &[]), value);
    }
}
