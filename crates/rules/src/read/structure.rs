//! The words of the grammar: `if`, `for`, `case`, `[[`. What is between them is read as commands; the whole is
//! a program, and not exact.

use super::raw::{Raw, is_name};
use super::scan::Scanner;
use super::{DEEPEST, Why};

/// What was opened and not closed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nest {
    Paren,
    Brace,
    If,
    Loop,
    Case,
}

impl Nest {
    /// Words that may follow a compound command without an operator.
    pub(super) fn is_closing(word: &str) -> bool {
        matches!(
            word,
            "then" | "elif" | "else" | "fi" | "do" | "done" | "esac" | "}" | "{"
        )
    }
}

impl Scanner<'_> {
    /// Follows a word of the grammar. Gives whether a compound command ended with it, and nothing where it is
    /// an ordinary word.
    pub(super) fn reserved(&mut self, word: &str, nests: &mut Vec<Nest>) -> Option<Option<bool>> {
        let top = nests.last().copied();
        let closes = |nests: &mut Vec<Nest>, nest: Nest| {
            (top == Some(nest)).then(|| {
                nests.pop();
                Some(true)
            })
        };
        let inner = |nest: Nest| (top == Some(nest)).then_some(Some(false));
        let plain = !matches!(
            word,
            "!" | "if"
                | "then"
                | "elif"
                | "else"
                | "fi"
                | "while"
                | "until"
                | "for"
                | "select"
                | "do"
                | "done"
                | "case"
                | "esac"
                | "{"
                | "}"
                | "[["
                | "]]"
                | "function"
                | "coproc"
        );
        if plain {
            return Some(None);
        }
        if word != "!" {
            self.reading.not_exact(Why::Structure);
        }
        match word {
            "!" => Some(Some(false)),
            "if" => self.nest(nests, Nest::If).map(|()| Some(false)),
            "then" | "elif" | "else" => inner(Nest::If),
            "fi" => closes(nests, Nest::If),
            "while" | "until" => self.nest(nests, Nest::Loop).map(|()| Some(false)),
            "do" => inner(Nest::Loop),
            "done" => closes(nests, Nest::Loop),
            "{" => self.nest(nests, Nest::Brace).map(|()| Some(false)),
            "}" => closes(nests, Nest::Brace),
            "esac" => closes(nests, Nest::Case),
            "[[" => self.test().map(|()| Some(true)),
            "for" | "select" => {
                self.nest(nests, Nest::Loop)?;
                self.each().map(|()| Some(false))
            }
            "case" => {
                self.case()?;
                if self.case_item()? {
                    return Some(Some(true));
                }
                self.nest(nests, Nest::Case).map(|()| Some(false))
            }
            "function" => {
                self.function();
                self.blanks();
                self.word()?;
                self.blanks();
                if self.peek() == Some('(') && !self.parens() {
                    return None;
                }
                Some(Some(false))
            }
            _ => None,
        }
    }

    /// Blanks, newlines and comments.
    fn lines(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some('\n') => self.pos += 1,
                Some('#') => self.comment(),
                _ => return,
            }
        }
    }

    /// `for` and `select` up to `do`.
    fn each(&mut self) -> Option<()> {
        self.blanks();
        if self.starts("((") {
            return self.arithmetic(2)?.then(|| {
                self.blanks();
                if self.peek() == Some(';') {
                    self.pos += 1;
                }
            });
        }
        let raw = self.word()?;
        let name = raw.plain().filter(|name| is_name(name))?;
        self.sets(name);
        if !crate::names::harmless_variable(name) && !is_loop_variable(name) {
            self.reading.not_exact(Why::Variable);
        }
        self.lines();
        if self.starts("in") {
            let start = self.pos;
            if self.word()?.plain() != Some("in") {
                self.pos = start;
                return Some(());
            }
            loop {
                self.blanks();
                match self.peek()? {
                    '\n' | ';' => {
                        self.pos += 1;
                        return Some(());
                    }
                    '#' => self.comment(),
                    '(' | ')' | '&' | '|' => return None,
                    '<' | '>' if !self.process_substitution() => return None,
                    _ => {
                        self.word()?;
                    }
                }
            }
        }
        if self.peek() == Some(';') {
            self.pos += 1;
        }
        Some(())
    }

    /// `case WORD in`.
    fn case(&mut self) -> Option<()> {
        self.blanks();
        self.word()?;
        self.lines();
        (self.word()?.plain() == Some("in")).then_some(())
    }

    /// The patterns of the next item, up to `)`; gives whether `esac` stands there instead.
    pub(super) fn case_item(&mut self) -> Option<bool> {
        self.lines();
        let start = self.pos;
        if self.starts("esac") && self.word()?.plain() == Some("esac") {
            return Some(true);
        }
        self.pos = start;
        if self.peek() == Some('(') {
            self.pos += 1;
        }
        loop {
            self.blanks();
            match self.peek()? {
                ')' => {
                    self.pos += 1;
                    return Some(false);
                }
                '|' => self.pos += 1,
                '(' | ';' | '&' | '<' | '>' | '\n' => return None,
                _ => {
                    self.word()?;
                }
            }
        }
    }

    /// `[[ … ]]` behind its first word.
    fn test(&mut self) -> Option<()> {
        loop {
            self.blanks();
            match self.peek()? {
                '\n' | '(' | ')' | '|' | '&' | ';' => self.pos += 1,
                '<' | '>' if !self.process_substitution() => self.pos += 1,
                _ => {
                    let raw = self.word()?;
                    // What is quoted here is evaluated all the same, where it is a number or a name.
                    if raw.glob.texts().any(crate::names::runs_in_index) {
                        self.reading.is_opaque(Why::Arithmetic);
                    }
                    self.reading.sets_text |= raw.glob.texts().any(crate::names::speaks_of_last);
                    match raw.plain() {
                        Some("]]") => return Some(()),
                        Some("-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-v") => {
                            self.reading.calculates = true;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// `((…))` or `$((…))`, `open` bytes long where it begins; gives whether it is one and was passed.
    pub(super) fn arithmetic(&mut self, open: usize) -> Option<bool> {
        let (start, commands) = (self.pos, self.reading.commands.len());
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.pos += open;
        let mut nested = 0usize;
        let mut names = false;
        let mut inside = Raw::default();
        let is_one = loop {
            match self.peek() {
                Some('(') => {
                    nested += 1;
                    self.pos += 1;
                }
                Some(')') if nested > 0 => {
                    nested -= 1;
                    self.pos += 1;
                }
                Some(')') => {
                    let is_one = self.starts("))");
                    self.pos += 2;
                    break is_one;
                }
                Some('$') => {
                    names = true;
                    self.dollar(&mut inside, true)?;
                }
                Some('`') => {
                    names = true;
                    self.backquotes(&mut inside, true)?;
                }
                Some(';') if open == 2 => self.pos += 1,
                Some(other)
                    if other.is_ascii_alphanumeric()
                        || " \t\n_+-*/%<>=!&|^~?:,#[]".contains(other) =>
                {
                    names |= other.is_ascii_alphabetic() || other == '_';
                    // `_` is the last word of the command before.
                    let before = self.text[..self.pos].chars().next_back();
                    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    self.reading.sets_text |= other == '_' && !before.is_some_and(is_in_name);
                    self.pos += 1;
                }
                // A quote, a semicolon: a list in a subshell, or nothing that is known here.
                _ => break false,
            }
        };
        self.depth -= 1;
        if is_one {
            self.reading.calculates |= names;
        } else {
            self.pos = start;
            self.reading.commands.truncate(commands);
        }
        Some(is_one)
    }
}

/// What is given values over and over, and means nothing to programs.
fn is_loop_variable(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
