//! Any bytes at all as what a server says: reading them never panics and ends, and however they come in pieces, the
//! same is read.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-mailbox fuzz`.

use bytes::{Bytes, BytesMut};
use fuzz::Target;

use super::Response;
use crate::wire::{Found, Frame};

/// What belongs into answers.
const WORDS: [&str; 18] = [
    "\r\n",
    "* ",
    "+ ",
    "f1 OK ",
    "* OK [UIDVALIDITY 1] ",
    "* BYE ",
    "* 1 FETCH (",
    "UID 1 ",
    "RFC822.SIZE 1 ",
    "FLAGS (\\Seen)",
    "BODY[]<0> {3}\r\n",
    "~{2}\r\n",
    "{2+}\r\n",
    "\"\\\"",
    "* SEARCH 1 2",
    "* CAPABILITY IMAP4rev1",
    "* 4294967296 EXISTS\r\n",
    "((((",
];

/// All answers, where so many bytes come at once; ends at what is none.
fn all(input: &[u8], at_once: usize) -> Vec<Option<Response>> {
    let (mut buffer, mut frame, mut answers) = (BytesMut::new(), Frame::default(), Vec::new());
    for piece in input.chunks(at_once) {
        buffer.extend_from_slice(piece);
        loop {
            match frame.find(&buffer) {
                Found::Part => break,
                Found::Odd(_) => {
                    answers.push(None);
                    return answers;
                }
                Found::Whole(bytes, literals) => {
                    let answer: Bytes = buffer.split_to(bytes).freeze();
                    let read = Response::read(&answer, &literals);
                    let is_over = read.is_none();
                    answers.push(read);
                    if is_over {
                        return answers;
                    }
                }
            }
        }
    }
    answers
}

#[test]
fn any_answers() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "answers").words(WORDS);
    target.holds(|input| {
        let whole = all(input, input.len().max(1));
        assert_eq!(all(input, 1), whole);
        assert_eq!(all(input, 7), whole);
        let bodies = whole.iter().flatten().filter_map(|answer| match answer {
            Response::Fetch(fetch) => fetch.body.as_ref(),
            _ => None,
        });
        assert!(bodies.map(Bytes::len).sum::<usize>() <= input.len());
    });
}
