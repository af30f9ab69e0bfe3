//! `flow8 check`: whether flow files could be published as they are.

mod excerpt;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engine::plan::Surroundings;
use sdk::Registry;
use serde::Serialize;

use super::{Answer, Exit, Session, SettingFlags};
use crate::flow_file::{self, Finding};

/// Check flow files: every problem with its line, before anything runs
///
/// Exits with 0 where all of them are sound, with 1 where one has problems, and with 2 where one
/// cannot be read.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Flow files, as YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A problem, and the file it is in.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a Path,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// What was found in a file.
struct Checked<'a> {
    file: &'a Path,
    text: String,
    findings: Vec<Finding>,
}

impl Check {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let config = session.config(&SettingFlags::default())?.config;
        let env: BTreeSet<String> = config.expressions.env.iter().map(|name| name.as_str().to_owned()).collect();
        let modules = Registry::new(modules::all());
        let around = Surroundings { modules: &modules, env: &env };
        let mut exit = Exit::Ok;
        let mut checked = Vec::new();
        for file in &self.files {
            match fs::read_to_string(file) {
                Ok(text) => {
                    let findings = findings(&text, &around);
                    if !findings.is_empty() && exit == Exit::Ok {
                        exit = Exit::Negative;
                    }
                    checked.push(Checked { file, text, findings });
                }
                Err(error) => {
                    exit = Exit::Usage;
                    let paint = session.console.paint_err();
                    let file = file.display();
                    writeln!(session.console.err, "{} {file} cannot be read: {error}", paint.bad("error:"))?;
                }
            }
        }
        if session.globals.json {
            as_json(session, &checked)?;
        } else {
            as_text(session, &checked)?;
        }
        Ok(exit)
    }
}

fn findings(text: &str, around: &Surroundings<'_>) -> Vec<Finding> {
    match flow_file::read(text) {
        Ok(flow) => flow.compile(around).err().unwrap_or_default(),
        Err(findings) => findings,
    }
}

fn as_json(session: &mut Session<'_, '_>, checked: &[Checked<'_>]) -> std::io::Result<()> {
    let of_file = |one| {
        let Checked { file, findings, .. }: &Checked<'_> = one;
        findings.iter().map(|finding| Row { file, finding }).collect::<Vec<_>>()
    };
    session.console.json(&checked.iter().flat_map(of_file).collect::<Vec<_>>())
}

fn as_text(session: &mut Session<'_, '_>, checked: &[Checked<'_>]) -> std::io::Result<()> {
    let paint = session.console.paint_out();
    let out = &mut session.console.out;
    for Checked { file, text, findings } in checked {
        if findings.is_empty() {
            writeln!(out, "{}: sound", file.display())?;
        }
        for finding in findings {
            let at = format!("{}:{}:{}:", file.display(), finding.line, finding.column);
            writeln!(out, "{} {}", paint.strong(&at), finding)?;
            write!(out, "{}", excerpt::of(text, finding.line, finding.column, paint))?;
        }
    }
    Ok(())
}
