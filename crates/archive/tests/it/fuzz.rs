//! Any file at all, and any change of an archive: reading it ends, and nothing but the archive itself is sound.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-archive fuzz`.

use fuzz::Target;

use crate::stage::check;

#[test]
fn any_archive() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "archive").words(["FLOW8ARC\u{1}\0\0\0", "\0\0\0"]);
    let sound = ["empty.flow8", "small.flow8"].map(|name| target.file(name).to_vec());
    assert!(sound.iter().all(|archive| check(archive).is_ok()), "archives of earlier versions are read");
    target.holds(move |bytes| {
        assert_eq!(check(bytes).is_ok(), sound.iter().any(|archive| archive == bytes), "what is sound");
    });
}
