//! `--help` and `--version`: what people see first.

use crate::Flow8;

#[test]
fn the_help_is_as_it_was_agreed() {
    let ended = Flow8::new().run(&["--help"]).code(0);
    assert_eq!(ended.out, include_str!("help.txt"));
    assert_eq!(ended.err, "");
}

#[test]
fn without_a_command_the_help_is_an_error() {
    let ended = Flow8::new().run(&[]).code(2);
    assert!(ended.err.contains("Usage: flow8"), "{}", ended.err);
}

#[test]
fn a_wrong_command_suggests_the_right_one() {
    let ended = Flow8::new().run(&["chekc"]).code(2);
    assert!(ended.err.contains("'check'"), "{}", ended.err);
    assert_eq!(ended.out, "");
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(Flow8::new().run(&["--version"]).code(0).out, concat!("flow8 ", env!("CARGO_PKG_VERSION"), "\n"));
}
