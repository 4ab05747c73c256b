//! Functions for mappings, besides CEL's own: names, dates, tables. All are pure.

use crate::domain::text::loose;
use cel::common::types::{CelBool, CelInt, CelString};
use cel::{Context, DeclarationError, Env, ExecutionError, Value as Cel};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Our functions, each with what it gives.
pub const OURS: &[(&str, &str)] = &[
    ("slug(text)", "lower case, ASCII letters and digits, `-` for everything between"),
    ("transliterate(text, locale)", "ASCII; by the table of the locale first (`de`: ü becomes ue), '' for none"),
    ("same(a, b)", "whether two words are one to people: case and punctuation do not count"),
    ("first(list)", "the first item, or ''"),
    ("groupsOfType(groups, type)", "the groups of a type, by any spelling of its title; an empty list without any"),
    ("lookup(table, key)", "the first value of a key in a table, or ''"),
    ("lookupOr(table, key, default)", "the same, or else the default"),
    ("lookupAll(table, key)", "all values of a key"),
    ("addDays(date, n)", "n days later"),
    ("daysBetween(from, to)", "days from one date to another; 0 if one is empty"),
    ("formatDate(date, pattern)", "a date by a pattern such as '%d.%m.%Y'; '' if it is empty"),
    ("instant(date, time, zone)", "the moment of a local time, as RFC 3339 in UTC; '' if the date is empty"),
    ("isZone(text)", "whether a text is the name of a time zone"),
];

/// CEL's own functions and those of its extensions for strings and lists, as far as mappings may use them. `lists.range`
/// is not among them: it makes lists of any length.
const STANDARD: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "min",
    "max",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "join",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "reverse",
    "slice",
    "flatten",
    "distinct",
    "sort",
    "sortBy",
    "in",
];

/// Whether a mapping may call this function. What CEL calls its operators by begins with a sign.
pub fn is_known(name: &str) -> bool {
    let ours = || OURS.iter().any(|(signature, _)| signature.split('(').next() == Some(name));
    name.starts_with(|c: char| !c.is_ascii_alphabetic()) || STANDARD.contains(&name) || ours()
}

/// Whether this function reads a table, whose name is its first argument.
pub fn has_table(name: &str) -> bool {
    matches!(name, "lookup" | "lookupOr" | "lookupAll")
}

/// Tables of the configuration, by name: keys, each with one value or more. Keys are compared loosely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    /// Spellings of a locale that are not the usual ones.
    spellings: BTreeMap<String, BTreeMap<String, String>>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rows: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// Adds a value of a key; the same one twice counts once.
    pub fn add(&mut self, key: &str, value: &str) {
        let values = self.rows.entry(loose(key)).or_default();
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }

    /// All values of a key.
    pub fn get(&self, key: &str) -> &[String] {
        self.rows.get(&loose(key)).map_or(&[], Vec::as_slice)
    }

    /// All values of all keys.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.rows.values().flatten().map(String::as_str)
    }
}

impl Tables {
    /// Adds a table.
    pub fn insert(&mut self, name: &str, table: Table) {
        self.tables.insert(name.to_owned(), table);
    }

    /// Adds a spelling of a locale.
    pub fn spell(&mut self, locale: &str, from: &str, to: &str) {
        self.spellings.entry(locale.to_owned()).or_default().insert(from.to_owned(), to.to_owned());
    }

    /// Whether there is a table of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// The table of this name.
    pub fn get(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// `text` in ASCII, by the table of `locale` first.
    pub fn transliterate(&self, text: &str, locale: &str) -> String {
        let language = locale.split(['-', '_']).next().unwrap_or_default();
        let own = self.spellings.get(locale).or_else(|| self.spellings.get(language));
        let usual = USUAL.iter().find(|(known, _)| *known == language).map_or(&[][..], |(_, pairs)| pairs);
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            let mut key = [0; 4];
            let key: &str = c.encode_utf8(&mut key);
            let spelt = own.and_then(|own| own.get(key).map(String::as_str));
            match spelt.or_else(|| usual.iter().find(|(from, _)| *from == key).map(|(_, to)| *to)) {
                Some(spelt) => out.push_str(spelt),
                None => out.push_str(any_ascii::any_ascii_char(c)),
            }
        }
        out
    }
}

/// A locale's spellings: a letter, and how it is written without it.
type Spellings = (&'static str, &'static [(&'static str, &'static str)]);

