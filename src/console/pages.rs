//! Filling the pages: templates that are compiled in, and what they write numbers, times and states with.

use crate::clock::Moment;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;
use std::sync::LazyLock;
use std::time::Duration;

/// Steps that a template may take: enough for a page of some thousand lines, and an end for one that loops.
const FUEL: u64 = 5_000_000;

const TEMPLATES: &[(&str, &str)] = &[
    ("access.html", include_str!("templates/access.html")),
    ("alone.html", include_str!("templates/alone.html")),
    ("attention.html", include_str!("templates/attention.html")),
    ("audit.html", include_str!("templates/audit.html")),
    ("decide.html", include_str!("templates/decide.html")),
    ("ending.html", include_str!("templates/ending.html")),
    ("help.html", include_str!("templates/help.html")),
    ("hold.html", include_str!("templates/hold.html")),
    ("holds.html", include_str!("templates/holds.html")),
    ("layout.html", include_str!("templates/layout.html")),
    ("leavers.html", include_str!("templates/leavers.html")),
    ("list.html", include_str!("templates/list.html")),
    ("mapping.html", include_str!("templates/mapping.html")),
    ("mapping_diff.html", include_str!("templates/mapping_diff.html")),
    ("mapping_form.html", include_str!("templates/mapping_form.html")),
    ("mapping_test.html", include_str!("templates/mapping_test.html")),
    ("match.html", include_str!("templates/match.html")),
    ("matches.html", include_str!("templates/matches.html")),
    ("orgs.html", include_str!("templates/orgs.html")),
    ("people.html", include_str!("templates/people.html")),
    ("person.html", include_str!("templates/person.html")),
    ("plan.html", include_str!("templates/plan.html")),
    ("plan_decide.html", include_str!("templates/plan_decide.html")),
    ("plan_person.html", include_str!("templates/plan_person.html")),
    ("plan_print.html", include_str!("templates/plan_print.html")),
    ("plans.html", include_str!("templates/plans.html")),
    ("quarantine.html", include_str!("templates/quarantine.html")),
    ("starters.html", include_str!("templates/starters.html")),
    ("tonight.html", include_str!("templates/tonight.html")),
    ("trouble.html", include_str!("templates/trouble.html")),
    ("undo.html", include_str!("templates/undo.html")),
];

static PAGES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(environment);

fn environment() -> Result<Environment<'static>, Error> {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    pages.set_fuel(Some(FUEL));
    pages.add_filter("number", number);
    pages.add_filter("people", people);
    pages.add_filter("seconds", |seconds: f64| {
        span(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
    });
    pages.add_filter("time", time);
    pages.add_filter("ago", ago);
    pages.add_filter("words", |word: String| word.replace('_', " ").to_lowercase());
    pages.add_filter("plain", plain);
    pages.add_filter("meter", meter);
    pages.add_filter("bars", bars);
    pages.add_filter("urlencode", |text: String| encoded(&text));
    for (name, template) in TEMPLATES {
        pages.add_template(name, template)?;
    }
    Ok(pages)
}

/// Fills one of the pages; everything that is put into it is escaped.
pub fn fill(name: &str, context: impl Serialize) -> Result<String, String> {
    let pages = PAGES.as_ref().map_err(|e| format!("{e:#}"))?;
    let page = pages.get_template(name).and_then(|page| page.render(Value::from(Serde(context))));
    page.map_err(|e| format!("the page {name} cannot be filled: {e:#}"))
}

/// A text as part of an address.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// With a narrow space between thousands.
fn number(value: f64) -> String {
    let whole = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("−{text}") } else { text }
}

fn people(count: f64) -> String {
    if (count - 1.0).abs() < 0.5 { "1 person".into() } else { format!("{} people", number(count)) }
}

/// A time for people: two units at most.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn moment(value: &Value) -> Option<Moment> {
    match value.as_str() {
        Some(text) => text.parse::<jiff::Timestamp>().ok().map(Moment::from),
        None => i64::try_from(value.clone()).ok().map(Moment::from_millis),
    }
}

