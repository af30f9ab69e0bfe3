//! [`verify_export`]: an export, checked without a database and without a secret.

use std::io::{self, BufRead, Read as _};

use model::payload::Digest;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use vault::PublicKey;

use crate::check::{Checker, Report};
use crate::export::{End, FORMAT, Opening, Unsealed};
use crate::segment::Signed;

/// Bytes of one line, at most: an audit row holds a flow as it was, and as it is.
const LINE_BYTES: usize = 64 << 20;

/// Why an export cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It begins as no export does.
    #[error("this is no export of flow8's audit log; make one with GET /api/audit/export?format=json")]
    NotAnExport,
    /// A newer version made it.
    #[error("the export has format {found}, this flow8 knows up to {FORMAT}; use a newer flow8")]
    Newer {
        /// What it has.
        found: u32,
    },
    /// Another key signed it than the one that was given.
    #[error("the export was signed with the key {found}, not with {expected}")]
    OtherKey {
        /// The key that it names.
        found: String,
        /// The key that was given.
        expected: PublicKey,
    },
    /// Its end is missing.
    #[error("the export is cut off after line {0}")]
    CutOff(u64),
    /// Something of it was changed that no segment names: the opening, the rows that are not sealed, the end.
    #[error("the export was altered: its end does not sign the lines before it")]
    Altered,
    /// A line is longer than any may be.
    #[error("line {0} is longer than any line of an export")]
    TooLong(u64),
    /// A line stands where none, or another, belongs.
    #[error("line {line}: {problem}")]
    Unexpected {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        problem: &'static str,
    },
}

struct Lines<R> {
    from: R,
    number: u64,
    /// Of all lines so far.
    digest: Sha256,
}

impl<R: BufRead> Lines<R> {
    /// The next line, without its end; none after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        let mut line = Vec::new();
        self.from.by_ref().take(LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        self.digest.update(&line);
        match line.pop_if(|byte| *byte == b'\n') {
            Some(_) => Ok(Some(line)),
            None if line.len() > LINE_BYTES => Err(ExportError::TooLong(self.number)),
            // A line is written as a whole.
            None => Err(ExportError::CutOff(self.number)),
        }
    }

    fn expect(&mut self) -> Result<Vec<u8>, ExportError> {
        let before = self.number;
        self.next()?.ok_or(ExportError::CutOff(before))
    }

    fn unexpected(&self, problem: &'static str) -> ExportError {
        ExportError::Unexpected { line: self.number, problem }
    }
}

fn read<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// Checks an export to its end, or to the first thing that is broken. Whoever knows the installation's public
/// key gives it; else the one in the export counts, and proves only that the export is of one piece.
///
/// # Errors
/// Where it is no whole export. What is broken in it is no error: it is told.
pub fn verify_export(from: impl BufRead, key: Option<PublicKey>) -> Result<Report, ExportError> {
    let mut lines = Lines { from, number: 0, digest: Sha256::new() };
    let opening: Opening = lines.next().ok().flatten().as_deref().and_then(read).ok_or(ExportError::NotAnExport)?;
    if opening.flow8_audit > FORMAT {
        return Err(ExportError::Newer { found: opening.flow8_audit });
    }
    if let Some(expected) = key
        && opening.public_key != Some(expected)
    {
        let found = opening.public_key.map_or("none".to_owned(), |key| key.to_string());
        return Err(ExportError::OtherKey { found, expected });
    }
    let mut checker = match opening.public_key.map(|key| Checker::begin(opening.company, key, opening.dropped.as_ref()))
    {
        Some(Ok(checker)) => Some(checker),
        Some(Err(broken)) => {
            return Ok(Report { public_key: opening.public_key, broken: Some(broken), ..Report::default() });
        }
        None => None,
    };
    let mut unsealed = 0;
    loop {
        let digest = Digest(lines.digest.clone().finalize().into());
        let line = lines.expect()?;
        let signed: Option<Signed> = read(&line);
        let end = match &signed {
            Some(signed) => signed.read(),
            // Nothing was ever sealed, and there is no key that could sign.
            None => read::<End>(&line).filter(|_| opening.public_key.is_none()),
        };
        if let Some(end) = end {
            let is_signed = match (&signed, opening.public_key) {
                (Some(signed), Some(key)) => signed.by::<End>(&key).is_some(),
                (signed, _) => signed.is_none(),
            };
            // No digest covers the end: it says what it says in the one way in which it is written.
            let written = match &signed {
                Some(signed) => serde_json::to_vec(signed),
                None => serde_json::to_vec(&end),
            };
            if !is_signed || end.digest != digest || !written.is_ok_and(|written| written == line) {
                return Err(ExportError::Altered);
            }
            return finish(lines, checker, &end, unsealed);
        }
        if let Some(more) = read::<Unsealed>(&line) {
            for _ in 0..more.unsealed {
                lines.expect()?;
            }
            unsealed += more.unsealed;
            continue;
        }
        if unsealed > 0 {
            return Err(lines.unexpected("something sealed stands behind rows that are not"));
        }
        let Some(checker) = &mut checker else {
            return Err(lines.unexpected("there is a segment, and no key that could have signed it"));
        };
        let outcome = match checker.segment(signed.as_ref()) {
            Ok(segment) => {
                let rows = segment.numbers.iter().map(|_| lines.expect()).collect::<Result<Vec<_>, _>>()?;
                let found = segment.numbers.iter().copied().zip(rows.iter().map(Vec::as_slice));
                checker.rows(&segment, found)
            }
            Err(broken) => Err(broken),
        };
        if let Err(broken) = outcome {
            return Ok(Report { broken: Some(broken), ..checker.so_far() });
        }
    }
}

fn finish<R: BufRead>(
    mut lines: Lines<R>,
    checker: Option<Checker>,
    end: &End,
    unsealed: u64,
) -> Result<Report, ExportError> {
    if lines.next()?.is_some() {
        return Err(lines.unexpected("something stands behind the end"));
    }
    let mut report = checker.as_ref().map_or_else(Report::default, Checker::so_far);
    report.unsealed = unsealed;
    if (report.rows, unsealed) != (end.rows, end.unsealed) {
        return Err(lines.unexpected("the end tells of other rows than those before it"));
    }
    report.broken = checker.and_then(|checker| checker.end(end.segments).err());
    Ok(report)
}
