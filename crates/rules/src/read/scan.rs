//! Our own reader: where commands begin and end, and what their words are.

use super::here::Pending;
use super::raw::{Assignment, Brace, Raw, assigned_value, assignment, is_name};
use super::structure::Nest;
use super::{DEEPEST, Dialect, Reading, Redirect, Simple, Why};
use crate::glob::Glob;
use crate::names;
use crate::word::Word;

/// The most commands that are kept.
const MOST: usize = 4096;

pub(super) fn scan(text: &str, dialect: Dialect, reading: &mut Reading) {
    let mut scanner = Scanner {
        text,
        limit: text.len(),
        pos: 0,
        depth: 0,
        dialect,
        in_backquotes: false,
        reading,
    };
    if text.contains(|c: char| c == '\0' || (c.is_control() && c != '\n' && c != '\t')) {
        scanner.reading.is_opaque(Why::Character);
    }
    if glued(text) {
        scanner.reading.is_opaque(Why::Character);
    }
    if scanner.list(End::Text).is_none() {
        scanner.reading.is_opaque(Why::Syntax);
    }
}

/// Whether a continued line stands inside of an operator (`&\` and `&`), or of an expansion (`$\` and `'a'`): a shell
/// takes it away before it reads either.
fn glued(text: &str) -> bool {
    let mut before = None;
    let mut rest = text;
    while let Some(at) = rest.find("\\\n") {
        before = rest[..at].chars().next_back().or(before);
        rest = &rest[at + 2..];
        let operator = |c: char| "&|;<>()".contains(c);
        let after = rest.chars().next();
        if before == Some('$') || before.is_some_and(operator) && after.is_some_and(operator) {
            return true;
        }
    }
    false
}

/// What ends a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The end of the text, or of the part that is looked at.
    Text,
    /// `)` of a substitution.
    Paren,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A command, or nothing.
    Maybe,
    /// A command: after `&&`, `|`, `then`.
    Must,
    /// An operator: after a command.
    Operator,
    /// An operator or a redirection: after `fi`, `)`.
    Compound,
}

/// A cursor. Methods give `None` where the text cannot be read further.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    /// Where the part that is looked at ends.
    pub(super) limit: usize,
    pub(super) pos: usize,
    pub(super) depth: usize,
    pub(super) dialect: Dialect,
    /// Between backquotes, where another backquote cannot begin.
    pub(super) in_backquotes: bool,
    pub(super) reading: &'a mut Reading,
}