/// Spellings that a general transliteration gets wrong.
const USUAL: &[Spellings] = &[
    ("de", &[("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue"), ("ß", "ss"), ("ẞ", "SS")]),
    ("da", &[("æ", "ae"), ("ø", "oe"), ("å", "aa"), ("Æ", "Ae"), ("Ø", "Oe"), ("Å", "Aa")]),
    ("nb", &[("æ", "ae"), ("ø", "oe"), ("å", "aa"), ("Æ", "Ae"), ("Ø", "Oe"), ("Å", "Aa")]),
    ("fi", &[("ä", "a"), ("ö", "o"), ("å", "a")]),
];

/// Lower case, ASCII letters and digits, `-` for everything between.
pub fn slug(text: &str) -> String {
    let ascii = any_ascii::any_ascii(text).to_ascii_lowercase();
    // An apostrophe joins what it stands between: O'Neill is one word.
    let ascii = ascii.replace(['\'', '`'], "");
    let words = ascii.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn failed(function: &str, message: String) -> ExecutionError {
    ExecutionError::FunctionError { function: function.to_owned(), message }
}

fn date(function: &str, text: &str) -> Result<Date, ExecutionError> {
    text.parse().map_err(|_| failed(function, format!("{text:?} is not a date such as 2026-03-31")))
}

fn slug_of(text: &CelString<'_>) -> CelString<'static> {
    slug(text.inner()).into()
}

fn same(a: &CelString<'_>, b: &CelString<'_>) -> CelBool {
    (loose(a.inner()) == loose(b.inner())).into()
}

fn is_zone(text: &CelString<'_>) -> CelBool {
    TimeZone::get(text.inner()).is_ok().into()
}

fn add_days(text: &CelString<'_>, n: &CelInt) -> Result<CelString<'static>, ExecutionError> {
    let days = jiff::Span::new().try_days(*n.inner()).map_err(|e| failed("addDays", e.to_string()))?;
    let later = date("addDays", text.inner())?.checked_add(days).map_err(|e| failed("addDays", e.to_string()))?;
    Ok(later.to_string().into())
}

fn days_between(from: &CelString<'_>, to: &CelString<'_>) -> Result<CelInt, ExecutionError> {
    if from.inner().is_empty() || to.inner().is_empty() {
        return Ok(0.into());
    }
    let (from, to) = (date("daysBetween", from.inner())?, date("daysBetween", to.inner())?);
    Ok(i64::from((to - from).get_days()).into())
}

fn format_date(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    if text.inner().is_empty() {
        return Ok(String::new().into());
    }
    let date = date("formatDate", text.inner())?;
    let shown = jiff::fmt::strtime::format(pattern.inner(), date).map_err(|e| failed("formatDate", e.to_string()))?;
    Ok(shown.into())
}

fn instant(
    day: &CelString<'_>,
    time: &CelString<'_>,
    zone: &CelString<'_>,
) -> Result<CelString<'static>, ExecutionError> {
    if day.inner().is_empty() {
        return Ok(String::new().into());
    }
    let error = |what: String| failed("instant", what);
    let time: Time =
        time.inner().parse().map_err(|_| error(format!("{:?} is not a time such as 09:00", time.inner())))?;
    let zone = TimeZone::get(zone.inner()).map_err(|_| error(format!("{:?} is not a zone", zone.inner())))?;
    let at = zone.to_timestamp(date("instant", day.inner())?.to_datetime(time)).map_err(|e| error(e.to_string()))?;
    Ok(at.to_string().into())
}

/// Declares the functions that need nothing but their arguments.
pub(in crate::domain) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn slug_of: (CelString) -> CelString, name = "slug")?;
    cel::add_overload!(env, fn same: (CelString, CelString) -> CelBool, name = "same")?;
    cel::add_overload!(env, fn is_zone: (CelString) -> CelBool, name = "isZone")?;
    cel::add_overload!(env, fn add_days: (CelString, CelInt) -> Result<CelString>, name = "addDays")?;
    cel::add_overload!(env, fn days_between: (CelString, CelString) -> Result<CelInt>, name = "daysBetween")?;
    cel::add_overload!(env, fn format_date: (CelString, CelString) -> Result<CelString>, name = "formatDate")?;
    cel::add_overload!(env, fn instant: (CelString, CelString, CelString) -> Result<CelString>, name = "instant")
}

