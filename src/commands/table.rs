//! Tables on a terminal: lines that fit, colours only where they are wanted.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use std::io::IsTerminal;

/// Narrower tables cannot be read.
const NARROWEST: u16 = 80;

/// Whether colours are wanted: a terminal, and nobody said no.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// A table with these headings, as wide as the terminal at most.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    // A terminal that does not know its width says that it has none.
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(NARROWEST);
    }
    let bold = |text: &&str| if colours() { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) };
    table.set_header(headings.iter().map(bold));
    table
}
