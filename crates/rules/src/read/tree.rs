//! The second reader: tree-sitter's grammar of bash, asked only where commands are.

use std::ops::ControlFlow;
use std::ops::Range;

use tree_sitter::{Node, ParseOptions, Parser};

use super::{Reading, Simple};
use crate::word::{Word, all_known};

/// How often the parser may report progress before it is stopped: a bound that is no clock.
const MOST_STEPS: usize = 10_000;

/// The most nodes that are looked at.
const MOST_NODES: usize = 200_000;

/// What it saw.
pub(super) struct Seen {
    /// Something in the text is no bash to it.
    errors: bool,
    commands: Vec<SeenCommand>,
}

struct SeenCommand {
    /// Where its words stand.
    words: Vec<Range<usize>>,
    texts: Vec<String>,
}

/// Reads a text; `None` where that takes too much.
pub(super) fn read(text: &str) -> Option<Seen> {
    if nested(text) > MOST_NESTED {
        return None;
    }
    let mut parser = Parser::new();
    let language = tree_sitter::Language::new(tree_sitter_bash::LANGUAGE);
    parser.set_language(&language).ok()?;
    let mut steps = 0usize;
    let mut count = |_: &tree_sitter::ParseState| {
        steps += 1;
        if steps > MOST_STEPS {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut count);
    let bytes = text.as_bytes();
    let mut chunk = |at: usize, _| bytes.get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(&mut chunk, None, Some(options))?;
    let mut seen = Seen {
        errors: tree.root_node().has_error(),
        commands: Vec::new(),
    };
    let mut cursor = tree.walk();
    let mut left = MOST_NODES;
    // Depth first, without recursion.
    loop {
        let node = cursor.node();
        left = left.checked_sub(1)?;
        seen.node(node, text);
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Some(seen);
            }
        }
    }
}

const MOST_NESTED: usize = 200;

/// How deep the brackets of a text may be nested, whatever else stands there.
fn nested(text: &str) -> usize {
    let (mut now, mut most) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => {
                now += 1;
                most = most.max(now);
            }
            b')' | b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

impl Seen {
    fn node(&mut self, node: Node<'_>, text: &str) {
        if node.is_missing() || node.is_error() {
            self.errors = true;
        }
        let words: Vec<Range<usize>> = match node.kind() {
            "command" => {
                let mut cursor = node.walk();
                node.children(&mut cursor)
                    .filter(|child| {
                        !matches!(
                            child.kind(),
                            "variable_assignment"
                                | "file_redirect"
                                | "herestring_redirect"
                                | "heredoc_redirect"
                        )
                    })
                    .map(|child| child.byte_range())
                    .collect()
            }
            // `export A=b`, `unset a`: commands with names of their own.
            "declaration_command" | "unset_command" => {
                let mut cursor = node.walk();
                node.children(&mut cursor)
                    .map(|child| child.byte_range())
                    .collect()
            }
            "test_command"
                if text
                    .get(node.start_byte()..)
                    .is_some_and(|rest| rest.starts_with("[ ")) =>
            {
                // Its words are an expression to the grammar; where it begins is what counts.
                std::iter::once(node.start_byte()..node.start_byte() + 1).collect()
            }
            _ => return,
        };
        if words.is_empty() {
            return;
        }
        let texts = words
            .iter()
            .map(|range| text.get(range.clone()).unwrap_or_default().to_owned())
            .collect();
        self.commands.push(SeenCommand { words, texts });
    }

    /// Whether both readers saw the same commands; where each word of one is known, also the same words. The grammar
    /// loses a word that is nothing but a dash.
    pub(super) fn agrees(&self, reading: &Reading, text: &str) -> bool {
        if self.errors {
            return false;
        }
        let mut ours: Vec<&Simple> = reading
            .commands
            .iter()
            .filter(|command| !command.spans.is_empty())
            .collect();
        ours.sort_by_key(|command| command.spans[0].start);
        let mut theirs: Vec<&SeenCommand> = self.commands.iter().collect();
        theirs.sort_by_key(|command| command.words[0].start);
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| {
                let exact = all_known(&ours.words);
                if exact && theirs.texts[0] != "[" {
                    let mut seen = theirs.words.iter().peekable();
                    let all = ours.spans.iter().all(|span| {
                        seen.next_if_eq(&span).is_some() || text.get(span.clone()) == Some("-")
                    });
                    all && seen.peek().is_none()
                } else {
                    ours.spans[0].start == theirs.words[0].start
                }
            })
    }

    /// What it saw, for what can only become stricter by it.
    pub(super) fn into_commands(self) -> Vec<Simple> {
        self.commands
            .into_iter()
            .map(|command| Simple {
                words: command.texts.into_iter().map(Word::Known).collect(),
                ..Simple::default()
            })
            .collect()
    }
}
