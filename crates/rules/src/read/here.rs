//! Redirections and here-documents.

use super::raw::Raw;
use super::scan::Scanner;
use super::{Redirect, Why};

/// A here-document whose text begins behind the next newline.
#[derive(Debug)]
pub(super) struct Pending {
    end: String,
    /// Nothing is expanded in it.
    literal: bool,
    /// Leading tabs are taken away.
    tabs: bool,
}

impl Scanner<'_> {
    /// A redirection, its descriptor read already.
    pub(super) fn redirect(&mut self, pending: &mut Vec<Pending>) -> Option<Redirect> {
        const OPERATORS: [&str; 12] = [
            "<<<", "<<-", "<<", "<&", "<>", "<", "&>>", "&>", ">>", ">&", ">|", ">",
        ];
        let operator = OPERATORS.into_iter().find(|o| self.starts(o))?;
        self.pos += operator.len();
        self.blanks();
        match operator {
            "<<" | "<<-" => self.here(operator == "<<-", pending),
            "<<<" => {
                let word = self.word()?.into_word();
                Some(Redirect::Here(word.known().map(str::to_owned)))
            }
            "<" | "<&" | "<>" => Some(Redirect::Input(self.target()?)),
            _ => Some(Redirect::Output(self.target()?)),
        }
    }

    fn target(&mut self) -> Option<crate::word::Word> {
        if matches!(self.peek(), Some('<' | '>')) && !self.process_substitution() {
            return None;
        }
        let raw = self.word()?;
        // A number before another redirection is that one's descriptor, and none is left for this.
        let number = raw
            .plain()
            .is_some_and(|plain| plain.bytes().all(|byte| byte.is_ascii_digit()));
        if number && matches!(self.peek(), Some('<' | '>')) {
            return None;
        }
        Some(raw.into_word())
    }

    /// The word that ends a here-document, as it is written.
    fn here(&mut self, tabs: bool, pending: &mut Vec<Pending>) -> Option<Redirect> {
        let mut end = String::new();
        let mut literal = false;
        loop {
            match self.peek() {
                None | Some(' ' | '\t' | '\n' | '|' | '&' | ';' | ')' | '<' | '>') => break,
                Some('(' | '$' | '`') => return None,
                Some('\\') => {
                    literal = true;
                    self.pos += 1;
                    let escaped = self.bump()?;
                    if escaped == '\n' {
                        return None;
                    }
                    end.push(escaped);
                }
                Some(quote @ ('\'' | '"')) => {
                    literal = true;
                    self.pos += 1;
                    let length = self.rest().find(quote)?;
                    let inside = self.text.get(self.pos..self.pos + length)?;
                    if inside.contains(['\n', '\\', '$', '`']) {
                        return None;
                    }
                    end.push_str(inside);
                    self.pos += length + 1;
                }
                Some(other) => {
                    self.bump();
                    end.push(other);
                }
            }
        }
        if end.is_empty() {
            return None;
        }
        // What stands in it is judged where a shell reads it; here it is known at the next newline.
        let text = self.here_ahead(&end, literal, tabs, pending.is_empty());
        pending.push(Pending { end, literal, tabs });
        Some(Redirect::Here(text))
    }

    /// The text of a here-document that begins at the next newline, where it can be told from here.
    fn here_ahead(&self, end: &str, literal: bool, tabs: bool, first: bool) -> Option<String> {
        if !first {
            return None;
        }
        let newline = self.rest().find('\n')?;
        // A quote or another document on the rest of the line: it may end elsewhere.
        let line = &self.rest()[..newline];
        if line.contains(['\'', '"', '\\', '`', '$', '(', '#']) || line.contains("<<") {
            return None;
        }
        let body = &self.rest()[newline + 1..];
        let mut text = String::new();
        for line in body.split_inclusive('\n') {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let bare = if tabs {
                bare.trim_start_matches('\t')
            } else {
                bare
            };
            if bare == end {
                let expands = !literal && text.contains(['$', '`', '\\']);
                return (!expands).then_some(text);
            }
            text.push_str(bare);
            text.push('\n');
        }
        None
    }

    /// The text of a here-document, at the beginning of its first line.
    pub(super) fn here_body(&mut self, here: &Pending) -> Option<()> {
        let Pending { end, literal, tabs } = here;
        let start = self.pos;
        loop {
            if self.pos >= self.limit {
                // Shells take the rest for it, with a warning.
                return None;
            }
            let line_start = self.pos;
            let rest = self.rest();
            let length = rest.find('\n').unwrap_or(rest.len());
            let line = &rest[..length];
            let bare = if *tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if bare == end {
                self.pos = line_start;
                if !literal {
                    self.expand_here(start, line_start)?;
                }
                self.pos = line_start + length;
                if self.pos < self.limit {
                    self.pos += 1;
                }
                return Some(());
            }
            // The next line is joined to it, and may be the one that looks like the end.
            if !literal && line.ends_with('\\') {
                return None;
            }
            self.pos = line_start + length + usize::from(line_start + length < self.limit);
        }
    }

    /// What is expanded in a here-document.
    fn expand_here(&mut self, start: usize, end: usize) -> Option<()> {
        let limit = std::mem::replace(&mut self.limit, end);
        self.pos = start;
        let mut inside = Raw::default();
        while let Some(next) = self.peek() {
            match next {
                '\\' => {
                    self.pos += 1;
                    self.bump();
                }
                '$' => {
                    self.reading.not_exact(Why::Expansion);
                    self.dollar(&mut inside, true)?;
                }
                '`' => self.backquotes(&mut inside, true)?,
                _ => {
                    self.bump();
                }
            }
        }
        self.limit = limit;
        Some(())
    }
}
