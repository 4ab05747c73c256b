//! Tables: on a terminal lines that fit, with colours only where they are wanted; in a pipe one line for each row, its cells set apart by
//! tabs.

use crate::domain::text::visible;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use std::fmt;
use std::io::IsTerminal;

/// Narrower tables cannot be read.
const NARROWEST: u16 = 80;

/// From so many columns on, everything has a column of its own.
const WIDE: usize = 120;
/// What is shown below a name on a narrower terminal.
const BELOW: [&str; 2] = ["login", "org"];
/// What is left out there.
const LEFT_OUT: [&str; 2] = ["profile", "inputs"];

/// A moment as RFC 3339 has it, without seconds; anything else as it is.
fn to_the_minute(cell: &str) -> String {
    let is_moment =
        cell.len() == "2026-11-27T09:31:07.177Z".len() && cell.ends_with('Z') && cell.as_bytes()[10] == b'T';
    match cell.parse::<jiff::Timestamp>() {
        Ok(_) if is_moment => format!("{} {}Z", &cell[..10], &cell[11..16]),
        _ => cell.to_owned(),
    }
}

/// Whether colours are wanted: a terminal, and nobody said no.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// How wide the terminal is that is written to; nothing where it is none.
pub fn columns() -> Option<usize> {
    let is_terminal = std::io::stdout().is_terminal();
    is_terminal.then(|| Table::new().width()).flatten().map(|width| usize::from(width.max(NARROWEST)))
}

