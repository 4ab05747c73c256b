//! What people are told without having asked: digests of what the audit says, for chat, mail and other programs.
//!
//! **Invariant:** a digest names people and what happened to their access, and no value of any attribute. What is told is
//! decided here, without I/O; `actors/notifier.rs` delivers it.

pub(crate) mod answer;
pub(crate) mod channel;
pub(crate) mod sign_in;
pub(crate) mod size;

use crate::audit::details::agreement;
use crate::audit::reach::{Reached, Unreached};
use crate::audit::{Effect, Event as Audited, Outcome, Row};
use crate::domain::Step;
use crate::domain::text::visible;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// People who are named of each kind; the rest is counted.
const NAMED: usize = 15;
/// Characters of a name that are told.
const NAME: usize = 80;
/// Steps that a template may take.
const FUEL: u64 = 5_000_000;

/// What people can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something waits for somebody's decision, or was decided.
    Hold,
    /// Writes were stopped, or go on.
    Pause,
    /// Another channel, or a recipient of its mail, takes no messages, or takes them again.
    Channel,
    /// Somebody waits for somebody to change something.
    Quarantine,
    /// Okta has refused something.
    Failure,
    /// A leaver's access is cut, and that is proved.
    LeaverDone,
    /// A new hire can sign in.
    HireReady,
    /// A new hire's account is prepared, to be activated when the start has come.
    HirePrepared,
    /// An account is suspended: for a leave of absence, or until more is decided.
    Admission,
    /// A suspension is over: the person can sign in again.
    Return,
    /// Groups or apps were given or taken.
    AccessChange,
    /// An org was compared as a whole.
    Reconciliation,
    /// Somebody else has changed accounts in Okta.
    Drift,
}

impl Event {
    /// All of them, in the order in which they are told.
    pub const ALL: [Event; 13] = [
        Event::Hold,
        Event::Pause,
        Event::Channel,
        Event::Quarantine,
        Event::Failure,
        Event::LeaverDone,
        Event::HireReady,
        Event::HirePrepared,
        Event::Admission,
        Event::Return,
        Event::AccessChange,
        Event::Reconciliation,
        Event::Drift,
    ];

