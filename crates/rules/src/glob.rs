//! Texts of which parts are not known: what a rule's `*` stands for, and what an expansion leaves open.

/// A text with gaps. A gap stands for any run of characters, also for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Glob {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Gap,
}

/// Past this many characters a text with gaps is taken for a gap altogether: two of them are compared in the
/// product of their lengths.
const LONGEST: usize = 1024;

impl Glob {
    /// One gap: anything.
    pub(crate) fn any() -> Self {
        Self {
            parts: vec![Part::Gap],
        }
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }

    pub(crate) fn push_gap(&mut self) {
        if self.parts.last() != Some(&Part::Gap) {
            self.parts.push(Part::Gap);
        }
    }

    pub(crate) fn push(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Text(text) => self.push_text(text),
                Part::Gap => self.push_gap(),
            }
        }
    }

    /// The text, where there is no gap.
    pub(crate) fn known(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing but a gap.
    pub(crate) fn is_any(&self) -> bool {
        self.parts == [Part::Gap]
    }

    /// What stands before the first gap.
    pub(crate) fn head(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// What stands behind the last gap.
    pub(crate) fn tail(&self) -> &str {
        match self.parts.last() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The texts between the gaps.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Gap => None,
        })
    }

    /// The text with a mark for each gap.
    pub(crate) fn marked(&self, mark: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Gap => mark.to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The same in lower case, as far as ASCII goes.
    pub(crate) fn to_ascii_lowercase(&self) -> Self {
        let lower = |part: &Part| match part {
            Part::Text(text) => Part::Text(text.to_ascii_lowercase()),
            Part::Gap => Part::Gap,
        };
        Self {
            parts: self.parts.iter().map(lower).collect(),
        }
    }

    /// Whether `text` is one of the texts this stands for.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let mut floating = false;
        let last = self.parts.len().saturating_sub(1);
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Gap => floating = true,
                Part::Text(want) if !floating => match rest.strip_prefix(want.as_str()) {
                    Some(after) => rest = after,
                    None => return false,
                },
                // The last text must stand at the end; each before it may be taken where it first stands.
                Part::Text(want) if index == last => return rest.ends_with(want.as_str()),
                Part::Text(want) => match rest.find(want.as_str()) {
                    Some(at) => {
                        rest = &rest[at + want.len()..];
                        floating = false;
                    }
                    None => return false,
                },
            }
            // A text behind a gap was found, and the next part is a gap again: two texts never follow each other.
        }
        floating || rest.is_empty()
    }

    /// Whether there is a text that both stand for.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        if let Some(text) = other.known() {
            return self.matches(text);
        }
        if let Some(text) = self.known() {
            return other.matches(text);
        }
        // Both have gaps.
        let (one, two) = (self.flat(), other.flat());
        let (Some(one), Some(two)) = (one, two) else {
            return true;
        };
        // `reached[j]`: the first i of one and the first j of two can stand for the same text.
        let mut reached = vec![false; two.len() + 1];
        reached[0] = true;
        for j in 0..two.len() {
            reached[j + 1] = reached[j] && two[j].is_none();
        }
        for &left in &one {
            let mut next = vec![false; two.len() + 1];
            next[0] = reached[0] && left.is_none();
            for (j, &right) in two.iter().enumerate() {
                next[j + 1] = match (left, right) {
                    // A gap takes one thing more of the other, or nothing.
                    (None, _) | (_, None) => next[j] || reached[j + 1],
                    (Some(left), Some(right)) => reached[j] && left == right,
                };
            }
            reached = next;
        }
        reached[two.len()]
    }

    /// Each character, `None` for a gap; nothing at all where it is too long to compare.
    fn flat(&self) -> Option<Vec<Option<char>>> {
        let mut flat = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => flat.extend(text.chars().map(Some)),
                Part::Gap => flat.push(None),
            }
            if flat.len() > LONGEST {
                return None;
            }
        }
        Some(flat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `*` is a gap.
    fn glob(text: &str) -> Glob {
        let mut glob = Glob::default();
        for (index, part) in text.split('*').enumerate() {
            if index > 0 {
                glob.push_gap();
            }
            glob.push_text(part);
        }
        glob
    }

    #[test]
    fn texts_match_where_their_parts_stand_in_order() {
        for (pattern, text, expected) in [
            ("push", "push", true),
            ("push", "pushed", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*bc", "abcbc", true),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn two_with_gaps_meet_where_one_text_is_both() {
        for (one, two, expected) in [
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("*/bin/git", "git", false),
            ("*/bin/git", "/usr/*", true),
            ("p*h", "*us*", true),
            ("x*y", "x*z", false),
            ("*", "*", true),
            ("a*b", "a*b", true),
            ("ab*", "a*c", true),
            ("ab", "*b", true),
        ] {
            assert_eq!(glob(one).meets(&glob(two)), expected, "{one} {two}");
            assert_eq!(glob(two).meets(&glob(one)), expected, "{two} {one}");
        }
    }
}
