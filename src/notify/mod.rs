//! What people are told without having asked: digests of what the audit says, for chat, mail and other programs.
//!
//! **Invariant:** a digest names people and what happened to their access, and no value of any attribute. What is told is
//! decided here, without I/O; `actors/notifier.rs` delivers it.

pub(crate) mod answer;
pub(crate) mod channel;
mod event;
pub(crate) mod sign_in;
pub(crate) mod size;

use crate::audit::reach::{Reached, Unreached};
use crate::audit::{Event as Audited, Row};
use crate::domain::text::visible;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub use event::Event;

/// People who are named of each kind; the rest is counted.
const NAMED: usize = 15;
/// Characters of a name that are told.
const NAME: usize = 80;
/// Steps that a template may take.
const FUEL: u64 = 5_000_000;

/// What has happened of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
struct Gathered {
    /// Whom it happened to.
    people: BTreeSet<i64>,
    /// What is told in words, and of whom where it is about somebody.
    message: Vec<(Option<i64>, String)>,
    /// How often, where it is not people who are counted.
    times: usize,
    /// How many of these say that something was decided.
    decided: usize,
}

impl Gathered {
    /// What people read of it: what was decided waits for nobody any more.
    fn title(&self, event: Event) -> String {
        match (event, self.decided) {
            (Event::Hold, n) if n > 0 && n == self.times => "Decided".to_owned(),
            (Event::Hold, n) if n > 0 => "Waits for a decision, or was decided".to_owned(),
            _ => event.to_string(),
        }
    }
}

/// What has happened since the last message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Digest {
    gathered: BTreeMap<Event, Gathered>,
    /// Reports that mail brings along.
    files: Vec<String>,
    /// Holds of which it says what one person has decided alone, with the row that says so.
    announced: Vec<(i64, i64)>,
    /// The first row that is told of, and when the last one was written.
    first: Option<i64>,
    last: String,
}

impl Digest {
    /// Takes a row in, if it is one of `wanted` and as urgent as it should be.
    pub fn row(&mut self, row: &Row, wanted: &BTreeSet<Event>, urgent: bool) {
        // Whoever could say no must hear of it in time, and somebody that nobody else is told any more, whatever they want.
        let is_for_all = matches!(
            row.event,
            Audited::ApprovedAlone(_)
                | Audited::Unreached(Unreached { recipient: None, .. })
                | Audited::Reached(Reached { recipient: None, .. })
                | Audited::Misfit { kind: "approved_alone", .. }
        );
        let is_wanted = |event: &Event| event.is_urgent() == urgent && (is_for_all || wanted.contains(event));
        let Some((event, message)) = Event::of(row).filter(|(event, _)| is_wanted(event)) else {
            return;
        };
        self.first.get_or_insert(row.seq);
        self.last.clone_from(&row.at);
        if let Audited::Reconciled(reconciled) = &row.event {
            self.files.extend(reconciled.report.clone());
        }
        let gathered = self.gathered.entry(event).or_default();
        gathered.times += 1;
        gathered.decided += usize::from(matches!(row.event, Audited::HoldEnded(_)));
        gathered.people.extend(row.target);
        if !message.is_empty() && gathered.message.len() < NAMED {
            gathered.message.push((row.target, message));
            if let Audited::ApprovedAlone(alone) = &row.event {
                self.announced.push((alone.hold, row.seq));
            }
        }
    }

    /// Holds of which it says what one person has decided alone, with the row that says so.
    pub fn announced(&self) -> &[(i64, i64)] {
        &self.announced
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    /// Tells this message from all others: the same whenever it is sent again, whatever was audited meanwhile.
    pub fn id(&self, receiver: &str) -> String {
        let first = self.first.unwrap_or_default();
        let text = format!("{receiver}\n{first}\n{}", self.last);
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        format!("{first}.{}", crate::domain::hex(&sum.as_ref()[..12]))
    }

    /// Reports that mail brings along.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Everybody whose name is needed.
    pub fn people(&self) -> BTreeSet<i64> {
        self.gathered.values().flat_map(|gathered| gathered.people.iter().take(NAMED)).copied().collect()
    }

    /// What templates and programs get.
    pub fn value(&self, names: &BTreeMap<i64, String>, from: i64, to: i64) -> Value {
        let events: Vec<Value> = self
            .gathered
            .iter()
            .map(|(event, gathered)| {
                let known = gathered.people.iter().filter_map(|target| names.get(target));
                let named: Vec<String> = known.take(NAMED).map(|name| short(name)).collect();
                let of_whom = |target: &Option<i64>| Some(format!("{}: ", short(names.get(target.as_ref()?)?)));
                let message = gathered.message.iter();
                let message = message.map(|(who, message)| of_whom(who).unwrap_or_default() + &visible(message));
                let message: Vec<String> = message.collect();
                let count = if gathered.people.is_empty() { gathered.times } else { gathered.people.len() };
                json!({
                    "event": event.as_str(), "title": gathered.title(*event), "count": count, "people": named,
                    "more": gathered.people.len().saturating_sub(named.len()), "message": message,
                })
            })
            .collect();
        json!({ "events": events, "rows": { "from": from, "to": to } })
    }
}

/// A name as it is told: whatever somebody has typed, it is one short word among others.
fn short(name: &str) -> String {
    let cut: String = name.chars().take(NAME).collect();
    let more = if cut.len() < name.len() { "…" } else { "" };
    visible(&format!("{cut}{more}").replace('\n', " "))
}

/// The text of a message where the configuration gives none.
pub const DEFAULT_TEMPLATE: &str = "{% for e in events %}{{ e.title }}: {{ e.count }}
{% for t in e.message %}  {{ t }}
{% endfor %}{% if e.people %}  {{ e.people | join(', ') }}{% if e.more %} and {{ e.more }} more{% endif %}
{% endif %}{% endfor %}";

/// Why a template cannot be filled, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TemplateError {
    line: usize,
    why: minijinja::Error,
}