    /// The word in the configuration and in messages for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Event::Hold => "hold",
            Event::Pause => "pause",
            Event::Quarantine => "quarantine",
            Event::Failure => "failure",
            Event::LeaverDone => "leaver_done",
            Event::HireReady => "hire_ready",
            Event::HirePrepared => "hire_prepared",
            Event::Admission => "leave",
            Event::Return => "return",
            Event::AccessChange => "access_change",
            Event::Reconciliation => "reconciliation",
            Event::Drift => "drift",
            Event::Channel => "channel",
        }
    }

    /// The event of a word.
    pub fn parse(word: &str) -> Option<Event> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// Whether it does not wait for the next digest.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Event::Hold | Event::Pause | Event::Channel)
    }

    /// What a row of the audit says to people, and about whom.
    fn of(row: &Row) -> Option<(Event, String)> {
        let hold = || Some((Event::Hold, row.describe()));
        match &row.event {
            // One row for the hold; those of its people are not told one by one.
            Audited::Held(held) if row.target.is_none() => {
                let message = match &held.message {
                    Some(message) => message.clone(),
                    None => format!("{}, {}", held.change.as_str(), held.why),
                };
                Some((Event::Hold, format!("hold {0}: {message}; decide: `holds show {0}`", held.hold)))
            }
            Audited::HoldEnded(_) if row.target.is_none() => hold(),
            Audited::ApprovedAlone(_) | Audited::Reminded(_) => hold(),
            Audited::Paused(_) | Audited::Resumed(_) => Some((Event::Pause, row.describe())),
            Audited::Unreached(_) | Audited::Reached(_) => Some((Event::Channel, row.describe())),
            Audited::Quarantined(_) => Some((Event::Quarantine, String::new())),
            Audited::Reconciled(reconciled) => {
                let org = row.org.as_deref().unwrap_or_default();
                let report = reconciled.report.as_ref().map(|path| format!("; the report is {path}"));
                let agreement = agreement(reconciled.in_agreement, reconciled.people, reconciled.by_decision());
                Some((Event::Reconciliation, format!("{org}: {agreement}{}", report.unwrap_or_default())))
            }
            Audited::Drifted(_) => Some((Event::Drift, String::new())),
            Audited::TakenBack(it) if !it.lost.is_empty() => {
                let profile = row.profile.as_deref().unwrap_or_default();
                let what = "the end of their access was taken back, and not everything comes back by itself";
                Some((Event::Return, format!("{what}: see `explain {profile}`")))
            }
            Audited::Effect(effect) => Some((Event::of_effect(effect)?, String::new())),
            Audited::Misfit { kind, .. } => {
                // Without what it holds: a message names no values.
                let message = format!("row {} of the audit ({kind}) cannot be read by this version", row.seq);
                Some((Event::of_misfit(kind)?, format!("{message}: see `audit list`")))
            }
            Audited::Held(_)
            | Audited::HoldEnded(_)
            | Audited::Observed(_)
            | Audited::Unreadable(_)
            | Audited::Missing(_)
            | Audited::Planned(_)
            | Audited::Done(_)
            | Audited::Correlated(_)
            | Audited::Split(_)
            | Audited::Reviewed(_)
            | Audited::Adopted(_)
            | Audited::ListAccepted(_)
            | Audited::Searched(_)
            | Audited::Approved(_)
            | Audited::ApprovalEnded(_)
            | Audited::RejectionEnded(_)
            | Audited::Withheld(_)
            | Audited::Requested(_)
            | Audited::Undone(_)
            | Audited::Unpinned(_)
            | Audited::AccessEnded(_)
            | Audited::AccessRestored(_)
            | Audited::AccessEndConfirmed(_)
            | Audited::TakenBack(_)
            | Audited::Pruned(_)
            | Audited::Reconfigured(_)
            | Audited::Drained(_)
            | Audited::StoreMoved(_)
            | Audited::Walk(_)
            | Audited::Started(_)
            | Audited::SignedIn(_)
            | Audited::SignInRefused(_)
            | Audited::Viewed(_)
            | Audited::Unknown { .. } => None,
        }
    }

    fn of_effect(effect: &Effect) -> Option<Event> {
        if effect.outcome == Outcome::Refused {
            return Some(Event::Failure);
        }
        if !effect.outcome.is_done() {
            return None;
        }
        match &effect.call.step {
            Step::CreateUser { activate: false, .. } => Some(Event::HirePrepared),
            Step::CreateUser { activate: true, .. } | Step::Activate { .. } => Some(Event::HireReady),
            Step::ReadBack { .. } => Some(Event::LeaverDone),
            Step::Suspend { .. } => Some(Event::Admission),
            Step::Unsuspend { .. } => Some(Event::Return),
            Step::AddGroup { .. } | Step::RemoveGroup { .. } | Step::AssignApp { .. } | Step::UnassignApp { .. } => {
                Some(Event::AccessChange)
            }
            Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::CreateGroup { .. }
            | Step::FreeLogin { .. }
            | Step::Unlock { .. }
            | Step::UpdateUser { .. }
            | Step::ReadProfile { .. }
            | Step::ChangeType { .. }
            | Step::NameInApp { .. }
            | Step::MakeSignIn { .. }
            | Step::SetManager { .. }
            | Step::ClearManager { .. }
            | Step::RevokeSessions { .. }
            | Step::Deactivate { .. }
            | Step::RevokeSessionsAgain { .. }
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::ReadGroupRoles { .. }
            | Step::ListGroups { .. } => None,
        }
    }

    /// Who would have been told of a row that cannot be read.
    fn of_misfit(kind: &str) -> Option<Event> {
        match kind {
            "held" | "hold_ended" | "approved_alone" | "reminded" => Some(Event::Hold),
            "paused" | "resumed" => Some(Event::Pause),
            "quarantined" => Some(Event::Quarantine),
            "effect" => Some(Event::Failure),
            "reconciled" => Some(Event::Reconciliation),
            "drifted" => Some(Event::Drift),
            "unreached" | "reached" => Some(Event::Channel),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    /// What people read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Event::Hold => "Waits for a decision",
            Event::Pause => "Writes paused or resumed",
            Event::Quarantine => "Quarantined",
            Event::Failure => "Refused by Okta",
            Event::LeaverDone => "Leavers done",
            Event::HireReady => "New hires ready",
            Event::HirePrepared => "New hires prepared",
            Event::Admission => "On leave",
            Event::Return => "Back",
            Event::AccessChange => "Access changed",
            Event::Reconciliation => "Reconciliation",
            Event::Drift => "Changed in Okta by somebody else",
            Event::Channel => "Cannot be told, or again",
        })
    }
}

/// What has happened of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
struct Gathered {
    /// Whom it happened to.
    people: BTreeSet<i64>,
    /// What is told in words.
    message: Vec<String>,
    /// How often, where it is not people who are counted.
    times: usize,
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
        gathered.people.extend(row.target);
        if !message.is_empty() && gathered.message.len() < NAMED {
            gathered.message.push(message);
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
                let names = gathered.people.iter().filter_map(|target| names.get(target));
                let named: Vec<String> = names.take(NAMED).map(|name| short(name)).collect();
                let message: Vec<String> = gathered.message.iter().map(|message| visible(message)).collect();
                let count = if gathered.people.is_empty() { gathered.times } else { gathered.people.len() };
                json!({
                    "event": event.as_str(), "title": event.to_string(), "count": count, "people": named,
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
        digest
            .gathered
            .insert(event, Gathered { people: BTreeSet::from([target]), message: vec!["message".into()], times: 1 });
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
    use crate::domain::{AccountStatus, FieldChange};

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
