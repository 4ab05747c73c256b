//! Everybody, in one list: to be searched, sorted and paged in memory.

use crate::domain::work::machine::State;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::listing;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// How far the work on somebody is, for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Cannot go on until somebody changes something.
    Quarantined,
    /// Some of their changes wait for an approval.
    Held,
    /// Nobody can tell which account is theirs.
    Undecided,
    /// Has something to do, and is worked on or in the queue.
    Waiting,
    /// Okta is proved to hold what they should have, or there was never anything to do.
    Done,
}

impl Stand {
    /// All of them, what waits for a person first.
    pub const ALL: [Stand; 5] = [Stand::Quarantined, Stand::Held, Stand::Undecided, Stand::Waiting, Stand::Done];

    /// The word in addresses and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stand::Quarantined => "quarantined",
            Stand::Held => "held",
            Stand::Undecided => "undecided",
            Stand::Waiting => "under way",
            Stand::Done => "done",
        }
    }
}

/// Somebody in one org.
#[derive(Clone, Debug)]
pub struct ListedPerson {
    /// Number of the target.
    pub target: i64,
    /// The org, by its name in the configuration.
    pub org: Arc<str>,
    /// Tenant of the profile that is shown, by its name in the configuration.
    pub tenant: Arc<str>,
    /// UUID of this profile: one that is routed to the org, if any is.
    pub profile: String,
    /// The name that it shows; its UUID if it shows none or cannot be read.
    pub name: String,
    /// Its email; empty without one.
    pub email: String,
    /// Login of the account, as logins are compared; `None` without an account.
    pub login: Option<String>,
    /// The first of its departments; empty without one.
    pub department: Arc<str>,
    /// Its job title; empty without one.
    pub title: Arc<str>,
    /// The first of its offices; empty without one.
    pub office: Arc<str>,
    /// What Namely calls them: active, inactive, pending.
    pub status: Arc<str>,
    /// The number that HR has given them.
    pub employee_id: String,
    /// Its first day; `None` if Namely gives none.
    pub start: Option<Date>,
    /// Its last day; `None` if Namely gives none.
    pub departure: Option<Date>,
    /// The status of the account in Okta.
    pub account: Option<Arc<str>>,
    /// How far the work on them is.
    pub stand: Stand,
    /// Why nobody can tell which account is theirs, else what is said of the work; `None` if nothing is.
    pub reason: Option<String>,
    /// Since when there is something to do, in milliseconds.
    pub since: Option<i64>,
    /// Since when access is over, in milliseconds.
    pub ended: Option<i64>,
    /// The earliest and the latest first day that any profile of theirs has.
    pub starts: Option<(Date, Date)>,
}

impl ListedPerson {
    /// Whether their access is over, or will be on a day that Namely knows.
    pub fn is_leaver(&self) -> bool {
        self.ended.is_some() || self.departure.is_some()
    }
}

/// What of a document a list needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    email: String,
    first_name: String,
    last_name: String,
    preferred_name: String,
    departments: Vec<String>,
    offices: Vec<String>,
    job_title: String,
    employee_id: String,
    user_status: serde_json::Value,
    start_date: Option<Date>,
    departure_date: Option<Date>,
}

/// Texts that many people share are kept once.
#[derive(Default)]
struct Shared(HashSet<Arc<str>>);

impl Shared {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// Everybody that the store knows, each once in each org, in the order in which they became known.
pub fn listed_people(c: &Tx) -> Result<Vec<ListedPerson>, StoreError> {
    let (mut found, mut shared): (Vec<ListedPerson>, Shared) = Default::default();
    listing::everybody(c, |row| match found.last_mut().filter(|last| last.target == row.target) {
        None => found.push(listed(row, &mut shared)),
        Some(last) => {
            let start = serde_json::from_str::<Shown>(&row.doc).ok().and_then(|shown| shown.start_date);
            last.starts = last.starts.map_or_else(
                || start.map(|start| (start, start)),
                |(first, latest)| Some(start.map_or((first, latest), |start| (first.min(start), latest.max(start)))),
            );
        }
    })?;
    found.shrink_to_fit();
    Ok(found)
}

fn listed(row: listing::Row, shared: &mut Shared) -> ListedPerson {
    // A document that cannot be read leaves its person in the list, under their id.
    let shown: Shown = serde_json::from_str(&row.doc).unwrap_or_else(|_| Shown::default());
    let first = if shown.preferred_name.is_empty() { &shown.first_name } else { &shown.preferred_name };
    let name = format!("{first} {}", shown.last_name);
    let stand = match row.state {
        Some(State::Quarantined) => Stand::Quarantined,
        Some(State::Held) => Stand::Held,
        _ if row.conflict.is_some() => Stand::Undecided,
        Some(State::Ready) if row.is_dirty => Stand::Waiting,
        _ => Stand::Done,
    };
    let status = shown.user_status.as_str().or_else(|| shown.user_status["other"].as_str()).unwrap_or("cannot be read");
    ListedPerson {
        target: row.target,
        org: shared.text(&row.org),
        tenant: shared.text(&row.tenant),
        name: if name.trim().is_empty() { row.profile.clone() } else { name.trim().to_owned() },
        profile: row.profile,
        email: shown.email,
        login: row.login,
        department: shared.text(shown.departments.first().map_or("", String::as_str)),
        title: shared.text(&shown.job_title),
        office: shared.text(shown.offices.first().map_or("", String::as_str)),
        status: shared.text(status),
        employee_id: shown.employee_id,
        start: shown.start_date,
        departure: shown.departure_date,
        account: row.status.as_deref().map(|status| shared.text(status)),
        stand,
        reason: row.conflict.or(row.reason),
        since: row.since.filter(|_| stand != Stand::Done),
        ended: row.ended_at,
        starts: shown.start_date.map(|start| (start, start)),
    }
}