/// Fills a template.
pub fn render(template: &str, value: &Value) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    let context = minijinja::Value::from(minijinja::value::Serde(value));
    let rendered = environment.render_str(template, context);
    rendered.map_err(|why| TemplateError { line: why.line().unwrap_or(1), why })
}

/// Whether a template can tell of everything there is.
pub fn check(template: &str) -> Result<(), TemplateError> {
    let mut digest = Digest::default();
    for (target, event) in (1..).zip(Event::ALL) {
        digest.gathered.insert(
            event,
            Gathered {
                people: BTreeSet::from([target]),
                message: vec![(None, "message".into())],
                times: 1,
                decided: 0,
            },
        );
    }
    let names = (1..=13).map(|target| (target, format!("Person {target}"))).collect();
    render(template, &digest.value(&names, 1, 2)).map(drop)
}

/// One line over a message.
pub fn subject(value: &Value) -> String {
    let events = value["events"].as_array().into_iter().flatten();
    let message: Vec<String> =
        events.map(|e| format!("{}: {}", e["title"].as_str().unwrap_or_default().to_lowercase(), e["count"])).collect();
    message.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountStatus, FieldChange, Step};

    fn row(target: Option<i64>, kind: &str, detail: Value) -> Row {
        let row = Row::of(&json!({ "seq": 1, "kind": kind, "target": target, "detail": detail }));
        assert!(!matches!(row.event, Audited::Misfit { .. }), "{row:?}");
        row
    }

    fn effect(target: i64, step: Step, outcome: &str) -> Row {
        let detail = json!({
            "step": step, "method": "POST", "path": "/api/v1/users", "body_hash": "", "attempt": 0, "outcome": outcome,
            "why": null, "request_id": null,
        });
        row(Some(target), "effect", detail)
    }

    fn held(target: Option<i64>) -> Row {
        row(target, "held", json!({ "hold": 3, "change": "deactivate", "why": "too many" }))
    }

    fn all() -> BTreeSet<Event> {
        Event::ALL.into()
    }

    #[test]
    fn ten_thousand_changes_are_one_message() {
        let mut digest = Digest::default();
        for target in 0..10_000 {
            let step = Step::AddGroup { id: "00u1".into(), group: "00g1".into(), name: "Finance".into() };
            digest.row(&effect(target, step, "applied"), &all(), false);
        }
        let names = digest.people().into_iter().map(|target| (target, format!("P{target}"))).collect();
        let text = render(DEFAULT_TEMPLATE, &digest.value(&names, 1, 10_000)).expect("renders");
        assert!(text.starts_with("Access changed: 10000\n") && text.contains("and 9985 more"), "{text}");
        assert!(text.len() < 400, "{text}");
    }

    #[test]
    fn what_happened_is_told_and_no_value_of_any_attribute() {
        let mut digest = Digest::default();
        let profile = BTreeMap::from([("secret".to_owned(), json!("x"))]);
        let create = Step::CreateUser { profile, groups: Vec::new(), activate: true, user_type: None };
        digest.row(&effect(1, create, "applied"), &all(), false);
        let change = FieldChange { field: "title".into(), before: Value::Null, after: "y".into() };
        digest.row(&effect(2, Step::UpdateUser { id: "00u2".into(), changes: vec![change] }, "applied"), &all(), false);
        digest.row(&effect(3, Step::Activate { id: "00u3".into(), send_email: false }, "retry"), &all(), false);
        digest.row(&held(None), &all(), false);
        let value = digest.value(&BTreeMap::from([(1, "Ada".to_owned())]), 1, 4);
        let text = render(DEFAULT_TEMPLATE, &value).expect("renders");
        assert_eq!(text, "New hires ready: 1\n  Ada\n", "what does not wait is no part of a digest");
        assert_eq!(subject(&value), "new hires ready: 1");
        assert!(!value.to_string().contains("secret"));
    }

    #[test]
    fn what_does_not_wait_is_a_message_of_its_own() {
        let mut digest = Digest::default();
        digest.row(&held(None), &all(), true);
        digest.row(&held(Some(7)), &all(), true);
        digest.row(&effect(3, Step::Activate { id: "00u3".into(), send_email: false }, "applied"), &all(), true);
        let text = render(DEFAULT_TEMPLATE, &digest.value(&BTreeMap::new(), 1, 4)).expect("renders");
        assert_eq!(text, "Waits for a decision: 1\n  hold 3: deactivate, too many; decide: `holds show 3`\n");
    }

    #[test]
    fn what_was_decided_is_not_told_as_waiting() {
        let ended = json!({ "hold": 3, "change": "deactivate", "verdict": "approved", "by": ["Ann"] });
        let mut digest = Digest::default();
        digest.row(&row(None, "hold_ended", ended), &all(), true);
        assert_eq!(subject(&digest.value(&BTreeMap::new(), 1, 1)), "decided: 1");
        digest.row(&held(None), &all(), true);
        assert_eq!(subject(&digest.value(&BTreeMap::new(), 1, 2)), "waits for a decision, or was decided: 2");
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_told_to_whoever_else_there_is() {
        let mut digest = Digest::default();
        let one = json!({ "channel": "hr", "recipient": "ann@acme.com", "said": "550 no such user" });
        digest.row(&row(None, "unreached", one.clone()), &BTreeSet::new(), true);
        assert!(digest.is_empty(), "one recipient of several concerns only who wants to hear of it");
        digest.row(&row(None, "unreached", one), &all(), true);
        let whole = json!({ "channel": "it", "said": "it answered 404" });
        digest.row(&row(None, "unreached", whole), &BTreeSet::new(), true);
        let text = render(DEFAULT_TEMPLATE, &digest.value(&BTreeMap::new(), 1, 4)).expect("renders");
        assert!(["ann@acme.com", "550 no such user", "\"it\"", "404"].iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_message_has_one_name_however_often_it_is_sent_and_a_name_of_a_megabyte_is_short() {
        let mut digest = Digest::default();
        digest.row(&effect(1, Step::Activate { id: "00u3".into(), send_email: false }, "applied"), &all(), false);
        let again = digest.clone();
        digest.row(&held(None), &all(), false);
        assert_eq!(digest.id("notify hr"), again.id("notify hr"));
        assert_ne!(digest.id("notify hr"), digest.id("notify it"));
        let names = BTreeMap::from([(1, format!("\u{1b}[2J{}", "x".repeat(1 << 20)))]);
        let text = render(DEFAULT_TEMPLATE, &digest.value(&names, 1, 4)).expect("renders");
        assert!(text.len() < 200 && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn people_are_told_of_the_same_rows_as_before_and_in_the_same_words() {
        let message = |row: &str| match Event::of(&Row::read(row).expect("a row")) {
            None => "-".to_owned(),
            Some((event, message)) => format!("{} {message}", event.as_str()).trim_end().to_owned(),
        };
        let message: Vec<String> = include_str!("../audit/golden/rows.jsonl").lines().map(message).collect();
        assert_eq!(message, include_str!("../audit/golden/notices.txt").lines().collect::<Vec<_>>());
    }

    #[test]
    fn only_what_a_channel_wants_is_told() {
        let mut digest = Digest::default();
        let suspend = Step::Suspend { id: "00u1".into(), status: AccountStatus::Active };
        digest.row(&effect(1, suspend, "applied"), &BTreeSet::from([Event::Return]), false);
        assert!(digest.is_empty());
    }

    #[test]
    fn a_row_that_cannot_be_read_is_told_of_without_what_it_holds() {
        let mut digest = Digest::default();
        let row = json!({ "seq": 7, "kind": "approved_alone", "detail": { "hold": "three", "secret": "x" } });
        digest.row(&Row::of(&row), &BTreeSet::new(), true);
        assert!(!digest.is_empty(), "whoever could say no hears of it");
        let text = render(DEFAULT_TEMPLATE, &digest.value(&BTreeMap::new(), 7, 7)).expect("renders");
        let message = "row 7 of the audit (approved_alone) cannot be read by this version: see `audit list`";
        assert_eq!(text, format!("Waits for a decision: 1\n  {message}\n"));
    }

    #[test]
    fn a_template_with_an_error_says_where() {
        assert!(check(DEFAULT_TEMPLATE).is_ok());
        let why = check("fine\n{{ nothing.of.that }}").expect_err("no such value");
        assert!(why.to_string().starts_with("line 2: "), "{why}");
        assert!(check("{% for e in events %}").is_err());
        assert!(check("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}").is_err());
    }
}
