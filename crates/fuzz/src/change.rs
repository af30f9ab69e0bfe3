//! [`input`]: an input that follows from a seed: a file of the corpus with a few changes, some words, or noise.

use std::ops::Range;

use crate::Target;
use crate::dice::Dice;

/// Numbers at which readers count wrong.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9223372036854775808",
    "18446744073709551616",
    "1e999",
    "0.00000000000000000000000000001",
];

/// The input of a seed.
pub(crate) fn input(target: &Target, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut bytes = match dice.below(16) {
        0 => (0..dice.below(200)).map(|_| dice.byte()).collect(),
        1 | 2 if !target.words.is_empty() => {
            (0..dice.below(40)).flat_map(|_| dice.one_of(&target.words).copied().unwrap_or_default().to_vec()).collect()
        }
        _ => {
            let mut bytes = dice.one_of(&target.corpus).map(|(_, bytes)| bytes.clone()).unwrap_or_default();
            for _ in 0..dice.few() {
                change(&mut bytes, target, &mut dice);
                // Else what is doubled again and again takes long before it is cut off.
                bytes.truncate(target.max_bytes);
            }
            bytes
        }
    };
    bytes.truncate(target.max_bytes);
    bytes
}

fn change(bytes: &mut Vec<u8>, target: &Target, dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(13) {
        0 => set(bytes, at, |byte| byte ^ (1 << dice.below(8))),
        1 => set(bytes, at, |_| dice.byte()),
        2 => bytes.insert(at, dice.byte()),
        3 => drop(bytes.drain(range(at, bytes.len(), dice))),
        4 => bytes.truncate(at),
        5 => {
            let again = bytes[range(at, bytes.len(), dice)].repeat(dice.few());
            put(bytes, at, &again);
        }
        6 => {
            // Deep, or long: whatever a part of it opens is opened often.
            let end = (at + 1 + dice.below(4)).min(bytes.len());
            let again = bytes[at..end].repeat(dice.below(1_000));
            put(bytes, at, &again);
        }
        7 | 8 => {
            let word = dice.one_of(&target.words).copied().unwrap_or_default();
            put(bytes, at, word);
        }
        9 => {
            let other = dice.one_of(&target.corpus).map(|(_, other)| other.as_slice()).unwrap_or_default();
            let from = dice.below(other.len() + 1);
            put(bytes, at, &other[range(from, other.len(), dice)]);
        }
        10 => number(bytes, at, dice),
        11 => lines(bytes, |lines| {
            let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
            lines.swap(one, other);
        }),
        _ => lines(bytes, |lines| {
            let (one, to) = (dice.below(lines.len()), dice.below(lines.len()));
            lines.insert(to, lines[one].clone());
        }),
    }
}

fn set(bytes: &mut [u8], at: usize, to: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = to(*byte);
    }
}

/// From there, seldom far.
fn range(at: usize, end: usize, dice: &mut Dice) -> Range<usize> {
    let length = dice.below(end - at + 1);
    at..at + dice.below(length + 1)
}

fn put(bytes: &mut Vec<u8>, at: usize, more: &[u8]) {
    drop(bytes.splice(at..at, more.iter().copied()));
}

/// Another number in the place of the next one.
fn number(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit).map(|ahead| at + ahead) else { return };
    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let other = dice.one_of(&NUMBERS).copied().unwrap_or_default();
    drop(bytes.splice(from..from + digits, other.bytes()));
}

fn lines(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if !lines.is_empty() {
        change(&mut lines);
        *bytes = lines.concat();
    }
}
