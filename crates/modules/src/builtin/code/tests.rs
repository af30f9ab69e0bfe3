//! What scripts may do, and what stops them.

use model::Value;
use model::record::LogLevel;
use sdk::{Outcome, Stopped};

use super::module;
use crate::stage::{facts, json, play_with};

type Played = (Result<Value, (String, String)>, Vec<(LogLevel, String)>);

fn play(source: &str, input: &str, more: &str) -> Played {
    let mut args = json(&format!(r#"{{"input":{input}{more}}}"#)).as_map().cloned().expect("an object");
    args.insert("source".into(), source.into());
    let (outcome, log) = play_with(&module(), &args.into(), &facts());
    let result = match outcome {
        Ok(Outcome::Done(out)) => Ok(out.get("result").cloned().unwrap_or_default()),
        Err(Stopped::Failed(failure)) => Err((failure.code.into_owned(), failure.message)),
        other => panic!("{source}: {other:?}"),
    };
    (result, log.into_iter().map(|line| (line.level, line.message)).collect())
}

fn run(source: &str, input: &str) -> String {
    play(source, input, "").0.unwrap_or_else(|failure| panic!("{source}: {failure:?}")).to_json()
}

fn refused(source: &str) -> (String, String) {
    play(source, "null", "").0.expect_err(source)
}

#[test]
fn a_script_returns_a_result() {
    for (source, input, result) in [
        ("return input.a + 1", r#"{"a":1.5}"#, "2.5"),
        ("const x = input.map(i => i * 2);\nreturn { x, n: x.length };", "[1,2]", r#"{"x":[2,4],"n":2}"#),
        ("", "null", "null"),
        ("return undefined", "1", "null"),
        ("return { a: undefined, b: () => 1, c: [undefined] }", "1", r#"{"c":[null]}"#),
        ("return await Promise.resolve(input)", "[1]", "[1]"),
        ("return Promise.all(input.map(async i => i + 1))", "[1,2]", "[2,3]"),
        ("// ends with a comment", "1", "null"),
        ("const p = Promise.reject(1); await 0; return p.catch(e => e)", "1", "1"),
        ("return new Date(0)", "1", r#""1970-01-01T00:00:00.000Z""#),
        ("return 'ä😀\\u0000'", "1", "\"ä😀\\u0000\""),
        ("return [0.1 + 0.2, 1e21, -0, 1/3]", "1", "[0.30000000000000004,1e+21,0,0.3333333333333333]"),
        ("return input.__proto__", r#"{"__proto__":{"x":1}}"#, r#"{"x":1}"#),
        ("return Object.keys(input)", r#"{"b":1,"a":2,"__proto__":3}"#, r#"["b","a","__proto__"]"#),
    ] {
        assert_eq!(run(source, input), result, "{source}");
    }
}

#[test]
fn numbers_pass_through_exactly() {
    for number in [
        "1.10",
        "9007199254740993",
        "-9223372036854775808",
        "123456789012345678901234567890",
        "0.1234567890123456789012345",
        "100000000000000000000.01",
        "1e400",
        "-1e-400",
    ] {
        let input = json(&format!(r#"{{"a":[{number}]}}"#));
        let back = json(&run("return input", &input.to_json()));
        assert_eq!(back, input, "{number}");
    }
    assert_eq!(run("return input + 1n", "9007199254740993"), "9007199254740994");
    assert_eq!(run("return 2n ** 100n", "null"), "1267650600228229401496703205376");
    assert_eq!(
        run("return [String(input), `${input}`, input.toNumber()]", "0.12345678901234567890"),
        r#"["0.12345678901234567890","0.12345678901234567890",0.12345678901234568]"#
    );
    for source in ["return input * 2", "return input > 1", "return Number(input)", "return input + 1"] {
        let (code, message) = play(source, "0.12345678901234567890", "").0.expect_err("refused");
        assert_eq!(code, "CODE_ERROR");
        assert!(message.contains("more digits than JavaScript computes with"), "{message}");
    }
}

#[test]
fn time_and_chance_are_the_steps_own() {
    let now = "2026-03-01T09:30:00.000Z";
    assert_eq!(
        run("return [new Date(), new Date(Date.now()), new Date(new Date()), Date(), new Date().getHours()]", "1"),
        format!(r#"["{now}","{now}","{now}","Sun Mar 01 2026 09:30:00 GMT+0000 (UTC)",9]"#)
    );
    assert_eq!(
        run(
            "return [new Date(2026, 0, 31, 8), new Date('2026-01-31T08:00'), new Date('2026-01-31'), \
             new Date('2026-01-31T08:00+01:00'), Date.parse('1970-01-02'), new Date('x').getTime() !== 0, \
             new Date(5) instanceof Date, new Date().constructor === Date, new Date().getTimezoneOffset()]",
            "1"
        ),
        concat!(
            r#"["2026-01-31T08:00:00.000Z","2026-01-31T08:00:00.000Z","2026-01-31T00:00:00.000Z","#,
            r#""2026-01-31T07:00:00.000Z",86400000,true,true,true,0]"#
        )
    );
    let dice = "return [Math.random(), Math.random()]";
    let thrown = run(dice, "1");
    assert_eq!(thrown, run(dice, "1"));
    let [first, second] = json(&thrown).as_list().expect("a list").to_vec().try_into().expect("two");
    assert_ne!(first, second);
    assert!([first, second].iter().all(|number| (0.0..1.0).contains(&number.as_number().expect("a number").to_f64())));
}

#[test]
fn the_console_writes_to_the_log() {
    let (_, log) =
        play("console.log('a', 1, {b: [2n]}); console.warn(new Error('x').message); console.error(null)", "1", "");
    let lines = [(LogLevel::Info, r#"a 1 {"b":["2"]}"#), (LogLevel::Warn, "x"), (LogLevel::Error, "null")];
    assert_eq!(log, lines.map(|(level, text)| (level, text.to_owned())));
    let (result, log) =
        play("for (let i = 0; i < 5000; i++) console.log('x'.repeat(20000)); throw new Error('after')", "1", "");
    assert!(result.is_err());
    assert_eq!((log.len(), log[0].1.len()), (1_000, 8_192));
}

#[test]
fn an_error_has_its_line() {
    for (source, message) in [
        ("throw new Error('no')", "Error: no (line 1)"),
        ("let x = 1;\n\nx.y.z", "TypeError: cannot read property 'z' of undefined (line 3)"),
        ("function f() {\n  throw new RangeError('deep')\n}\nf()", "RangeError: deep (line 2)"),
        ("let x = 1;\nlet = ;", "(line 2)"),
        ("throw 'text'", "text"),
        ("throw { a: 1 }", "a value of type object was thrown"),
        ("undeclared = 1", "ReferenceError: undeclared is not defined (line 1)"),
        ("}), ({", "the script is not the body of a function"),
        ("await new Promise(() => {})", "waits for a promise that nothing will ever keep"),
        ("return import('x')", ""),
        ("(async () => { throw new Error('lost') })()", "nobody handles it: lost"),
        ("return require('fs')", "ReferenceError: require is not defined (line 1)"),
    ] {
        let (code, told) = refused(source);
        assert_eq!(code, "CODE_ERROR", "{source}: {told}");
        assert!(told.contains(message), "{source}: {told}");
    }
    assert_eq!(refused("a\0b").0, "CODE_ERROR");
}

#[test]
fn a_result_is_json() {
    for (source, message) in [
        ("return { a: NaN }", "\"a\" of the result is NaN"),
        ("return -1 / 0", "the result is -Infinity"),
        ("return { a: new Map() }", "is a Map"),
        ("return new Set([1])", "is a Set"),
        ("const a = []; a.push(a); return a", "circular"),
    ] {
        let (code, told) = refused(source);
        assert!(code == "CODE_ERROR" && told.contains(message), "{source}: {code} {told}");
    }
    assert_eq!(refused("let a = []; for (let i = 0; i < 1000; i++) a = [a]; return a").0, "CODE_RESULT");
    assert_eq!(refused("return '\\ud800'.concat('x')").0, "CODE_RESULT");
}

#[test]
fn time_is_bounded() {
    for source in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch { continue } }",
        "const f = () => Promise.resolve().then(f); return f()",
        "return /(a+)+$/.test('a'.repeat(40) + 'b')",
        "return { get a() { while (true) {} } }",
        "return { toJSON() { while (true) {} } }",
        "let a = []; for (let i = 0; i < 60; i++) a = [a, a]; return a",
        "return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
    ] {
        let (result, _) = play(source, "null", r#","timeoutMs":50"#);
        assert_eq!(result.expect_err(source).0, "CODE_TIMEOUT", "{source}");
    }
}

/// A built-in function that looks at nothing while it works is left behind.
#[test]
fn what_cannot_be_stopped_is_not_waited_for() {
    let source = "return 'a'.repeat(6e5).indexOf('a'.repeat(3e5) + 'b')";
    let (result, _) = play(source, "null", r#","timeoutMs":50"#);
    assert_eq!(result.expect_err("stopped").0, "CODE_TIMEOUT");
    assert_eq!(run("return 1", "null"), "1");
}

#[test]
fn memory_is_bounded() {
    for source in [
        "const a = []; for (;;) a.push(new Array(1000).fill('x'))",
        "let s = 'x'; for (;;) s += s",
        "return new Uint8Array(1 << 28).length",
        "return 'x'.repeat(1 << 29)",
    ] {
        let (result, _) = play(source, "null", r#","memoryMb":8"#);
        let (code, told) = result.expect_err(source);
        assert!(
            code == "CODE_MEMORY" || told.contains("invalid string length") || told.contains("too long"),
            "{source}: {code} {told}"
        );
    }
    let large = format!("[{}1]", "1,".repeat(500_000));
    assert_eq!(play("return input.length", &large, r#","memoryMb":1"#).0.expect_err("refused").0, "CODE_MEMORY");
}

#[test]
fn recursion_is_bounded() {
    for source in [
        "const f = () => f() + 1; return f()",
        "let a = '['.repeat(100000); return JSON.parse(a)",
        "return eval('('.repeat(100000))",
    ] {
        let (code, told) = refused(source);
        assert_eq!(code, "CODE_ERROR", "{source}: {told}");
    }
}

#[test]
fn limits_are_limits() {
    for more in [r#","timeoutMs":0"#, r#","timeoutMs":5001"#, r#","memoryMb":0"#, r#","memoryMb":65"#] {
        assert_eq!(play("", "1", more).0.expect_err("refused").0, "LIMIT_EXCEEDED", "{more}");
    }
    assert_eq!(play("", "1", r#","language":"python""#).0.expect_err("refused").0, "BAD_ARGUMENTS");
}

#[test]
fn there_is_no_way_out() {
    let names = "['process','require','fetch','XMLHttpRequest','setTimeout','performance','WeakRef','FinalizationRegistry','std','os','bjson','navigator']";
    assert_eq!(run(&format!("return {names}.filter(name => name in globalThis)"), "1"), "[]");
    assert_eq!(run("return this === undefined", "1"), "true");
    // Nothing of one step is seen by the next.
    run("globalThis.left = 1; Object.prototype.behind = 2; Array.prototype.map = null", "1");
    assert_eq!(
        run("return [typeof left, typeof ({}).behind, [1].map(x => x)]", "1"),
        r#"["undefined","undefined",[1]]"#
    );
}
