//! Shell strings of every kind, made of letters that spell no builtin, without slashes.

use proptest::collection::vec;
use proptest::prelude::*;

/// Strings of the grammar, some of them damaged.
pub(crate) fn string() -> impl Strategy<Value = String> {
    let choices = vec(any::<u8>(), 1..120);
    let damage = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec((any::<proptest::sample::Index>(), 0..DAMAGE.len(), any::<bool>()), 1..3),
    ];
    (choices, damage).prop_map(|(choices, damage)| {
        let mut text = Maker {
            choices: choices.into_iter(),
            depth: 0,
            heres: Vec::new(),
        }
        .list();
        for (place, with, insert) in damage {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            if places.is_empty() {
                break;
            }
            let at = places[place.index(places.len())];
            if !insert {
                text.remove(at);
            }
            text.insert_str(at, DAMAGE[with]);
        }
        text
    })
}

const DAMAGE: &[&str] = &[
    "",
    "'",
    "\"",
    "\\",
    "$",
    "`",
    "(",
    ")",
    "{",
    "}",
    "#",
    "\n",
    ";",
    "&",
    "|",
    "<",
    ">",
    "$(",
    "${",
    "$'",
    "((",
    "<<a\n",
    " ",
    "\t",
    "=",
    "!",
    "*",
    "[",
    "]",
    "~",
    "^",
    ",",
    "a",
    "\\\n",
    "&&",
    ";;",
    "[[ ",
    " ]]",
    "é",
    "[a",
    "\\c",
    "\\x{",
    "3<<<a ",
    "time x=1 ",
    "+=",
    "_",
    "$_",
];

struct Maker {
    choices: std::vec::IntoIter<u8>,
    depth: usize,
    /// Here-documents whose text belongs behind the next newline.
    heres: Vec<String>,
}

impl Maker {
    fn choose(&mut self, among: u8) -> u8 {
        self.choices.next().unwrap_or(0) % among
    }

    fn one(&mut self, among: &[&str]) -> String {
        let index = self.choose(u8::try_from(among.len()).unwrap());
        among[usize::from(index)].to_owned()
    }

    fn list(&mut self) -> String {
        let mut text = self.item();
        while self.choose(3) > 0 && text.len() < 400 {
            let operator = self.one(&[
                " && ", "; ", " || ", " | ", "\n", " & ", "&&", ";", " |& ", "\n\n", "||\n",
            ]);
            text.push_str(&operator);
            if operator.ends_with('\n') {
                text.push_str(&self.here_texts());
            }
            text.push_str(&self.item());
        }
        if !self.heres.is_empty() {
            text.push('\n');
            text.push_str(&self.here_texts());
        }
        text
    }

    fn here_texts(&mut self) -> String {
        std::mem::take(&mut self.heres).concat()
    }

    fn item(&mut self) -> String {
        let simple = self.depth > 2 || self.choose(6) > 0;
        if simple {
            return self.command();
        }
        self.depth += 1;
        let text = match self.choose(17) {
            12 => format!(
                "time {}x={} {}",
                self.one(&["", "-p ", "! ", "-- "]),
                self.word(),
                self.command()
            ),
            13 => format!(": {}; {}", self.word(), self.command()),
            14 => format!(
                "eval {}x={}; {}",
                self.one(&["", "-- "]),
                self.word(),
                self.command()
            ),
            15 => format!(
                "{} x={}; {}",
                self.one(&["export", "declare", "readonly"]),
                self.word(),
                self.command()
            ),
            16 => format!(
                "x[{}]{}={}; {}",
                self.one(&["1", "a", "a b", "\"a\"", "$x", "_"]),
                self.one(&["", "+"]),
                self.word(),
                self.command()
            ),
            0 => format!("({})", self.list()),
            1 => format!("{{ {}; }}", self.command()),
            2 => format!("if {}; then {}; fi", self.command(), self.command()),
            3 => format!("for a in {}; do {}; done", self.word(), self.command()),
            4 => format!(
                "while {}; do {}; break; done",
                self.command(),
                self.command()
            ),
            5 => format!(
                "case {} in {}) {} ;; *) {} ;; esac",
                self.word(),
                self.word(),
                self.command(),
                self.command()
            ),
            6 => format!("f() {{ {}; }}; f {}", self.command(), self.word()),
            7 => format!("! {}", self.command()),
            8 => format!("[[ {} == {} ]]", self.word(), self.word()),
            9 => format!("eval {}", self.word()),
            10 => format!("x={}; {}", self.word(), self.command()),
            _ => format!(
                "if {}; then {}; else {}; fi",
                self.command(),
                self.item(),
                self.command()
            ),
        };
        self.depth -= 1;
        text
    }

