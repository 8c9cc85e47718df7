//! An exhibit as plain text, for a printer or a pager.

use super::Exhibit;
use super::page::{Block, Mark, Page, Row, page};

/// The longest line, in characters, but for the script.
const WIDTH: usize = 110;
/// Labels up to this long stand beside their value; longer ones above it.
const LABEL: usize = 24;
const INDENT: usize = 2;

/// The line before the script.
pub const STEPS_BEGIN: &str = "-------- the steps begin below this line --------";
/// The line after the script.
pub const STEPS_END: &str = "-------- the steps end above this line --------";

impl Exhibit {
    /// The exhibit in words.
    pub fn to_text(&self) -> String {
        let page = page(self);
        let mut out = String::new();
        heading(&mut out, &page);
        for section in &page.sections {
            out += &format!("\n{}\n\n", section.title.to_uppercase());
            for (at, block) in section.blocks.iter().enumerate() {
                if at > 0 {
                    out.push('\n');
                }
                write_block(&mut out, block);
            }
        }
        out
    }
}

fn heading(out: &mut String, page: &Page) {
    words(out, &page.title, 0);
    words(out, &page.headline, 0);
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Rows(rows) => rows.iter().for_each(|row| write_row(out, row)),
        Block::Text(text) => words(out, text, INDENT),
        Block::List(items) => {
            for item in items {
                out.push_str("  - ");
                hang(out, item, 4);
            }
        }
        Block::Script(script) => {
            out.push_str(STEPS_BEGIN);
            out.push('\n');
            out.push_str(script);
            out.push_str(STEPS_END);
            out.push('\n');
        }
    }
}

fn write_row(out: &mut String, row: &Row) {
    let sign = match row.mark {
        Mark::Plain => ' ',
        Mark::Note => '*',
        Mark::Bad => '!',
    };
    let column = INDENT + LABEL + 2;
    let length = row.label.chars().count();
    out.push(sign);
    out.push(' ');
    if length <= LABEL {
        out.push_str(&row.label);
        out.push_str(&" ".repeat(column - INDENT - length));
    } else {
        hang(out, &row.label, INDENT);
        out.push_str(&" ".repeat(column));
    }
    hang(out, &row.value, column);
}

/// Writes text from the column on, cut into lines at that column, after a blank if one is near; nothing is added or
/// left out, so that a value reads exactly.
fn hang(out: &mut String, text: &str, column: usize) {
    let room = WIDTH - column;
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > room {
        let blank = rest[room / 2..room].iter().rposition(|c| *c == ' ');
        let cut = blank.map_or(room, |at| room / 2 + at + 1);
        let tail = rest.split_off(cut);
        out.extend(rest);
        out.push('\n');
        out.push_str(&" ".repeat(column));
        rest = tail;
    }
    out.extend(rest);
    out.push('\n');
}

/// Writes our own prose, cut between words.
fn words(out: &mut String, text: &str, indent: usize) {
    let mut length = 0;
    for word in text.split(' ') {
        let needed = word.chars().count();
        if length == 0 {
            out.push_str(&" ".repeat(indent));
            length = indent;
        } else if length + 1 + needed > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            length = indent;
        } else {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += needed;
    }
    out.push('\n');
}
