//! The part of Starlark that rule files are written in: calls with literal arguments.

use super::ImportError;

/// A literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Value>),
    /// A name, a number, an expression: known only to an interpreter.
    Other,
}

/// A statement at the top of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    Call {
        line: u32,
        name: String,
        /// Each with its name; those without have an empty one.
        arguments: Vec<(String, Value)>,
    },
    /// Anything else.
    Other { line: u32, text: String },
}

/// Lists inside each other, past which a file is refused.
const DEEPEST: usize = 8;

/// Reads a whole file.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, ImportError> {
    let mut reader = Reader {
        text,
        pos: 0,
        line: 1,
    };
    let mut statements = Vec::new();
    loop {
        reader.blanks(true);
        if reader.peek().is_none() {
            return Ok(statements);
        }
        statements.push(reader.statement()?);
    }
}

struct Reader<'a> {
    text: &'a str,
    pos: usize,
    line: u32,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        self.line += u32::from(next == '\n');
        Some(next)
    }

    fn wrong(&self, reason: &'static str) -> ImportError {
        ImportError::NotStarlark {
            line: self.line,
            reason,
        }
    }

    /// Blanks and comments, and newlines where they mean nothing.
    fn blanks(&mut self, newlines: bool) {
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' => {}
                '\n' | ';' if newlines => {}
                '\\' if self.rest().starts_with("\\\n") => {}
                '#' => {
                    let rest = self.rest();
                    self.pos += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                _ => return,
            }
            if next == '\\' {
                self.bump();
            }
            self.bump();
        }
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let name = rest[..length].to_owned();
        self.pos += length;
        name
    }

    fn statement(&mut self) -> Result<Statement, ImportError> {
        let (line, start) = (self.line, self.pos);
        let name = self.name();
        self.blanks(false);
        let is_word = matches!(
            name.as_str(),
            "if" | "for" | "def" | "load" | "return" | "in"
        );
        if name.is_empty() || is_word || self.peek() != Some('(') {
            self.skip_statement()?;
            return Ok(Statement::Other {
                line,
                text: self.text[start..self.pos].to_owned(),
            });
        }
        self.bump();
        let arguments = self.arguments()?;
        self.blanks(false);
        if !matches!(self.peek(), None | Some('\n' | ';')) {
            // `a() + b()`, `a() if b`.
            self.skip_statement()?;
            return Ok(Statement::Other {
                line,
                text: self.text[start..self.pos].to_owned(),
            });
        }
        Ok(Statement::Call {
            line,
            name,
            arguments,
        })
    }

    /// Past the end of a statement, and of the indented lines below it.
    fn skip_statement(&mut self) -> Result<(), ImportError> {
        let mut open = 0usize;
        loop {
            match self.peek() {
                None => return Ok(()),
                Some('\n') if open == 0 => {
                    self.bump();
                    if !matches!(self.peek(), Some(' ' | '\t')) {
                        return Ok(());
                    }
                }
                Some('#') => self.blanks(false),
                Some(_) => self.pass(&mut open)?,
            }
        }
    }

    /// Past a string or one character, brackets counted.
    fn pass(&mut self, open: &mut usize) -> Result<(), ImportError> {
        match self.peek() {
            Some('"' | '\'') => {
                self.string(false)?;
                return Ok(());
            }
            Some('(' | '[' | '{') => *open += 1,
            Some(')' | ']' | '}') => *open = open.saturating_sub(1),
            _ => {}
        }
        self.bump();
        Ok(())
    }

    /// Behind `(`, up to and with `)`.
    fn arguments(&mut self) -> Result<Vec<(String, Value)>, ImportError> {
        let mut arguments = Vec::new();
        loop {
            self.blanks(true);
            match self.peek() {
                None => return Err(self.wrong("a call does not end")),
                Some(')') => {
                    self.bump();
                    return Ok(arguments);
                }
                Some(',') => {
                    self.bump();
                    continue;
                }
                Some(_) => {}
            }
            let start = (self.pos, self.line);
            let mut name = self.name();
            self.blanks(true);
            let named = self.peek() == Some('=') && !self.rest().starts_with("==");
            if named && !name.is_empty() {
                self.bump();
                self.blanks(true);
            } else {
                (self.pos, self.line) = start;
                name.clear();
            }
            let value = self.value(0)?;
            arguments.push((name, value));
        }
    }

    /// A value up to `,`, `)` or `]`.
    fn value(&mut self, depth: usize) -> Result<Value, ImportError> {
        if depth > DEEPEST {
            return Err(self.wrong("lists are too deep"));
        }
        // What closes nothing would be passed over for ever.
        if matches!(self.peek(), Some(')' | ']' | '}')) {
            return Err(self.wrong("a bracket closes what was not opened"));
        }
        let value = match self.peek() {
            Some('"' | '\'') => Value::Text(self.strings(false)?),
            Some('r') if self.rest()[1..].starts_with(['"', '\'']) => {
                self.bump();
                Value::Text(self.strings(true)?)
            }
            Some('[') => {
                self.bump();
                let mut list = Vec::new();
                loop {
                    self.blanks(true);
                    match self.peek() {
                        None => return Err(self.wrong("a list does not end")),
                        Some(']') => {
                            self.bump();
                            break;
                        }
                        Some(',') => {
                            self.bump();
                        }
                        Some(_) => list.push(self.value(depth + 1)?),
                    }
                }
                Value::List(list)
            }
            _ => Value::Other,
        };
        self.blanks(true);
        if matches!(self.peek(), Some(',' | ')' | ']') | None) {
            return Ok(value);
        }
        // An expression: its end is found, its value is not.
        let mut open = 0usize;
        loop {
            match self.peek() {
                None => return Err(self.wrong("a call does not end")),
                Some(',' | ')' | ']') if open == 0 => return Ok(Value::Other),
                Some('#') => self.blanks(true),
                Some(_) => self.pass(&mut open)?,
            }
        }
    }

    /// Strings that stand beside each other are one.
    fn strings(&mut self, raw: bool) -> Result<String, ImportError> {
        let mut text = self.string(raw)?;
        loop {
            self.blanks(true);
            if !matches!(self.peek(), Some('"' | '\'')) {
                return Ok(text);
            }
            text.push_str(&self.string(false)?);
        }
    }

    fn string(&mut self, raw: bool) -> Result<String, ImportError> {
        let Some(quote) = self.peek() else {
            return Err(self.wrong("a string does not end"));
        };
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let long = self.rest().starts_with(&triple);
        self.pos += if long { 3 } else { 1 };
        let mut text = String::new();
        loop {
            if long && self.rest().starts_with(&triple) {
                self.pos += 3;
                return Ok(text);
            }
            match self.bump() {
                None => return Err(self.wrong("a string does not end")),
                Some(end) if end == quote && !long => return Ok(text),
                Some('\n') if !long => return Err(self.wrong("a string does not end on its line")),
                Some('\\') => {
                    let Some(escaped) = self.bump() else {
                        return Err(self.wrong("a string does not end"));
                    };
                    if raw {
                        text.push('\\');
                        text.push(escaped);
                        continue;
                    }
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        '\\' | '"' | '\'' => text.push(escaped),
                        '\n' => {}
                        _ => {
                            return Err(self.wrong("a string has an escape that is not known here"));
                        }
                    }
                }
                Some(other) => text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_and_programs_are_passed_over() {
        let text = "# c\nf(a = [\"x\", ['y', r\"\\d\"]], b = \"1\" \"2\")\nx = [f(1)]\nif x:\n    f()\nf('''a\nb''', c=1+2)\n";
        let read = statements(text).unwrap();
        assert_eq!(read.len(), 4, "{read:#?}");
        let Statement::Call {
            line,
            name,
            arguments,
        } = &read[0]
        else {
            panic!("{read:#?}");
        };
        assert_eq!((*line, name.as_str()), (2, "f"));
        let word = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            arguments[0].1,
            Value::List(vec![word("x"), Value::List(vec![word("y"), word("\\d")])])
        );
        assert_eq!(arguments[1], ("b".to_owned(), word("12")));
        assert!(matches!(read[1], Statement::Other { line: 3, .. }));
        assert!(matches!(read[2], Statement::Other { line: 4, .. }));
        let Statement::Call {
            line: 6, arguments, ..
        } = &read[3]
        else {
            panic!("{read:#?}");
        };
        assert_eq!(arguments[0].1, word("a\nb"));
        assert_eq!(arguments[1].1, Value::Other);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for text in [
            "f(",
            "f([",
            "f('a",
            "f('a\n')",
            "f('''a",
            "f(\"\\q\")",
            "f(a = [1)",
            "f(a = [\"b\")",
            "f(])",
            "f(a = })",
        ] {
            assert!(statements(text).is_err(), "{text}");
        }
        let deep = format!("f({}", "[".repeat(100_000));
        assert!(statements(&deep).is_err());
    }
}