/// Adds the functions that need the tables, or take values of several types.
pub(in crate::domain) fn bind(context: &mut Context, tables: &Arc<Tables>) {
    let find = |tables: &Arc<Tables>| {
        let tables = tables.clone();
        move |table: &str, key: &str| tables.get(table).map(|t| t.get(key).to_vec()).unwrap_or_default()
    };
    let text = |text: String| Cel::String(Arc::new(text));
    let (one, or, all) = (find(tables), find(tables), find(tables));
    let spelling = tables.clone();
    let added = [
        context.add_function("lookup", move |table: Arc<String>, key: Arc<String>| {
            Arc::new(one(&table, &key).into_iter().next().unwrap_or_default())
        }),
        context.add_function("lookupOr", move |table: Arc<String>, key: Arc<String>, default: Arc<String>| {
            or(&table, &key).into_iter().next().map_or(default, Arc::new)
        }),
        context.add_function("lookupAll", move |table: Arc<String>, key: Arc<String>| {
            Ok::<Cel, ExecutionError>(Cel::List(Arc::new(all(&table, &key).into_iter().map(text).collect())))
        }),
        context.add_function("transliterate", move |text: Arc<String>, locale: Arc<String>| {
            Arc::new(spelling.transliterate(&text, &locale))
        }),
        context.add_function("first", |list: Cel| -> Result<Cel, ExecutionError> {
            match list {
                Cel::List(items) => Ok(items.first().cloned().unwrap_or_else(|| Cel::String(Arc::default()))),
                other => Err(failed("first", format!("a list is needed, not a {}", other.type_of()))),
            }
        }),
        context.add_function("groupsOfType", |groups: Cel, kind: Arc<String>| -> Result<Cel, ExecutionError> {
            let Cel::Map(groups) = groups else {
                return Err(failed("groupsOfType", "employee.groups is needed".into()));
            };
            let of = groups.map.iter().find(|(title, _)| loose(&title.to_string()) == loose(&kind));
            Ok(of.map_or_else(|| Cel::List(Arc::default()), |(_, names)| names.clone()))
        }),
    ];
    debug_assert!(added.iter().all(Result::is_ok), "each function has a name of its own");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::expr::Engine;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;
    use serde_json::{Value, json};

    fn evaluate(source: &str) -> Result<Value, String> {
        let mut tables = Tables::default();
        let mut roles = Table::default();
        roles.add("Accountant", "Ledger");
        roles.add("accountant", "Expenses");
        roles.add("Controller", "Ledger");
        tables.insert("roles", roles);
        tables.spell("hu", "ő", "oe");
        let engine = Engine::new(tables);
        let employee = Employee { employee_type: "Full-Time".into(), ..an_employee() };
        engine.compile(source)?.evaluate(&engine.bind_employee(&employee))
    }

    #[test]
    fn every_documented_function_can_be_called() {
        for (source, result) in [
            ("slug('Ångström & O\\'Neill, GmbH')", json!("angstrom-oneill-gmbh")),
            ("transliterate('Jürgen Groß', 'de')", json!("Juergen Gross")),
            ("transliterate('Jürgen', '')", json!("Jurgen")),
            ("transliterate('Søren', 'da-DK')", json!("Soeren")),
            ("transliterate('Erdős', 'hu')", json!("Erdoes")),
            ("transliterate('Иван 李', 'de')", json!("Ivan Li")),
            ("same(employee.employee_type, 'full time')", json!(true)),
            ("first(employee.departments) + first([])", json!("Finance")),
            ("groupsOfType(employee.groups, 'office-location')", json!(["Lyon"])),
            ("groupsOfType(employee.groups, 'Division')", json!([])),
            ("lookup('roles', employee.job_title)", json!("Ledger")),
            ("lookup('roles', 'Clown') == ''", json!(true)),
            ("lookupOr('roles', 'Clown', 'None')", json!("None")),
            ("lookupAll('roles', employee.job_title)", json!(["Ledger", "Expenses"])),
            ("addDays(employee.start_date, 30)", json!("2024-03-31")),
            ("daysBetween('2024-02-28', employee.start_date)", json!(2)),
            ("daysBetween('', employee.start_date)", json!(0)),
            ("formatDate(employee.start_date, '%d.%m.%Y')", json!("01.03.2024")),
            ("instant(employee.start_date, '09:00', 'Europe/Paris')", json!("2024-03-01T08:00:00Z")),
            ("isZone('Europe/Paris') && !isZone('Paris')", json!(true)),
        ] {
            assert_eq!(evaluate(source), Ok(result), "{source}");
        }
        for (signature, _) in OURS {
            assert!(is_known(signature.split('(').next().unwrap_or_default()), "{signature}");
        }
    }

    #[test]
    fn bad_dates_zones_and_types_are_errors_with_the_value() {
        assert!(evaluate("addDays('soon', 1)").is_err_and(|e| e.contains("soon")));
        assert!(evaluate("instant('2024-03-01', '9', 'Mars')").is_err_and(|e| e.contains("not a time")));
        assert!(evaluate("instant('2024-03-01', '09:00', 'Mars')").is_err_and(|e| e.contains("Mars")));
        assert!(evaluate("first('x')").is_err_and(|e| e.contains("list")));
        assert!(evaluate("addDays('2024-03-01', 99999999)").is_err());
    }
}