impl Scanner<'_> {
    pub(super) fn rest(&self) -> &str {
        &self.text[self.pos..self.limit]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn starts(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    /// Goes past blanks and continued lines.
    pub(super) fn blanks(&mut self) {
        loop {
            if self.starts("\\\n") {
                self.pos += 2;
            } else if matches!(self.peek(), Some(' ' | '\t')) {
                self.pos += 1;
            } else {
                return;
            }
        }
    }

    pub(super) fn comment(&mut self) {
        let rest = self.rest();
        self.pos += rest.find('\n').unwrap_or(rest.len());
    }

    /// Commands up to the end. Gives whether all was understood.
    pub(super) fn list(&mut self, end: End) -> Option<()> {
        let mut nests: Vec<Nest> = Vec::new();
        let mut pending: Vec<Pending> = Vec::new();
        let mut expect = Expect::Maybe;
        loop {
            self.blanks();
            let Some(next) = self.peek() else {
                let done = end == End::Text
                    && expect != Expect::Must
                    && nests.is_empty()
                    && pending.is_empty();
                return done.then_some(());
            };
            match next {
                '\n' => {
                    self.pos += 1;
                    for here in pending.drain(..) {
                        self.here_body(&here)?;
                    }
                    if matches!(expect, Expect::Operator | Expect::Compound) {
                        expect = Expect::Maybe;
                    }
                }
                '#' => self.comment(),
                ';' | '&' | '|' if !self.starts("&>") => {
                    let operator = self.operator()?;
                    let ends_item = matches!(operator, ";;" | ";&" | ";;&");
                    if ends_item {
                        // An item of `case` may be empty.
                        if expect == Expect::Must || nests.last() != Some(&Nest::Case) {
                            return None;
                        }
                        expect = Expect::Maybe;
                        if self.case_item()? {
                            nests.pop();
                            expect = Expect::Compound;
                        }
                        continue;
                    }
                    if !matches!(expect, Expect::Operator | Expect::Compound) {
                        return None;
                    }
                    expect = match operator {
                        ";" | "&" => Expect::Maybe,
                        _ => Expect::Must,
                    };
                }
                ')' => {
                    if nests.last() == Some(&Nest::Paren) && expect != Expect::Must {
                        nests.pop();
                        self.pos += 1;
                        expect = Expect::Compound;
                    } else {
                        let done = end == End::Paren
                            && nests.is_empty()
                            && pending.is_empty()
                            && expect != Expect::Must;
                        self.pos += usize::from(done);
                        return done.then_some(());
                    }
                }
                '(' => {
                    if matches!(expect, Expect::Operator | Expect::Compound) {
                        return None;
                    }
                    self.reading.not_exact(Why::Structure);
                    if self.starts("((") && self.arithmetic(2)? {
                        expect = Expect::Compound;
                    } else {
                        self.pos += 1;
                        self.nest(&mut nests, Nest::Paren)?;
                        expect = Expect::Must;
                    }
                }
                '<' | '>' if expect == Expect::Compound && !self.process_substitution() => {
                    let redirect = self.redirect(&mut pending)?;
                    self.stray_redirect(redirect);
                }
                '0'..='9' if expect == Expect::Compound => {
                    self.descriptor()?;
                }
                '&' if expect == Expect::Compound => {
                    let redirect = self.redirect(&mut pending)?;
                    self.stray_redirect(redirect);
                }
                _ if matches!(expect, Expect::Operator | Expect::Compound) => {
                    // After a compound command only what closes another may follow without an operator.
                    let after = expect == Expect::Compound;
                    if !after {
                        return None;
                    }
                    let start = self.pos;
                    let raw = self.word()?;
                    let closes = raw.plain().is_some_and(Nest::is_closing);
                    if !closes {
                        return None;
                    }
                    self.pos = start;
                    expect = Expect::Maybe;
                }
                _ => {
                    expect = self.command(expect, &mut nests, &mut pending)?;
                }
            }
        }
    }

    fn operator(&mut self) -> Option<&'static str> {
        const OPERATORS: [&str; 9] = [";;&", ";;", ";&", ";", "&&", "&", "||", "|&", "|"];
        let operator = OPERATORS.into_iter().find(|o| self.starts(o))?;
        self.pos += operator.len();
        Some(operator)
    }

    pub(super) fn nest(&mut self, nests: &mut Vec<Nest>, nest: Nest) -> Option<()> {
        nests.push(nest);
        (nests.len() <= 4 * DEEPEST).then_some(())
    }

    /// A file descriptor before a redirection behind a compound command.
    fn descriptor(&mut self) -> Option<()> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let after = self.rest().as_bytes().get(digits)?;
        matches!(after, b'<' | b'>').then(|| self.pos += digits)
    }

    /// A redirection of a whole compound command: what is in it may read it.
    fn stray_redirect(&mut self, redirect: Redirect) {
        self.push(Simple {
            redirects: vec![redirect],
            ..Simple::default()
        });
    }

    pub(super) fn push(&mut self, command: Simple) {
        if self.reading.commands.len() < MOST {
            self.reading.commands.push(command);
        } else {
            self.reading.is_opaque(Why::Size);
        }
    }

    /// A simple command, or a word of the grammar.
    fn command(
        &mut self,
        expect: Expect,
        nests: &mut Vec<Nest>,
        pending: &mut Vec<Pending>,
    ) -> Option<Expect> {
        let mut simple = Simple::default();
        loop {
            self.blanks();
            match self.peek() {
                None | Some('\n' | ';' | '|' | ')') => break,
                Some('&') if !self.starts("&>") => break,
                Some('#') => {
                    self.comment();
                    break;
                }
                Some('&') => simple.redirects.push(self.redirect(pending)?),
                Some('<' | '>') if !self.process_substitution() => {
                    let reads = self.starts("<");
                    let redirect = self.redirect(pending)?;
                    simple.redirect(redirect, reads);
                }
                Some('(') => {
                    let [_] = simple.words.as_slice() else {
                        return None;
                    };
                    let is_function = simple.assigned.is_empty() && simple.redirects.is_empty();
                    return (is_function && self.parens()).then(|| {
                        self.function();
                        Expect::Must
                    });
                }
                Some(_) => {
                    let mut raw = self.word()?;
                    let first = simple.words.is_empty();
                    if matches!(self.peek(), Some('<' | '>'))
                        && let Some(plain) = raw.plain()
                    {
                        if plain.bytes().all(|byte| byte.is_ascii_digit()) {
                            let of_input = plain.bytes().all(|byte| byte == b'0');
                            let redirect = self.redirect(pending)?;
                            simple.redirect(redirect, of_input);
                            continue;
                        }
                        if plain.starts_with('{') && plain.ends_with('}') {
                            return None;
                        }
                    }
                    if first && simple.assigned.is_empty() && simple.redirects.is_empty() {
                        let plain = raw.plain().map(str::to_owned);
                        // Nothing stands between them: `{ }`, `if ls; then fi`.
                        if expect == Expect::Must
                            && let Some("then" | "elif" | "else" | "fi" | "done" | "}") =
                                plain.as_deref()
                        {
                            return None;
                        }
                        if let Some(plain) = plain
                            && let Some(said) = self.reserved(&plain, nests)?
                        {
                            return Some(if said { Expect::Compound } else { Expect::Must });
                        }
                    }
                    if let Some(to) = assignment(&raw) {
                        if first {
                            let value = self.assigned(&raw, &to)?;
                            simple.assigned.push((to.name, value));
                            continue;
                        }
                        // There bash splits no value either, and expands no pattern.
                        if self.dialect == Dialect::Bash
                            && simple.words[0].known().is_some_and(names::declares)
                        {
                            raw.is_one_assignment();
                        }
                    }
                    simple.spans.push(raw.span.clone());
                    simple.words.push(raw.into_word());
                }
            }
        }
        self.note(&simple);
        self.push(simple);
        Some(Expect::Operator)
    }

    /// The value of an assignment before a command.
    fn assigned(&mut self, raw: &Raw, to: &Assignment) -> Option<Word> {
        let is_array = to.empty && self.peek() == Some('(');
        let is_number = raw.assigns_number() && !is_array;
        self.reading.sets_text |= !is_number;
        self.reading.calculates |= names::is_calculated(&to.name) && !is_number;
        if let Some(index) = to.index.as_deref() {
            self.reading.calculates |= !index
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b']');
            self.reading.sets_text |= names::speaks_of_last(index);
        }
        if (to.index.is_some() || is_array) && names::is_table_of_names(&to.name) {
            self.reading.is_opaque(Why::Alias);
        }
        if is_array {
            self.array()?;
            return Some(Word::many());
        }
        Some(assigned_value(raw))
    }

    /// A variable is set by what is no assignment: to a text, which may be run.
    pub(super) fn sets(&mut self, name: &str) {
        self.reading.sets_text = true;
        self.reading.calculates |= names::is_calculated(name);
        if names::variable(name) != names::Variable::Plain {
            self.reading.is_opaque(Why::Variable);
        }
    }

    /// What the words of a command mean for how exactly it is read.
    fn note(&mut self, simple: &Simple) {
        let open = simple.words.iter().any(|word| word.known().is_none());
        let open_redirect = simple.redirects.iter().any(|redirect| match redirect {
            Redirect::Output(word) | Redirect::Input(word) => word.known().is_none(),
            Redirect::Here(text) => text.is_none(),
        });
        if open || open_redirect {
            self.reading.not_exact(Why::Expansion);
        }
    }

    /// A function is defined: its parameters are texts from where it is called.
    pub(super) fn function(&mut self) {
        self.reading.not_exact(Why::Function);
        self.reading.sets_text = true;
    }

    /// `()` behind a function's name.
    pub(super) fn parens(&mut self) -> bool {
        let start = self.pos;
        self.pos += 1;
        self.blanks();
        let closed = self.peek() == Some(')');
        self.pos = if closed { self.pos + 1 } else { start };
        closed
    }

    /// The words between `(` and `)` of an array.
    fn array(&mut self) -> Option<()> {
        self.reading.not_exact(Why::Expansion);
        self.pos += 1;
        loop {
            self.blanks();
            match self.peek()? {
                '\n' => self.pos += 1,
                '#' => self.comment(),
                ')' => {
                    self.pos += 1;
                    return Some(());
                }
                '(' | ';' | '&' | '|' => return None,
                '<' | '>' if !self.process_substitution() => return None,
                // An index, which is evaluated whatever its quotes.
                '[' => return None,
                _ => {
                    self.word()?;
                }
            }
        }
    }

    pub(super) fn process_substitution(&self) -> bool {
        self.starts("<(") || self.starts(">(")
    }

    /// A word. The cursor stands at its first character.
    pub(super) fn word(&mut self) -> Option<Raw> {
        let mut raw = Raw::at(self.pos);
        let mut brace = Brace::default();
        // Where `~` means a home directory.
        let mut at_start = true;
        while let Some(next) = self.peek() {
            let start = std::mem::replace(&mut at_start, false);
            match next {
                ' ' | '\t' | '\n' | '|' | '&' | ';' | ')' => break,
                '<' | '>' if self.process_substitution() => {
                    self.pos += 2;
                    raw.literal("/dev/fd/");
                    raw.open();
                    self.nested()?;
                }
                '(' | '<' | '>' => break,
                '\\' => {
                    self.pos += 1;
                    match self.bump() {
                        Some('\n') => at_start = start,
                        Some(character) => {
                            raw.quoted = true;
                            raw.end_lead();
                            raw.literal(character.encode_utf8(&mut [0; 4]));
                        }
                        None => return None,
                    }
                }
                '\'' => {
                    raw.quoted = true;
                    raw.end_lead();
                    self.pos += 1;
                    let end = self.rest().find('\'')?;
                    let text = self.text[self.pos..self.pos + end].to_owned();
                    raw.literal(&text);
                    self.pos += end + 1;
                }
                '"' => {
                    raw.quoted = true;
                    raw.end_lead();
                    self.pos += 1;
                    self.double_quoted(&mut raw)?;
                }
                '$' => self.dollar(&mut raw, false)?,
                '`' => {
                    raw.end_lead();
                    self.backquotes(&mut raw, false)?;
                }
                '~' if start => {
                    raw.open();
                    self.pos += 1;
                    while self
                        .peek()
                        .is_some_and(|c| c.is_ascii_alphanumeric() || "_-.+".contains(c))
                    {
                        self.bump();
                    }
                }
                // zsh: the path of a program.
                '=' if raw.span.start == self.pos && self.names_program() => {
                    raw.open();
                    self.pos += 1;
                }
                other => {
                    // To bash an index that goes on over blanks and quotes, where a variable may be set.
                    if other == '[' && !raw.lead_ended && is_name(&raw.lead) && !self.closes() {
                        return None;
                    }
                    self.bump();
                    brace.see(other);
                    raw.unquoted(other);
                    self.reading.classes += usize::from(other == '[');
                    at_start = matches!(other, '=' | ':') && assignment(&raw).is_some();
                }
            }
        }
        raw.span.end = self.pos;
        if raw.span.is_empty() {
            return None;
        }
        raw.many |= brace.expands();
        if matches!(raw.lead.as_str(), "[" | "[[") && !raw.lead_ended && !raw.quoted {
            // Not a pattern: a command.
            raw.pattern = false;
            raw.glob = Glob::default();
            raw.glob.push_text(&raw.lead);
        }
        Some(raw)
    }

    /// Whether a class in brackets ends before anything that is not plain.
    fn closes(&self) -> bool {
        let mut inside = self.rest()[1..].chars();
        inside.find(|c| " \t\n'\"\\`$;&|<>()[]".contains(*c)) == Some(']')
    }

    /// Whether `=` is followed by a name.
    fn names_program(&self) -> bool {
        let next = self.rest()[1..].chars().next();
        next.is_some_and(|next| !" \t\n;&|()<>=~".contains(next))
    }

    /// Commands up to `)`.
    pub(super) fn nested(&mut self) -> Option<()> {
        self.reading.not_exact(Why::Expansion);
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.list(End::Paren)?;
        self.depth -= 1;
        Some(())
    }
}
