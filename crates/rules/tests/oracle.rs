//! What is read of a shell string against what a real bash runs of it.
//!
//! bash runs in an empty directory with an empty `PATH`; what is not found is recorded instead. The strings are made
//! of letters that spell no builtin, and hold no slash.
#![cfg(unix)] // bash is
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what it expects by failing, and why it is skipped"
)]

mod needs;
mod strings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use ringfence_policy::{Decision, Layer, Origin, Placement, Rule, Sourced, Word};
use ringfence_rules::{RuleSet, SegmentKind, Shell, Verdict};

const BASH: &str = "/bin/bash";

/// Sourced before the string: what would be run is written down, each in one write, and ends as `RC` says. What does
/// not end is ended after so many commands.
const HARNESS: &str = r#"
exec 9>&1 >/dev/null 2>/dev/null
command_not_found_handle() {
    local IFS= line
    printf -v line '%s§' "$#" "$@"
    printf %s "${line//$'\n'/¶}" >&9
    return "$RC"
}
trap wait EXIT
set -T
trap '(( ++n > 300 )) && exit' DEBUG
"#;

/// A directory of its own, taken away in the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("rf-rules-{name}-{}", std::process::id()));
        std::fs::create_dir_all(place.join("work")).unwrap();
        std::fs::create_dir_all(place.join("path")).unwrap();
        std::fs::write(place.join("harness"), HARNESS).unwrap();
        Self(place)
    }

    /// The directory the string runs in, as empty as before.
    fn work(&self) -> PathBuf {
        let work = self.0.join("work");
        std::fs::remove_dir_all(&work).unwrap();
        std::fs::create_dir(&work).unwrap();
        for name in ["ab", "bx"] {
            std::fs::write(work.join(name), "").unwrap();
        }
        work
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every argv that bash would have run, when everything succeeds and when everything fails.
fn run(place: &Place, text: &str) -> BTreeSet<Vec<String>> {
    let mut ran = BTreeSet::new();
    for code in ["0", "1"] {
        let output = Command::new(BASH)
            .args(["--norc", "--noprofile", "-c", "--", text, "a"])
            .env_clear()
            .env("PATH", place.0.join("path"))
            .env("HOME", "/home/x")
            .env("BASH_ENV", place.0.join("harness"))
            .env("RC", code)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(place.work())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mut words = text.split('§').map(|word| word.replace('¶', "\n"));
        while let Some(count) = words.next().filter(|count| !count.is_empty()) {
            let count: usize = count.parse().unwrap();
            let argv: Vec<String> = words.by_ref().take(count).collect();
            ran.insert(argv);
        }
    }
    ran
}

fn rule(words: &[String], decision: Decision) -> Sourced<Rule> {
    let escaped = |word: &String| word.replace('\\', "\\\\").replace('*', "\\*");
    let rule = Rule {
        prefix: words.iter().map(|word| Word::One(escaped(word))).collect(),
        decision,
        ring: Placement::Inside,
        why: None,
        match_: Vec::new(),
        not_match: Vec::new(),
    };
    Sourced::new(rule, Origin::file(Layer::User, Path::new("/p"), 1))
}

fn judge(rules: &[Sourced<Rule>], text: &str, default: Decision) -> Verdict {
    let rules = RuleSet::new(rules).unwrap().with_default(default);
    rules.judge_shell(text, Shell::Bash)
}

/// Whatever bash runs can be asked for, and what is said to be exact is exactly what it runs.
fn check(place: &Place, text: &str) -> Result<bool, TestCaseError> {
    let ran = run(place, text);
    let read = judge(&[], text, Decision::Allow);
    for argv in ran.iter().filter(|argv| !argv[0].is_empty()) {
        let forbidding = judge(&[rule(argv, Decision::Forbid)], text, Decision::Allow);
        prop_assert!(
            forbidding.decision > Decision::Allow,
            "bash runs {argv:?}, and forbidding it changes nothing: {text:?}: {read:#?}"
        );
        // A rule that allows one part allows no other.
        let asking = judge(
            &[
                rule(argv, Decision::Allow),
                rule(&["\u{1}".to_owned()], Decision::Forbid),
            ],
            text,
            Decision::Ask,
        );
        if asking.decision == Decision::Allow {
            let begins = |ran: &Vec<String>| ran.starts_with(argv);
            prop_assert!(
                ran.iter().all(begins),
                "allowing {argv:?} allows all of {ran:?}: {text:?}: {read:#?}"
            );
        }
    }
    let exact = read
        .segments
        .iter()
        .all(|segment| segment.inexact.is_none() && segment.kind == SegmentKind::Command);
    if !exact {
        return Ok(false);
    }
    let said: BTreeSet<Vec<String>> = read
        .segments
        .iter()
        .filter_map(|segment| segment.argv.clone())
        // What bash does itself is not written down.
        .filter(|argv| !matches!(argv[0].as_str(), "[" | ":" | "cd" | "pushd"))
        .collect();
    prop_assert!(
        ran.is_subset(&said),
        "bash runs {ran:?}, and it is read as {said:?}: {text:?}"
    );
    // With `!` neither run needs to reach all of it, nothing is run that cannot read its input, and `%a` is a job.
    if !text.contains(['!', '<', '%']) {
        prop_assert_eq!(&ran, &said, "bash runs the left: {:?}", text);
    }
    Ok(!said.is_empty())
}

/// Strings that once were read wrongly, or are near those.
const KNOWN: &[&str] = &[
    "ab",
    "ab 'b x' \"x\" \\a",
    "ab; bx & x | b && a || x",
    "ab #x\nbx",
    "ab a#b '#' \\#",
    "ab a\\\nb",
    "ab \\\n b",
    "ab $'a\\tb\\x41\\101\\'' x",
    "ab $'\\u0041\\e'",
    "ab \"a\\b\\\\\\$\\\"\"",
    "ab \"a\\\nb\"",
    "! ab && bx",
    "ab >x 2>&1 b",
    "ab&>x",
    "ab <<x\nab\nx\nbx",
    "ab <<'x'\n$(bx)\nx\nbx",
    "ab <<-x\n\tab\n\tx\nbx",
    "ab <<x\na\\\nx\nbx\nx\nb",
    "ab <<x; bx\n$(xx)\nx\n",
    "ab <<x | bx <<b\na\nx\nb\nb\n",
    "if ab; then bx; else xx; fi",
    "for a in b x; do ab $a; done",
    "case a in a|b) ab;; x) bx;; esac",
    "case a in (a) ab ;& (x) bx ;;& *) xx; esac",
    "(ab; bx) | { x; }",
    "f() { ab \"$@\"; }; f bx",
    "function f { ab; }; f",
    "a=ab; $a bx",
    "a='ab bx'; $a",
    "${a:-ab} x",
    "ab $(bx `xx`)",
    "ab \"$(bx \"x b\")\"",
    "ab `bx`",
    "ab <(bx) >(xx)",
    "eval 'ab bx'",
    "eval ab bx",
    "command ab",
    "builtin eval ab",
    "exec ab",
    "trap 'ab' EXIT",
    "[[ a == a && ( b < x ) ]] && ab",
    "(( 1 + 2 )); ab",
    "ab $((1 + 2)) $(( (1) ))",
    "ab $((ab); (bx))",
    "((ab); bx)",
    "a=(ab bx); \"${a[@]}\"",
    "{a,}b",
    "a{b,x}",
    "a* x",
    "[ -n a ] && ab",
    "x=1 ab",
    "x=1 y=2; ab",
    "time ab",
    "coproc ab",
    "ab &\nbx &",
    "ab;;",
    "ab &&\nbx",
    "ab |\n\n#x\nbx",
    "ab 'é' \u{e9}\u{a0}x",
    "ab \u{2028}b",
    "ab\rbx",
    "ab\u{c}bx",
    "ab $",
    "ab \"$\" $\"a\"",
    "ab ~ a=~",
    "ab {} a{b} {a..x}",
    "ab '' \"\" ''b",
    "'' ab",
    "ab\\",
    "ab |& bx",
    "ab \"`bx \\`xx\\``\"",
    "ab ${x#'}'} bx",
    "ab \"${x:-'}\" bx",
    "ab \"${x:-\"b x\"}\"",
    "until ab; do bx; break; done",
    "if ! ab; then bx; fi",
    "ab() { bx; }; ab",
    "a=b\nab=x bx",
    "ab <<<'a b' bx",
    "ab <<< $(bx)",
    "x='a[$(ab)]'; bx $((x))",
    "x='a[$(ab)]'; [[ x -eq 1 ]]",
    "test -v 'a[$(ab)]'",
    "printf -v 'a[$(ab)]' x",
    "let 'a[$(ab)]=1'",
    "shopt -s expand_aliases; alias x=ab\nx bx",
    "set -- ab bx; \"$@\"",
    "set -- ab bx; $1",
    "read a <<<ab; $a",
    "printf -v a ab; $a",
    "declare a=ab; $a",
    "IFS=x; a=abxb; $a",
    "PS4='$(ab)'; set -x; bx",
    "x=ab; y=x; ${!y} bx",
    "a='$(ab)'; bx ${a@P}",
    "hash -p /x ab; ab",
    "ab < <(bx)",
    "ab 2>/dev/null bx",
    "ab >&2 bx",
    "ab 1>&2 bx",
    "ab a>b x",
    "ab 1 >b",
    "ab a1>b",
    "{ab",
    "}",
    "ab }",
    "ab {",
    "{ ab; } >x",
    "(ab)>x",
    "if ab; then bx; fi | xx",
    "ab && { bx || xx; }",
    "ab\n\n\n;bx",
    ";ab",
    "ab ; ; bx",
    "ab & & bx",
    "ab &; bx",
    "ab<x",
    "<x ab",
    ">x",
    "ab \\  b",
    "a\\b",
    "a''b \"\"x",
    "a=b'x' ab",
    "a\\=b ab",
    "'a'=b ab",
    "a+=b ab",
    "a[1]=b ab",
    "a[$(ab)]=x bx",
    "esac",
    "ab do done",
    "do ab",
    "time -p ab",
    "time ! ab",
    "! ! ab",
    "!ab",
    "ab!x",
    "ab !x",
    "ab -- -x",
    "ab = =x a=x",
    "=ab x",
    "ab %1 @ + , : ^ x",
    ": ab",
    "[[ -v 'a[$(ab)]' ]]",
    "[[ 'a[$(ab)]' -eq 1 ]]",
    "(( 'a[$(ab)]' ))",
    "(( \"a[\\$(ab)]\" ))",
    "bx $(( 'a[$(ab)]' ))",
    "bx \"$(( 'a[$(ab)]' ))\"",
    "x=(['$(ab)']=1)",
    "x=(['a[$(ab)]']=1)",
    "x['a[$(ab)]']=1",
    "declare -a 'x=($(ab))'",
    "declare 'x=($(ab))'",
    "declare -A x; x['$(ab)']=1",
    "declare -i x; x='a[$(ab)]'",
    "typeset -i x='a[$(ab)]'",
    "declare -i x='a[$(ab)]'",
    "mapfile -C ab -c 1 x <<<a",
    "compgen -W '$(ab)'",
    "compgen -C ab",
    "jobs -x ab",
    "unset 'a[$(ab)]'",
    "read 'a[$(ab)]' <<<x",
    "[ -v 'a[$(ab)]' ]",
    "printf %d 'a[$(ab)]'",
    "export 'a=$(ab)'",
    "x='$(ab)'; eval \"$x\"",
    "x='a[$(ab)]'; bx ${y:x}",
    "x='a[$(ab)]'; bx ${y[x]}",
    "x='a[$(ab)]'; bx \"${!x}\"",
    "x='a[$(ab)]'; ((x))",
    "x='a[$(ab)]'; for ((x;0;)); do bx; done",
    "x='a[$(ab)]'; let x",
    "x='a[$(ab)]'; test x -eq 1",
    "x='a[$(ab)]'; [[ x -ge 1 ]]",
    "read x <<<'a[$(ab)]'; bx $((x))",
    "printf -v x %s 'a[$(ab)]'; bx $((x))",
    "set -- 'a[$(ab)]'; bx $(($1))",
    "f() { bx $(($1)); }; f 'a[$(ab)]'",
    "for x in 'a[$(ab)]'; do bx $((x)); done",
    "x=ab; ${x@E} bx",
    "x='ab'; declare -n y=x; $y bx",
    "exec {x}>bx; ab",
    "command_not_found_handle() { bx; }; ab",
    "time -- ab",
    "ab \"${x:=bx}\"; $x a",
    "ab ${x:=bx} ; ${x} a",
    "getopts a x -a; $x",
    "cd ..; ab",
    "pushd . ; ab",
    "if ab; then bx; fi <x",
    "{ ab; } 2>&1 | bx",
    "ab>2>&1",
    "ab >2 >&1",
    "! a$\\\n'\\101' ab",
    "ab &\\\n& bx",
    "ab <\\\n<x\n$(bx)\nx\n",
    "ab <\\\n(bx)",
    "ab $\\\n(bx)",
    "ab $(\\\n(1))",
    "x=a; xb=bx; ab \"$x\\\nb\"",
    "ab &&\\\nbx |\\\nxx",
    "i\\\nf ab; then bx; fi",
    ". ab",
    "eval -- ab x",
    "eval -- 'ab; bx'",
    "eval -x ab",
    "source -- ab",
    "time x=1 ab",
    "time x=1 y=$a ab b",
    "time ! x=1 ab",
    "time -p -- ab",
    "time x+=1 ab",
    "{ }",
    "{ \\\n\n}",
    "if ab; then fi; bx",
    "while ab; do done",
    "if then ab; fi",
    "if ab; then bx; else fi",
    "case a in a) esac; bx",
    "case a in esac; bx",
    "for x in a; { ab; }",
    "! }",
    "time x=1",
    "time 'x=1' ab",
    "time ^=a ab",
    "time ! x=a$(bx) x=$a `:`[a' 'b",
    "time -a x=1 ab",
    "time x=a x-a=b",
    "time -p x=1 'y=1' ab",
    "ab[t'] 'x bx",
    "ab[t 'x']",
    "ab[t x]=1 bx",
    "ab[\"t\"]=1 bx",
    "ab[t\\ x]=1 bx",
    "bx [a\"]\"b]",
    "[a\"b\"]b x",
    "a[\"b\"] x",
    "a['b'] x",
    "a[$'b'] x",
    "bx a[b' 'x] b",
    "bx [a'b'] ]x",
    "[a' 'b ab] x",
    "$'\\x{61}b' x",
    "$'\\x{61b' x",
    "$'\\x{}b' x",
    "$'\\x{ab' x",
    "bx $'a\\c\\\\b' x",
    "bx $'a\\c\\'b' x'",
    "bx $'a\\c'; ab ' x'",
    "bx $'a\\ca' x",
    "$'a\\0x'b x",
    "$'a\\400x'b x",
    "$'a\\x00x'b x",
    "$'a\\u0000x'b x",
    "$'\\u{61}b' x",
    "$'\\uq' x",
    "$'\\xq' x",
    "$'\\541b' x",
    "bx $'\\U00000061\\141'",
    "bx $'\\u00e9' a",
    "bx $'\\q\\8'",
    "bx <<a 3<<<ab\nx\na",
    "bx <<a <<b\nx\na\nxx\nb",
    "eval 'x=ab'; $x b",
    "eval \"x='a[\\$(ab)]'\"; bx $((x))",
    "eval 'declare -i x'; x='a[$(ab)]'",
    "eval 'dec\"lare\" -i x'; x='a[$(ab)]'",
    "eval 'eval declare -i x'; x='a[$(ab)]'",
    "trap 'declare -i x' DEBUG; :; x='a[$(ab)]'",
    "x='a[$(ab)]'; eval 'bx $((x))'",
    "command -p read x <<<ab; $x",
    "command -p read x <<<'a[$(ab)]'; bx $((x))",
    "command -- read x <<<'a[$(ab)]'; bx $((x))",
    "builtin -- read x <<<'a[$(ab)]'; bx $((x))",
    "time read x <<<'a[$(ab)]'; bx $((x))",
    "time x='a[$(ab)]'; bx $((x))",
    "! read x <<<'a[$(ab)]'; bx $((x))",
    "command -p declare -i x; x='a[$(ab)]'",
    "bx ab; $_ x",
    "bx ab; \"$_\" x",
    ": 'a[$(ab)]'; bx $((_))",
    ": 'a[$(ab)]'; bx $(($_))",
    ": 'a[$(ab)]'; ((_))",
    ": 'a[$(ab)]'; ((${_}))",
    ": 'a[$(ab)]'; [[ _ -eq 1 ]]",
    ": 'a[$(ab)]'; [[ $_ -eq 1 ]]",
    ": 'a[$(ab)]'; bx ${x:_}",
    ": 'a[$(ab)]'; bx ${x[_]}",
    "RANDOM='a[$(ab)]'",
    "RANDOM+='a[$(ab)]'",
    "RANDOM='a[$(ab)]' bx",
    "SRANDOM='a[$(ab)]'",
    "OPTIND='a[$(ab)]'",
    "HISTCMD='a[$(ab)]'",
    "read RANDOM <<<'a[$(ab)]'",
    "printf -v RANDOM %s 'a[$(ab)]'",
    "printf -vRANDOM %s 'a[$(ab)]'",
    "export RANDOM='a[$(ab)]'",
    "declare RANDOM='a[$(ab)]'",
    "for RANDOM in 'a[$(ab)]'; do :; done",
    "bx ${RANDOM:='a[$(ab)]'}",
    "bx ${OPTIND='a[$(ab)]'}",
    "f() { local RANDOM='a[$(ab)]'; }; f",
    "x=1; x+='a[$(ab)]'; bx $((x))",
    "declare -i x=1; x+='a[$(ab)]'",
    "let 'x=a[$(ab)]'",
    "let x=1 'y=a[$(ab)]'",
    "hash -p ab bx; bx",
    "BASH_CMDS[bx]=ab; bx",
    "BASH_ALIASES[bx]=ab; bx",
    "shopt -s expand_aliases; BASH_ALIASES[bx]=ab\nbx",
    "set -o posix; ab",
    "shopt -s extglob\nbx @(a|b)x",
    "enable -n eval; eval ab",
    "PS4='$(ab)' bx; set -x; xx",
    "export PS4='$(ab)'; set -x; bx",
    "printf -v PS4 %s '$(ab)'; set -x; bx",
    "read PS4 <<<'$(ab)'; set -x; bx",
    "PROMPT_COMMAND=ab; bx",
    "typeset -x x=ab; $x",
    "export x='ab bx'; $x",
    "y='ab x'; export x=$y; $x",
    "y='a b=c'; declare x=$y; bx",
    "readonly x=ab; $x",
    "declare -x y=a*; bx",
    "y='a[$(ab)]'; x[y]=1",
    "y='a[$(ab)]'; x[y+1]=1",
    "y='a[$(ab)]'; x[$y]=1",
    ": 'a[$(ab)]'; x[_]=1",
    "y='a[$(ab)]'; unset x[y]",
    "x=(1); y='a[$(ab)]'; unset 'x[y]'",
    "y='a[$(ab)]'; read x[y] <<<1",
    "y='a[$(ab)]'; read 'x[y]' <<<1",
    "y='a[$(ab)]'; printf -v x[y] 1",
    "y='a[$(ab)]'; declare x[y]=1",
    "y='a[$(ab)]'; declare 'x[y]=1'",
    "x=(1); y='a[$(ab)]'; [ -v x[y] ]",
    "x=(1); y='a[$(ab)]'; test -v 'x[y]'",
    "x=(1); y='a[$(ab)]'; [[ -v x[y] ]]",
    ": 'a[$(ab)]'; read 'x[_]' <<<1",
    "x=abc; : 'a[$(ab)]'; bx ${x:_}",
    "x=abc; y='a[$(ab)]'; bx ${x:$y}",
    ": 'a[$(ab)]'; [[ 1+_ -eq 1 ]]",
];

#[test]
fn known_strings_are_read_as_bash_reads_them() {
    if !needs::tool(BASH) {
        return;
    }
    let place = Place::new("known");
    let mut failed = Vec::new();
    for text in KNOWN {
        if let Err(error) = check(&place, text) {
            failed.push(error.to_string());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn any_string_is_read_as_bash_reads_it() {
    if !needs::tool(BASH) {
        return;
    }
    let place = Place::new("any");
    let exact = std::cell::Cell::new(0usize);
    let mut runner = proptest::test_runner::TestRunner::default();
    let done = runner.run(&strings::string(), |text| {
        let was_exact = check(&place, &text)?;
        exact.set(exact.get() + usize::from(was_exact));
        Ok(())
    });
    assert!(done.is_ok(), "{}", done.unwrap_err());
    // The strings are not all of the kind that nothing is said about. How many are is chance, so
    // only that some are can be asked.
    assert!(exact.get() > 0, "none was exact");
}
