//! [`seen`]: what somebody decides about who decides on an approval, as one digest.

use model::ids::LayerId;
use model::payload::{Digest, Payload};
use model::play::PlayHeader;
use model::value::Value;

use crate::mask::mask;

/// The SHA-256 of the canonical JSON of arguments as people are shown them; none where they are not at hand. What is
/// sensitive is masked: of a short number, a digest would tell everything. It is sealed, and cannot be changed
/// unnoticed anyway.
pub(super) fn shown_digest(args: &Payload) -> Option<Digest> {
    let shown = mask(args.plain()?, "", &args.sealed_pointers(), &str::to_owned);
    Some(Digest::of(shown.to_canonical_json().as_bytes()))
}

/// The SHA-256 of the canonical JSON of all that an approval shows: which flow in which version, which play, which
/// step, and the digest of its frozen arguments (`args` of the record that asked).
pub fn seen(header: &PlayHeader, layer: LayerId, args: Digest) -> Digest {
    let flow = &header.flow;
    let shown = Value::map([
        ("args", Value::from(args.to_string())),
        ("definition", flow.definition.to_string().into()),
        ("flow", flow.id.to_string().into()),
        ("layer", layer.to_string().into()),
        ("play", header.key.play.to_string().into()),
        ("version", flow.version.into()),
    ]);
    Digest::of(shown.to_canonical_json().as_bytes())
}
