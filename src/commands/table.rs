//! Tables: on a terminal lines that fit, with colours only where they are wanted; in a pipe one line for each row, its cells set apart by
//! tabs.

use crate::domain::text::visible;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use std::fmt;
use std::io::IsTerminal;

/// Narrower tables cannot be read.
const NARROWEST: u16 = 80;

/// Whether colours are wanted: a terminal, and nobody said no.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
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
        match std::io::stdout().is_terminal() {
            true => self.on_a_terminal().fmt(f),
            false => f.write_str(&self.in_a_pipe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
