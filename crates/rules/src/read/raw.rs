//! A word while it is read.

use std::ops::Range;

use crate::glob::Glob;
use crate::word::Word;

/// A word as it was read.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) glob: Glob,
    /// It may become any number of any words.
    pub(super) many: bool,
    /// It is a pattern, and may become any number of names of files.
    pub(super) pattern: bool,
    /// Something in it is quoted.
    pub(super) quoted: bool,
    /// What stands before the first quote or expansion.
    pub(super) lead: String,
    /// It holds what may be no number.
    is_text: bool,
    pub(super) lead_ended: bool,
    in_class: bool,
    pub(super) span: Range<usize>,
}

impl Raw {
    /// An empty one, at a place.
    pub(super) fn at(place: usize) -> Self {
        Self {
            span: place..place,
            ..Self::default()
        }
    }

    pub(super) fn literal(&mut self, text: &str) {
        self.text(text);
        if !self.lead_ended {
            self.lead.push_str(text);
        }
    }

    /// What stands there whatever is before it, quoted or not. In a class in brackets it is one of several.
    pub(super) fn text(&mut self, text: &str) {
        if self.in_class {
            self.glob.push_gap();
        } else {
            self.glob.push_text(text);
        }
    }

    /// A text with gaps.
    pub(super) fn splice(&mut self, glob: &Glob) {
        if self.in_class {
            self.glob.push_gap();
        } else {
            self.glob.push(glob);
        }
        self.is_text = true;
    }

    /// A character that stands there as it is.
    pub(super) fn unquoted(&mut self, character: char) {
        let text = &mut [0; 4];
        let text = character.encode_utf8(text);
        if matches!(character, '*' | '?' | '[') {
            self.pattern = true;
            if !self.lead_ended {
                self.lead.push_str(text);
            }
            self.glob.push_gap();
            // What a class in brackets stands for is not looked at, nor what follows.
            self.in_class |= character == '[';
        } else if self.in_class {
            if !self.lead_ended {
                self.lead.push_str(text);
            }
            self.glob.push_gap();
        } else {
            self.literal(text);
        }
    }

    pub(super) fn end_lead(&mut self) {
        self.lead_ended = true;
    }

    /// What is open in it may be anything.
    pub(super) fn open(&mut self) {
        self.end_lead();
        self.glob.push_gap();
        self.is_text = true;
    }

    /// What is open in it is a number.
    pub(super) fn open_number(&mut self) {
        self.end_lead();
        self.glob.push_gap();
    }

    /// Whether what it assigns is a number, whatever is open.
    pub(super) fn assigns_number(&self) -> bool {
        let texts_are = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mut texts = self.glob.texts();
        let first = texts.next().and_then(|first| first.split_once('='));
        !self.is_text && first.is_some_and(|(_, value)| texts_are(value)) && texts.all(texts_are)
    }

    /// Makes it one word `NAME=…`, whatever is open in the value.
    pub(super) fn is_one_assignment(&mut self) {
        if !self.many && !self.pattern {
            return;
        }
        let mut glob = Glob::default();
        if self.many || self.quoted || self.lead_ended {
            let (name, _) = self.lead.split_once('=').unwrap_or_default();
            glob.push_text(name);
            glob.push_text("=");
            glob.push_gap();
        } else {
            glob.push_text(&self.lead);
        }
        (self.glob, self.many, self.pattern) = (glob, false, false);
    }

    /// Its text, where nothing in it is quoted or open.
    pub(super) fn plain(&self) -> Option<&str> {
        (!self.quoted && !self.many && !self.pattern && !self.lead_ended)
            .then_some(self.lead.as_str())
    }

    pub(super) fn into_word(self) -> Word {
        if self.many {
            Word::many()
        } else if self.pattern {
            Word::Each(self.glob)
        } else {
            Word::of(self.glob)
        }
    }
}

/// `{a,b}` and `{1..3}`, unquoted.
#[derive(Debug, Default)]
pub(super) struct Brace {
    open: bool,
    inner: bool,
    closed: bool,
    last: Option<char>,
}

impl Brace {
    pub(super) fn see(&mut self, character: char) {
        match character {
            '{' => self.open = true,
            ',' if self.open => self.inner = true,
            '.' if self.open && self.last == Some('.') => self.inner = true,
            '}' if self.inner => self.closed = true,
            _ => {}
        }
        self.last = Some(character);
    }

    pub(super) fn expands(&self) -> bool {
        self.closed
    }
}

/// What a word assigns to.
pub(super) struct Assignment {
    pub(super) name: String,
    /// Its index, which is calculated.
    pub(super) index: Option<String>,
    /// The value is empty as far as it was read.
    pub(super) empty: bool,
}

/// What a word assigns to, if it is one that assigns.
pub(super) fn assignment(raw: &Raw) -> Option<Assignment> {
    let (name, value) = raw.lead.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let index = name.split_once('[').map(|(_, index)| index.to_owned());
    let name = match name.split_once('[') {
        Some((name, index)) => {
            let index = index.strip_suffix(']')?;
            let simple = index
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_');
            simple.then_some(name)?
        }
        None => name,
    };
    is_name(name).then(|| Assignment {
        name: name.to_owned(),
        index,
        empty: value.is_empty() && !raw.quoted && !raw.lead_ended,
    })
}

/// What is assigned: a pattern is not expanded there, and nothing is split.
pub(super) fn assigned_value(raw: &Raw) -> Word {
    match raw.glob.known().filter(|_| !raw.many) {
        Some(text) => {
            let value = text.split_once('=').map_or("", |(_, value)| value);
            Word::Known(value.to_owned())
        }
        None => Word::Open(Glob::any()),
    }
}

/// Whether a shell takes it for a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
