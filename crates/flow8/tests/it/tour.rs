//! The tour of README.md, and that of the page about channels: every command is run, in one session of bash, and what
//! it prints is what stands there. Ids, times and ports differ, and are masked.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flow8::config::Environment;
use store_suite::port::Port;

use crate::server::until;

/// The ports that the tour speaks of: of the API, of the examples' peers, of channels.
const PORTS: [&str; 3] = ["4454", "4460", "7701"];

/// What begins and ends a command in what the session prints.
const BEGIN: char = '\u{1e}';
const END: char = '\u{1f}';

/// A command of the tour.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    exits_with: String,
    prints: Vec<String>,
}

#[test]
fn the_tour_of_the_readme_is_true() {
    is_true("README.md", 20);
}

#[test]
fn what_the_page_about_channels_shows_is_true() {
    is_true("docs/channels.md", 10);
}

/// Runs the commands of a page, of which there are more than so many, and compares.
fn is_true(page: &str, more_than: usize) {
    for (tool, package) in [("bash", "bash"), ("curl", "curl")] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
        assert!(found.is_ok_and(|status| status.success()), "{tool} is missing; install it: apt-get install {package}");
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let steps = steps(&fs::read_to_string(readme).expect("a page"));
    assert!(steps.len() > more_than, "the tour is not found: {steps:#?}");
    let printed = Session::run(&steps);
    let mut wrong = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Some((prints, exit)) = printed_by(&printed, number) else {
            wrong.push(format!("$ {}\nwas not reached", step.command));
            break;
        };
        let expected: Vec<String> = step.prints.iter().map(|line| masked(line)).collect();
        let found: Vec<String> = prints.lines().map(masked).filter(|line| !is_notice(line)).collect();
        if exit != step.exits_with || expected != found {
            let (expected, found) = (expected.join("\n"), found.join("\n"));
            let told = format!("{page}, and exit {}:\n{expected}\n\nhere, and exit {exit}:\n{found}", step.exits_with);
            wrong.push(format!("$ {}\n{told}", step.command));
        }
    }
    assert!(wrong.is_empty(), "{}\n\nAll that was printed:\n{printed}", wrong.join("\n\n"));
}

/// The commands of all console blocks.
fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let mut lines = block.split("```").next().unwrap_or_default().lines();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                steps.last_mut().expect("a command comes first").prints.push(line.to_owned());
                continue;
            };
            let exits_with = command.split("# exits with ").nth(1).unwrap_or("0");
            let exits_with = exits_with.split([' ', ':']).next().unwrap_or_default().to_owned();
            let mut command = command.to_owned();
            if command.contains("<<'END'") {
                for line in lines.by_ref() {
                    command.push('\n');
                    command.push_str(line);
                    if line == "END" {
                        break;
                    }
                }
            }
            steps.push(Step { command, exits_with, prints: Vec::new() });
        }
    }
    steps
}

/// A session of bash, with everything that it has started.
struct Session {
    bash: Child,
}

impl Session {
    /// Runs all commands; gives what was printed, with the ports that the page has.
    fn run(steps: &[Step]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = PORTS.map(|_| Port::find());
        let free = ports.each_ref().map(|port| port.number().to_string());
        let mut script = String::new();
        for (number, step) in steps.iter().enumerate() {
            let mut command = step.command.replace("serve --demo ", &format!("serve --demo --demo-port {} ", free[1]));
            for (port, free) in PORTS.iter().zip(&free) {
                command = command.replace(&format!(":{port}"), &format!(":{free}"));
            }
            script.push_str(&format!("printf '{BEGIN}{number}\\n'\n{command}\nprintf '\\n{END}%s\\n' $?\n"));
        }
        let (file, printed) = (folder.path().join("tour.sh"), folder.path().join("printed"));
        fs::write(&file, script).expect("written");
        let binary = Path::new(env!("CARGO_BIN_EXE_flow8")).parent().expect("a folder").display().to_string();
        let path = format!("{binary}:{}", Environment::of_process().get("PATH").unwrap_or_default());
        let to = || OpenOptions::new().append(true).create(true).open(&printed).expect("a file");
        let mut command = Command::new("bash");
        command.arg(&file).current_dir(folder.path()).env_clear().stdin(Stdio::null()).stdout(to()).stderr(to());
        command
            .env("PATH", path)
            .env("HOME", folder.path())
            .env("SERVER_PORT", &free[0])
            .env("CHANNELS_PORT", &free[2])
            .env("MCP_PORT", "0")
            .env("NO_PROXY", "*");
        // A group of its own: whatever it leaves behind is ended with it.
        let mut session = Self { bash: command.process_group(0).spawn().expect("bash") };
        let read = || fs::read_to_string(&printed).unwrap_or_default();
        until("the tour comes to its end", || session.bash.try_wait().expect("can be asked"));
        PORTS
            .iter()
            .zip(&free)
            .fold(read(), |text, (port, free)| text.replace(&format!(":{free}"), &format!(":{port}")))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = Command::new("sh").args(["-c", &format!("kill -9 -{} 2>&-", self.bash.id())]).status();
        let _ = self.bash.wait();
    }
}

/// What a command printed, and its exit code; nothing where it was not reached.
fn printed_by(printed: &str, number: usize) -> Option<(&str, &str)> {
    let (_, rest) = printed.split_once(&format!("{BEGIN}{number}\n"))?;
    let (prints, rest) = rest.split_once(END)?;
    Some((prints.trim_end_matches('\n'), rest.lines().next()?))
}

/// Whether bash says that a process was killed; people see it in another form.
fn is_notice(line: &str) -> bool {
    line.contains(" Killed ") || line.contains(" Terminated ")
}

/// A line without what differs from run to run, and without how it is laid out.
fn masked(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_unit = matches!(word, "ms" | "s" | "min");
        let number = words.last_mut().filter(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        match number {
            Some(number) if is_unit => *number = "TOOK".to_owned(),
            _ => words.push(masked_word(word)),
        }
    }
    words.join(" ")
}

fn masked_word(word: &str) -> String {
    let (mut masked, mut rest) = (String::new(), word);
    while !rest.is_empty() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let is_id = part.len() == 24 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = part.len() >= 20 && part.ends_with('Z') && part.as_bytes()[10] == b'T';
        masked.push_str(match part {
            _ if is_id => "ID",
            _ if is_time => "TIME",
            _ if part.len() >= 40 && !part.contains(['.', ':']) => "SECRET",
            other => other,
        });
        let mut others = after.chars();
        masked.extend(others.next());
        rest = others.as_str();
    }
    masked
}

#[test]
fn masking_leaves_what_is_always_the_same() {
    assert_eq!(
        masked(r#"  {"id":"01a1fc8cb1222d03ecd01cfd","at":"2026-11-21T05:20:41.298Z"}   12 ms  x 3"#),
        r#"{"id":"ID","at":"TIME"} TOOK x 3"#
    );
}

#[test]
fn a_step_is_a_command_with_its_text_its_exit_code_and_what_it_prints() {
    let readme = "```console\n$ cat <<'END'\na\nEND\n$ false   # exits with 1\nb\n```\nc\n";
    let step = |command: &str, exits_with: &str, prints: &[&str]| Step {
        command: command.to_owned(),
        exits_with: exits_with.to_owned(),
        prints: prints.iter().map(|line| (*line).to_owned()).collect(),
    };
    let expected = [step("cat <<'END'\na\nEND", "0", &[]), step("false   # exits with 1", "1", &["b"])];
    assert_eq!(steps(readme), expected);
}
