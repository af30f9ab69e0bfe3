//! `flow8 completions`.

use crate::Flow8;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Flow8::new().run(&["completions", shell]).code(0).out;
        for word in ["modules", "completions", "log-level", "data-dir"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let ended = Flow8::new().run(&["completions", "csh"]).code(2);
    assert!(ended.err.contains("bash"), "{}", ended.err);
}