/// A text as the terminal shows it best: lines that are too long are broken between words. What stands in a pipe, and a command that
/// somebody may copy, stays one line.
pub fn fitted(text: &str) -> String {
    let Some(columns) = columns() else { return text.to_owned() };
    let line = |line: &str| if line.contains(" --") { line.to_owned() } else { wrapped(line, columns, 2) };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// One line in lines of so many columns, all but the first begun by `indent` blanks. What stands between back quotes is one word, and
/// colours have no width.
pub fn wrapped(line: &str, columns: usize, indent: usize) -> String {
    let mut words: Vec<String> = Vec::new();
    for part in line.split(' ') {
        match words.last_mut() {
            Some(open) if open.matches('`').count() % 2 == 1 => {
                open.push(' ');
                open.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
    }
    let (mut out, mut used) = (String::new(), 0);
    for (n, word) in words.iter().enumerate() {
        let width = width_of(word);
        if n > 0 && used + 1 + width > columns && used > indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if n > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += width;
    }
    out
}

/// The columns of a text, without the sequences that colour it.
fn width_of(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().chars().count();
    first + parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).chars().count()).sum::<usize>()
}

/// Rows under headings. What a cell holds is shown, whatever it is: nothing in it moves the cursor or turns the line around.
pub struct Rows {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A table with these headings.
pub fn table(headings: &[&str]) -> Rows {
    Rows { headings: headings.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
}

impl Rows {
    /// Adds a row.
    pub fn add_row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell.to_string())).collect());
    }

    /// The same for a terminal with few columns: what belongs to somebody stands below their name, times end with the minute, and a
    /// column in which nothing stands, or an id that nobody reads, is left out. JSON has all of it.
    fn narrow(&self) -> Rows {
        let who = self.headings.iter().position(|heading| heading == "who");
        let is = |n: usize, what: &[&str]| what.contains(&self.headings[n].as_str());
        let is_folded = |n: usize| who.is_some_and(|who| who != n) && is(n, &BELOW);
        let says_something = |n: usize| self.rows.iter().any(|row| row.get(n).is_some_and(|cell| !cell.is_empty()));
        let keeps = |n: &usize| !is_folded(*n) && !is(*n, &LEFT_OUT) && (says_something(*n) || self.rows.is_empty());
        let kept: Vec<usize> = (0..self.headings.len()).filter(keeps).collect();
        let row = |row: &Vec<String>| {
            let cell = |n: &usize| {
                let mut lines = vec![to_the_minute(row.get(*n).map_or("", String::as_str))];
                if who == Some(*n) {
                    let below = (0..row.len()).filter(|n| is_folded(*n)).map(|n| row[n].clone());
                    lines.extend(below.filter(|line| !line.is_empty()));
                    lines.retain(|line| !line.is_empty());
                }
                lines.join("\n")
            };
            kept.iter().map(cell).collect()
        };
        Rows {
            headings: kept.iter().map(|n| self.headings[*n].clone()).collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }

    fn on_a_terminal(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        // A terminal that does not know its width says that it has none.
        if table.width().is_some_and(|width| width < NARROWEST) {
            table.set_width(NARROWEST);
        }
        let bold =
            |text: &String| if colours() { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) };
        table.set_header(self.headings.iter().map(bold));
        for row in &self.rows {
            table.add_row(row.clone());
        }
        table
    }

    fn in_a_pipe(&self) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('\n', "; ").replace('\t', " ")).collect();
            cells.join("\t").trim_end().to_owned()
        };
        std::iter::once(&self.headings).chain(&self.rows).map(line).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match columns() {
            Some(columns) if columns < WIDE => self.narrow().on_a_terminal().fmt(f),
            Some(_) => self.on_a_terminal().fmt(f),
            None if std::io::stdout().is_terminal() => self.on_a_terminal().fmt(f),
            None => f.write_str(&self.in_a_pipe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_terminal_what_belongs_to_somebody_stands_below_their_name_and_nothing_stands_in_no_column() {
        let mut rows = table(&["who", "login", "org", "profile", "since", "note"]);
        rows.add_row(["Ada", "ada@example.com", "main", "5b1f", "2026-11-27T09:31:07.177Z", ""]);
        rows.add_row(["Eve", "", "main", "5b20", "", ""]);
        let narrow = rows.narrow();
        assert_eq!(narrow.headings, ["who", "since"]);
        assert_eq!(narrow.rows, [["Ada\nada@example.com\nmain", "2026-11-27 09:31Z"], ["Eve\nmain", ""]]);
        let mut times = table(&["at", "what"]);
        times.add_row(["2026-11-27T09:31:07Z", "é"]);
        assert_eq!(times.narrow().rows, [["2026-11-27T09:31:07Z", "é"]], "what is not such a moment stays as it is");
    }

    #[test]
    fn a_long_line_is_broken_between_words_and_no_command_is() {
        let line = "every change is paused by Ann: payroll; let it go on with `resume 1 now` or wait";
        let text = wrapped(line, 40, 2);
        assert_eq!(text, "every change is paused by Ann: payroll;\n  let it go on with `resume 1 now` or\n  wait");
        assert_eq!(wrapped("\x1b[31;1mred and short\x1b[0m", 13, 2), "\x1b[31;1mred and short\x1b[0m");
        assert_eq!(wrapped("  a b", 80, 2), "  a b");
        assert_eq!(wrapped(&"x".repeat(90), 80, 2), "x".repeat(90), "one word stays whole");
    }

    #[test]
    fn in_a_pipe_a_row_is_a_line_and_no_cell_breaks_it() {
        let mut rows = table(&["who", "what"]);
        rows.add_row(["Ada", "one\ntwo"]);
        rows.add_row(["Eve\u{1b}[2J", ""]);
        assert_eq!(rows.in_a_pipe(), "who\twhat\nAda\tone; two\nEve\\u{1b}[2J");
    }

    #[test]
    fn a_terminal_is_written_to_in_lines_of_80_columns_at_least() {
        let mut rows = table(&["who", "what"]);
        rows.add_row(["Ada", &"word ".repeat(40)]);
        let mut table = rows.on_a_terminal();
        table.set_width(80);
        assert!(table.to_string().lines().all(|line| line.chars().count() <= 80));
    }
}
