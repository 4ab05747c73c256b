//! Lists: what is shown of them, in which order, and the addresses of the other pages and orders. All of it stands in the address,
//! so that it can be sent to somebody.

use super::form::Form;
use serde::Serialize;

/// Lines of one page.
pub const SIZE: usize = 50;

/// A column that can be sorted by, if it has a word for that.
pub struct Heading {
    pub title: &'static str,
    pub by: Option<&'static str>,
    pub number: bool,
}

/// A column of text.
pub const fn column(title: &'static str, by: &'static str) -> Heading {
    Heading { title, by: Some(by), number: false }
}

/// A column of numbers.
pub const fn numbers(title: &'static str, by: &'static str) -> Heading {
    Heading { title, by: Some(by), number: true }
}

/// A column that cannot be sorted by.
pub const fn fixed(title: &'static str) -> Heading {
    Heading { title, by: None, number: false }
}

#[derive(Clone, Debug, Serialize)]
struct Column {
    title: &'static str,
    number: bool,
    sorted: Option<&'static str>,
    href: Option<String>,
}

/// A list as its page needs it.
#[derive(Clone, Debug, Serialize)]
pub struct List {
    columns: Vec<Column>,
    /// Lines that the filter lets through, and lines without it.
    pub total: usize,
    pub of: usize,
    first: usize,
    last: usize,
    page: usize,
    pages: usize,
    previous: Option<String>,
    next: Option<String>,
    csv: Option<String>,
    json: Option<String>,
    text: String,
    sort: String,
    org: String,
    state: String,
    all: bool,
    filtered: bool,
}

/// The order that was asked for: a word of a column, and whether from the end.
pub fn order(form: &Form) -> (String, bool) {
    let sort = form.text("sort").unwrap_or_default();
    match sort.strip_prefix('-') {
        Some(word) => (word.to_owned(), true),
        None => (sort.to_owned(), false),
    }
}

/// The page that was asked for, from 1 on.
pub fn page(form: &Form) -> usize {
    form.number("page").and_then(|page| usize::try_from(page).ok()).unwrap_or(1).max(1)
}

impl List {
    /// A list at `path` of which `total` lines of `of` pass the filter of `form`.
    pub fn new(path: &str, form: &Form, headings: &[Heading], (total, of): (usize, usize)) -> Self {
        let (by, backwards) = order(form);
        let columns = headings.iter().map(|heading| {
            let is_sorted = heading.by.is_some_and(|word| word == by);
            let sorted = is_sorted.then_some(if backwards { "descending" } else { "ascending" });
            let href = heading.by.map(|word| {
                let next = if is_sorted && !backwards { format!("-{word}") } else { word.to_owned() };
                form.address(path, &["page", "sort"], &[("sort", &next)])
            });
            Column { title: heading.title, number: heading.number, sorted, href }
        });
        let pages = total.div_ceil(SIZE).max(1);
        let page = page(form).min(pages);
        let to = |page: usize| form.address(path, &["page"], &[("page", &page.to_string())]);
        let export = |format: &str| Some(form.address(path, &["page"], &[("format", format)]));
        let text = |name: &str| form.text(name).unwrap_or_default().to_owned();
        let first = (page - 1) * SIZE;
        Self {
            columns: columns.collect(),
            total,
            of,
            first: first + 1,
            last: (first + SIZE).min(total),
            page,
            pages,
            previous: (page > 1).then(|| to(page - 1)),
            next: (page < pages).then(|| to(page + 1)),
            csv: export("csv"),
            json: export("json"),
            text: text("text"),
            sort: text("sort"),
            org: text("org"),
            state: text("state"),
            all: form.text("all") == Some("true"),
            filtered: total < of,
        }
    }

    /// The lines of this page.
    pub fn shown<'r, T>(&self, rows: &'r [T]) -> &'r [T] {
        &rows[(self.first - 1).min(rows.len())..self.last.min(rows.len())]
    }
}

/// Whether the file of a list was asked for instead of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    Csv,
    Json,
}

impl Export {
    pub fn asked(form: &Form) -> Option<Self> {
        match form.text("format") {
            Some("csv") => Some(Self::Csv),
            Some("json") => Some(Self::Json),
            _ => None,
        }
    }

    /// The file: what is in `fields` of each row, in this order. A value that a spreadsheet would calculate is kept from it.
    pub fn write(self, rows: &[serde_json::Value], fields: &[&str]) -> Result<(&'static str, Vec<u8>), String> {
        if self == Self::Json {
            let picked: Vec<serde_json::Map<String, serde_json::Value>> = rows
                .iter()
                .map(|row| fields.iter().map(|field| ((*field).to_owned(), row[*field].clone())).collect())
                .collect();
            let text = serde_json::to_vec_pretty(&picked).map_err(|e| e.to_string())?;
            return Ok(("application/json", text));
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(fields).map_err(|e| e.to_string())?;
        for row in rows {
            table.write_record(fields.iter().map(|field| harmless(&row[*field]))).map_err(|e| e.to_string())?;
        }
        table.into_inner().map(|text| ("text/csv; charset=utf-8", text)).map_err(|e| e.to_string())
    }
}

fn harmless(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEADINGS: &[Heading] = &[column("Name", "name"), fixed("Why")];

    #[test]
    fn the_address_says_the_page_the_order_and_the_filter() {
        let form = Form::parse("text=ann&sort=name&page=2").expect("reads");
        let list = List::new("/people", &form, HEADINGS, (120, 500));
        assert_eq!((list.first, list.last, list.pages), (51, 100, 3));
        assert_eq!(list.previous.as_deref(), Some("/people?text=ann&sort=name&page=1"));
        assert_eq!(list.next.as_deref(), Some("/people?text=ann&sort=name&page=3"));
        assert_eq!(list.columns[0].href.as_deref(), Some("/people?text=ann&sort=%2Dname"));
        assert_eq!((list.columns[0].sorted, list.columns[1].href.clone()), (Some("ascending"), None));
        assert_eq!(list.csv.as_deref(), Some("/people?text=ann&sort=name&format=csv"));
    }

    #[test]
    fn a_page_behind_the_end_is_the_last_one_and_an_empty_list_has_one() {
        let list =
            |query: &str, total| List::new("/people", &Form::parse(query).expect("reads"), HEADINGS, (total, total));
        let rows: Vec<usize> = (0..60).collect();
        assert_eq!(list("page=99", 60).shown(&rows), &rows[50..]);
        assert_eq!(list("page=-3", 60).shown(&rows), &rows[..50]);
        assert!(list("", 0).shown(&[] as &[usize]).is_empty());
    }

    #[test]
    fn a_name_becomes_no_formula_in_a_spreadsheet() {
        let rows = [json!({ "name": "=1+1", "n": -3, "not": "shown" })];
        let (_, text) = Export::Csv.write(&rows, &["name", "n"]).expect("writes");
        assert_eq!(String::from_utf8(text).expect("text"), "name,n\n'=1+1,-3\n");
        let (_, text) = Export::Json.write(&rows, &["name", "n"]).expect("writes");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&text).expect("JSON"),
            json!([{ "name": "=1+1", "n": -3 }])
        );
    }
}
