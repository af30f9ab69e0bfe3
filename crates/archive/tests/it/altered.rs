//! What was cut off, changed, moved or made up is refused, and takes no memory.

use std::ops::Range;

use archive::{ArchiveError, Target};
use bytes::Bytes;
use proptest::prelude::*;
use store::memory::MemoryStore;
use store_suite::all_rows;
use vault::MasterKey;

use crate::stage::{archived, check, company, history, master, no_objects};

/// A small archive: one frame.
async fn small() -> Vec<u8> {
    archived(&history(1).await, &no_objects()).await.0
}

/// One of several frames, and where each of them is.
async fn several_frames() -> (Vec<u8>, Vec<Range<usize>>) {
    let objects = no_objects();
    let noise: Vec<u8> = (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    objects.values.write(company(), "noise", Bytes::from(noise)).await.expect("is written");
    let bytes = archived(&history(1).await, &objects).await.0;
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut at = 16 + length(12) as usize;
    let mut frames = Vec::new();
    while at < bytes.len() {
        let end = at + 4 + (length(at) & !(1 << 31)) as usize;
        frames.push(at..end);
        at = end;
    }
    assert!(frames.len() >= 4, "{}", frames.len());
    (bytes, frames)
}

#[tokio::test]
async fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let bytes = small().await;
    for length in 0..bytes.len() {
        let error = check(&bytes[..length]).expect_err("is cut off");
        let is_told = matches!(error, ArchiveError::Torn(at) if at == length as u64);
        assert!(is_told || (length < 16 && matches!(error, ArchiveError::NotAnArchive)), "{length}: {error}");
    }
    check(&bytes).expect("is whole");
}

#[tokio::test]
async fn every_changed_byte_is_noticed() {
    let bytes = small().await;
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(check(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[tokio::test]
async fn frames_cannot_be_moved_left_out_or_taken_from_elsewhere() {
    let (bytes, frames) = several_frames().await;
    check(&bytes).expect("is sound");
    let (head, of) = (&bytes[..frames[0].start], |at: usize| &bytes[frames[at].clone()]);
    let rest = |from: usize| &bytes[frames[from].start..];
    let other = several_frames().await;
    let cases: [(&str, Vec<u8>); 6] = [
        ("swapped", [head, of(1), of(0), rest(2)].concat()),
        ("left out", [head, of(0), rest(2)].concat()),
        ("twice", [head, of(0), of(0), rest(1)].concat()),
        ("of another archive", [head, &other.0[other.1[0].clone()], rest(1)].concat()),
        ("the header of another archive", [&other.0[..other.1[0].start], rest(0)].concat()),
        ("cut off between frames", [head, of(0), of(1)].concat()),
    ];
    for (case, altered) in cases {
        let error = check(&altered).expect_err(case);
        assert!(matches!(error, ArchiveError::Altered(_) | ArchiveError::Torn(_)), "{case}: {error}");
    }
    assert!(matches!(check(&[&bytes[..], b"x"].concat()), Err(ArchiveError::Trailing(_))));
    assert!(matches!(check(&[&bytes[..], &bytes[..]].concat()), Err(ArchiveError::Trailing(_))));
}

#[tokio::test]
async fn what_it_is_not_is_said() {
    let bytes = small().await;
    assert!(matches!(check(b"apiVersion: flow8/v1\nkind: Flow"), Err(ArchiveError::NotAnArchive)));
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert!(matches!(check(&newer), Err(ArchiveError::Newer { found: 2, known: 1 })));
    let other = MasterKey::from_hex(&"5b".repeat(32)).expect("a key");
    let error = archive::check(bytes.as_slice(), &other, &mut |_| {}).expect_err("another key");
    let (ours, given) = (master().id().to_owned(), other.id().to_owned());
    assert!(matches!(error, ArchiveError::WrongKey { archive, given: said } if archive == ours && said == given));
}

/// No memory is taken for it, and nothing is waited for.
#[tokio::test]
async fn a_frame_that_claims_too_much_is_refused_at_once() {
    let archive = small().await;
    let header = 16 + u32::from_le_bytes(archive[12..16].try_into().expect("four bytes")) as usize;
    for length in [2 << 20, u32::MAX >> 1, u32::MAX, 15] {
        let made_up = [&archive[..header], &u32::to_le_bytes(length)].concat();
        assert!(matches!(check(&made_up), Err(ArchiveError::Altered(at)) if at == header as u64), "{length}");
    }
}

/// Another file came to stand under the name between the two readings.
#[tokio::test]
async fn what_was_checked_and_nothing_else_is_restored() {
    let (one, other) = (small().await, small().await);
    let (checked, store, objects) = (check(&one).expect("is sound"), MemoryStore::default(), no_objects());
    let target = Target { store: &store, objects: &objects, over_objects: false };
    let outcome = archive::restore(other.as_slice(), &checked, &master(), &target, &mut |_| {}).await;
    assert!(matches!(outcome, Err(ArchiveError::Differs(_))));
    assert_eq!(all_rows(&store).await.len(), 1, "nothing was written");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check(&bytes).is_err());
    }

    /// Behind a header that is right, frames of any length that they claim.
    #[test]
    fn no_frame_makes_it_panic(length in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let archive = runtime.block_on(small());
        let header = 16 + u32::from_le_bytes(archive[12..16].try_into().expect("four bytes")) as usize;
        let made_up = [&archive[..header], &length.to_le_bytes(), &bytes].concat();
        prop_assert!(check(&made_up).is_err());
    }
}