/// A moment: in UTC here, in the zone of the reader once the script has seen it.
fn time(value: Value) -> Result<Value, Error> {
    let Some(at) = moment(&value) else { return Ok(value) };
    let (machine, shown) =
        (at.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ"), at.timestamp().strftime("%-d %b %Y, %H:%M:%S UTC"));
    Ok(Value::from_safe_string(format!("<time datetime=\"{machine}\">{shown}</time>")))
}

/// How long before `now` it was.
fn ago(value: Value, now: i64) -> Result<String, Error> {
    let at = moment(&value).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{value} is no moment")))?;
    Ok(span(Moment::from_millis(now).since(at)))
}

/// A value of a document, as people read it.
fn plain(value: Value) -> String {
    if value.is_none() || value.is_undefined() {
        return "–".into();
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A bar that shows `part` of `whole`.
fn meter(part: f64, whole: f64) -> Value {
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    let percent = (share * 100.0).round();
    Value::from_safe_string(format!(
        "<svg class=\"meter\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{percent} percent\"><rect \
         class=\"track\" width=\"100\" height=\"6\" rx=\"1\"/><rect class=\"bar\" width=\"{percent}\" height=\"6\" rx=\"1\"/></svg>"
    ))
}

/// Bars of a list of `[name, number]`, the ten largest.
fn bars(value: Value) -> Result<Value, Error> {
    let mut rows = Vec::new();
    for pair in value.try_iter()? {
        let (name, count) = (pair.get_item(&Value::from(0))?, pair.get_item(&Value::from(1))?);
        rows.push((plain(name), f64::try_from(count)?));
    }
    let most = rows.iter().map(|(_, count)| *count).fold(1.0, f64::max);
    let (shown, rest) = rows.split_at(rows.len().min(10));
    let mut svg = format!("<svg class=\"chart\" viewBox=\"0 0 480 {}\" role=\"list\">", shown.len() * 26);
    for (n, (name, count)) in shown.iter().enumerate() {
        let (y, width) = (n * 26, 220.0 * count / most);
        let short: String = name.chars().take(28).collect();
        svg.push_str(&format!(
            "<g role=\"listitem\"><title>{}: {}</title><text x=\"0\" y=\"{}\">{}</text><rect class=\"bar\" x=\"190\" y=\"{}\" \
             width=\"{width:.1}\" height=\"14\" rx=\"2\"/><text x=\"{:.1}\" y=\"{}\">{}</text></g>",
            escaped(name),
            number(*count),
            y + 15,
            escaped(&short),
            y + 4,
            198.0 + width,
            y + 15,
            number(*count),
        ));
    }
    svg.push_str("</svg>");
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|(_, count)| count).sum();
        svg.push_str(&format!("<p class=\"small faint\">and {} in {} more</p>", number(sum), rest.len()));
    }
    Ok(Value::from_safe_string(svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_times_and_lengths_are_written_for_people() {
        assert_eq!(
            (number(1_234_567.0), number(999.0), number(0.0)),
            ("1\u{202f}234\u{202f}567".into(), "999".into(), "0".into())
        );
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([said(59), said(61), said(3 * 3600 + 120), said(200_000)], ["59 s", "1 min", "3 h 2 min", "2 days"]);
        let shown = time(Value::from(0_i64)).expect("a time").to_string();
        assert_eq!(shown, "<time datetime=\"1970-01-01T00:00:00Z\">1 Jan 1970, 00:00:00 UTC</time>");
        assert_eq!(ago(Value::from("1970-01-01T00:00:30Z"), 90_000).expect("a length"), "1 min");
        assert_eq!((people(1.0), people(1200.0)), ("1 person".into(), "1\u{202f}200 people".into()));
    }

    #[test]
    fn names_stay_text_in_charts() {
        let rows = vec![Value::from(vec![Value::from("<script>&\"'"), Value::from(3)])];
        let svg = bars(Value::from(rows)).expect("bars").to_string();
        assert!(svg.contains("&lt;script&gt;&amp;&quot;&#39;") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn every_template_can_be_read() {
        environment().expect("every template");
    }
}
