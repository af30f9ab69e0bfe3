//! Any file at all, and any change of an export: reading it ends, and nothing but the export itself is sound.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-audit fuzz`.

use audit::{Report, verify_export};
use fuzz::Target;

fn is_sound(export: &[u8]) -> bool {
    matches!(verify_export(export, None), Ok(Report { broken: None, public_key: Some(_), .. }))
}

#[test]
fn any_export() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "export").words(["\n", "{}\n", "\"", "null", "[]", "\\u0000"]);
    let sound = ["two-segments.jsonl", "behind-a-checkpoint.jsonl"].map(|name| target.file(name).to_vec());
    assert!(sound.iter().all(|export| is_sound(export)), "exports of earlier versions are read");
    target.holds(move |bytes| {
        assert_eq!(is_sound(bytes), sound.iter().any(|export| export == bytes), "what is sound");
    });
}