    fn command(&mut self) -> String {
        let mut text = String::new();
        if self.choose(10) == 0 {
            text.push_str(&format!("x={} ", self.word()));
        }
        text.push_str(&self.word());
        while self.choose(3) > 0 && text.len() < 200 {
            text.push_str(&self.one(&[" ", " ", "  ", "\t", " \\\n"]));
            match self.choose(12) {
                0 => {
                    let redirect = self.one(&[
                        ">x", "2>x", ">>x", "2>&1", "<ab", ">|x", "&>x", "<<<a", "1>&2", "3<<<b",
                        "0<ab", "<>x", "<&0",
                    ]);
                    text.push_str(&redirect);
                }
                1 if self.depth == 0 => {
                    let end = self.one(&["x", "'x'", "b"]);
                    let bare = end.trim_matches('\'').to_owned();
                    text.push_str(&format!("<<{end}"));
                    let body =
                        self.one(&["a\n", "", "$(ab)\n", "`bx`\n", "it's\n", "\"a\n", "\\$a\n"]);
                    self.heres.push(format!("{body}{bare}\n"));
                }
                _ => text.push_str(&self.word()),
            }
        }
        text
    }

    fn word(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.choose(3) {
            let piece = match self.choose(24) {
                0..=8 => self.one(&[
                    "ab", "bx", "xx", "a", "x-", "1", "-x", "é", "b:", "a=b", "@", "%", "+", ",",
                ]),
                9 => format!(
                    "'{}'",
                    self.one(&["a b", "", "$x", "\"", "\\", ";", "a\nb", "#"])
                ),
                10 => format!(
                    "\"{}\"",
                    self.one(&["a b", "", "a\\$b", "'", "\\\\", "\\a", "|", "a\\\nb", "!"])
                ),
                11 => self.one(&["\\a", "\\ ", "\\;", "\\$", "\\\\", "\\'", "\\\"", "\\#"]),
                12 => format!(
                    "$'{}'",
                    self.one(&[
                        "a", "\\t", "\\x41", "\\'", "\\101", "\\\\", "\\n", "\\q", "\\x{61}",
                        "\\x{61", "a\\0x", "\\400b", "\\c\\\\", "\\ca", "\\c", "\\u61", "\\u",
                        "\\xq", "\\u00e9",
                    ])
                ),
                13 => self.one(&[
                    "$x", "${x}", "$1", "$@", "$*", "${x:-ab}", "${x#a}", "${#x}", "$?", "$#",
                    "$_", "${_}", "${x[1]}",
                ]),
                14 => self.one(&["\"$x\"", "\"${x}\"", "\"$@\"", "\"a${x:-b}\"", "\"$?\""]),
                15 if self.depth < 3 => {
                    self.depth += 1;
                    let inside = self.command();
                    self.depth -= 1;
                    let quote = self.one(&["", "\""]);
                    format!("{quote}$({inside}){quote}")
                }
                16 => format!("`{}`", self.one(&["ab", "bx x", "ab 'b'", "xx;a"])),
                17 => self.one(&[
                    "*", "a*", "?x", "[ab]x", "a[", "]", "[a\"b\"]", "[a']'b]", "a[\"b\"]",
                    "[a' 'b", "a[b c]", "[$'b']x", "[!a]b", "[$x]b",
                ]),
                18 => self.one(&["{a,b}", "{a,", "{}", "a{b}", "{1..3}", "}", "{"]),
                19 => self.one(&["~", "=", "a=~", "#", "a#", "!", "^", "$", "$\"a\""]),
                20 => self.one(&["$((1+2))", "$(( (1) ))", "\"$((1))\"", "$((x))"]),
                21 => self.one(&["<(ab)", "$(ab)", "\"$(bx x)\""]),
                _ => self.one(&["ab", "bx"]),
            };
            text.push_str(&piece);
        }
        text
    }
}
