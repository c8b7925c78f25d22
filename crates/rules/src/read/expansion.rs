//! What is expanded in a word: it leaves a gap, and the commands in it are read.

use super::ansi;
use super::raw::Raw;
use super::scan::{End, Scanner};
use super::{DEEPEST, Why};
use crate::glob::Glob;

impl Scanner<'_> {
    /// Between double quotes, behind the first.
    pub(super) fn double_quoted(&mut self, raw: &mut Raw) -> Option<()> {
        loop {
            match self.peek()? {
                '"' => {
                    self.pos += 1;
                    return Some(());
                }
                '\\' => {
                    self.pos += 1;
                    match self.bump()? {
                        '\n' => {}
                        escaped @ ('$' | '`' | '"' | '\\') => {
                            raw.text(escaped.encode_utf8(&mut [0; 4]));
                        }
                        other => {
                            raw.text("\\");
                            raw.text(other.encode_utf8(&mut [0; 4]));
                        }
                    }
                }
                '$' => self.dollar(raw, true)?,
                '`' => self.backquotes(raw, true)?,
                other => {
                    self.bump();
                    raw.text(other.encode_utf8(&mut [0; 4]));
                }
            }
        }
    }

    /// At `$`.
    pub(super) fn dollar(&mut self, raw: &mut Raw, quoted: bool) -> Option<()> {
        let mut after = self.rest()[1..].chars();
        let (next, second) = (after.next(), after.next());
        match next {
            Some('(') => {
                self.reading.not_exact(Why::Expansion);
                if second == Some('(') && self.arithmetic(3)? {
                    raw.open_number();
                    return Some(());
                }
                raw.open();
                self.pos += 2;
                self.nested()?;
                raw.many |= !quoted;
            }
            Some('{') => {
                raw.open();
                self.pos += 2;
                self.parameter(raw, quoted)?;
            }
            Some('[') => return None,
            Some('\'') if !quoted => {
                raw.end_lead();
                raw.quoted = true;
                self.pos += 2;
                let rest = self.text.get(self.pos..self.limit)?;
                let mut glob = Glob::default();
                self.pos += ansi::decode(rest, &mut glob)?;
                match glob.known() {
                    Some(text) => raw.text(text),
                    None => raw.splice(&glob),
                }
                if self.dialect != super::Dialect::Bash {
                    self.reading.not_exact(Why::Character);
                }
            }
            Some('"') if !quoted => {
                // Translated, where there is a translation.
                raw.end_lead();
                raw.quoted = true;
                raw.glob.push_gap();
                self.pos += 2;
                let mut inside = Raw::default();
                self.double_quoted(&mut inside)?;
            }
            Some(special @ ('@' | '*')) => {
                raw.open();
                self.pos += 2;
                raw.many |= !quoted || special == '@';
            }
            Some('#' | '?' | '$' | '!') => {
                raw.open_number();
                self.pos += 2;
            }
            Some('-') => {
                raw.open();
                self.pos += 2;
            }
            Some('0'..='9') => {
                raw.open();
                self.pos += 2;
                raw.many |= !quoted;
            }
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => {
                raw.open();
                self.pos += 1;
                let start = self.pos;
                self.name();
                // The last word of the command before.
                self.reading.sets_text |= &self.text[start..self.pos] == "_";
                // The name goes on in the next line.
                if self.starts("\\\n") {
                    return None;
                }
                raw.many |= !quoted;
            }
            _ => {
                self.pos += 1;
                raw.text("$");
                raw.end_lead();
            }
        }
        Some(())
    }

    fn name(&mut self) -> usize {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        self.pos += length;
        length
    }

    /// `${…}` behind its brace.
    fn parameter(&mut self, raw: &mut Raw, quoted: bool) -> Option<()> {
        self.reading.not_exact(Why::Expansion);
        let mut many = !quoted;
        let mut name = String::new();
        let rest = self.rest();
        if rest.starts_with("#}") || rest.starts_with("!}") {
            self.pos += 2;
            return Some(());
        }
        match self.peek()? {
            '#' => self.pos += 1,
            '!' => {
                // The value is taken for a name, and may hold an index that is calculated.
                self.pos += 1;
                self.reading.calculates = true;
                many = true;
            }
            _ => {}
        }
        match self.peek()? {
            special @ ('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.pos += 1;
                many |= special == '@';
            }
            _ => {
                let start = self.pos;
                if self.name() == 0 {
                    return None;
                }
                name = self.text[start..self.pos].to_owned();
                self.reading.sets_text |= name == "_";
            }
        }
        if self.peek()? == '[' {
            let close = self.rest().find(']')?;
            let index = &self.text[self.pos + 1..self.pos + close];
            match index {
                "@" => many = true,
                "*" => {}
                _ if index.bytes().all(|byte| byte.is_ascii_digit()) => {}
                _ if index
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_$+-*/ ".contains(&b)) =>
                {
                    self.reading.calculates = true;
                    self.reading.sets_text |= crate::names::speaks_of_last(index);
                }
                _ => return None,
            }
            self.pos += close + 1;
        }
        raw.many |= many;
        match self.peek()? {
            '}' => {
                self.pos += 1;
                return Some(());
            }
            '@' => {
                let kind = self.rest()[1..].chars().next()?;
                if !"QULEuAKak".contains(kind) {
                    return None;
                }
                self.pos += 2;
                self.reading.calculates = true;
                return (self.bump()? == '}').then_some(());
            }
            ':' => {
                self.pos += 1;
                match self.peek()? {
                    '-' | '?' | '+' => {}
                    '=' => {
                        self.reading.not_exact(Why::Variable);
                        self.sets(&name);
                    }
                    // A part of the value, by numbers.
                    _ => {
                        let close = self.rest().find('}')?;
                        let numbers = &self.text[self.pos..self.pos + close];
                        if !numbers
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"_$+-*/: #".contains(&b))
                        {
                            return None;
                        }
                        if numbers
                            .bytes()
                            .any(|b| b.is_ascii_alphabetic() || b"_$".contains(&b))
                        {
                            self.reading.calculates = true;
                            self.reading.sets_text |= crate::names::speaks_of_last(numbers);
                        }
                        self.pos += close + 1;
                        return Some(());
                    }
                }
            }
            '=' => {
                self.reading.not_exact(Why::Variable);
                self.sets(&name);
            }
            '-' | '?' | '+' | '#' | '%' | '/' | '^' | ',' => {}
            _ => return None,
        }
        self.reading.sets_text = true;
        self.bump();
        self.operand(quoted)
    }

    /// What stands behind the operator of `${x-…}`, up to its brace.
    fn operand(&mut self, quoted: bool) -> Option<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut inside = Raw::default();
        loop {
            match self.peek()? {
                '}' => {
                    self.pos += 1;
                    self.depth -= 1;
                    return Some(());
                }
                '\\' => {
                    self.pos += 1;
                    self.bump()?;
                }
                // Between double quotes shells do not agree on what it is.
                '\'' if quoted => return None,
                '\'' => {
                    self.pos += 1;
                    self.pos += self.rest().find('\'')? + 1;
                }
                '"' => {
                    self.pos += 1;
                    self.double_quoted(&mut inside)?;
                }
                '$' => self.dollar(&mut inside, quoted)?,
                '`' => self.backquotes(&mut inside, quoted)?,
                '<' | '>' if self.process_substitution() => return None,
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// At a backquote: commands up to the next.
    pub(super) fn backquotes(&mut self, raw: &mut Raw, quoted: bool) -> Option<()> {
        self.reading.not_exact(Why::Expansion);
        self.depth += 1;
        if self.in_backquotes || self.depth > DEEPEST {
            return None;
        }
        raw.open();
        raw.many |= !quoted;
        let start = self.pos + 1;
        let end = start + self.text[start..self.limit].find('`')?;
        // A backslash there is taken away before the commands are read.
        if self.text[start..end].contains('\\') {
            return None;
        }
        let limit = std::mem::replace(&mut self.limit, end);
        self.in_backquotes = true;
        self.pos = start;
        self.list(End::Text)?;
        self.in_backquotes = false;
        self.limit = limit;
        self.pos = end + 1;
        self.depth -= 1;
        Some(())
    }
}
