//! Finding people: a search over everybody, sorted and page by page, from a list that is kept for as long as somebody asks.
//!
//! **Invariant:** what is listed was so at most some seconds ago, and the answer says when; nobody is decided about from it.

use crate::clock::Moment;
use crate::store::{ListedPerson, Location, Stand, Store, StoreError};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A list is read again in the background once it is older.
const FRESH: Duration = Duration::from_secs(5);
/// A list that is older is not shown: it is read first.
const OLDEST: Duration = Duration::from_secs(60);
/// People of one page, and at most.
const SIZE: usize = 50;
const LARGEST: usize = 100_000;

/// A search that cannot be understood: what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misasked(String);

/// Everybody, at one moment.
pub struct Everybody {
    /// When the store was read: what is listed was so then.
    pub at: Moment,
    people: Vec<ListedPerson>,
    /// What each is found by: name, addresses, department, title and ids, as they are compared.
    keys: Vec<String>,
}

/// As texts are compared: without case and accents, in letters that everybody can type.
fn key(text: &str) -> String {
    any_ascii::any_ascii(text).to_lowercase()
}

impl Everybody {
    /// A list of these people, in their order.
    pub fn new(people: Vec<ListedPerson>, at: Moment) -> Self {
        let keys = people
            .iter()
            .map(|p| {
                let login =
                    p.login.as_deref().filter(|login| !login.eq_ignore_ascii_case(&p.email)).unwrap_or_default();
                key(&[&p.name, &p.email, login, &p.department, &p.title, &p.employee_id, &p.profile].join("\n"))
            })
            .collect();
        Self { at, people, keys }
    }

    /// Whether it may be shown. A list of nobody is read again: a service that has just started is about to know people.
    fn is_current(&self, now: Moment) -> bool {
        !self.people.is_empty() && self.at <= now && now.since(self.at) < OLDEST
    }

    /// The targets of an org who may start in the next `days`, whatever their zone is.
    pub fn starting(&self, org: &str, days: u16, now: Moment) -> Vec<i64> {
        let today = TimeZone::UTC.to_datetime(now.timestamp()).date();
        let (first, last) = (today.saturating_sub(2.days()), today.saturating_add((i32::from(days) + 2).days()));
        let may_start = |p: &&ListedPerson| {
            *p.org == *org && p.starts.is_some_and(|(earliest, latest)| latest >= first && earliest <= last)
        };
        self.people.iter().filter(may_start).map(|p| p.target).collect()
    }

    /// Answers a search: see the fields of `/people`.
    pub fn search(&self, query: &Value) -> Result<Value, Misasked> {
        let text = |name: &str| query[name].as_str().unwrap_or_default();
        let words: Vec<String> = key(text("text")).split_whitespace().map(str::to_owned).collect();
        let state = match text("state") {
            "" => None,
            word => Some(Stand::ALL.into_iter().find(|stand| stand.as_str() == word).ok_or_else(|| {
                let known = Stand::ALL.map(Stand::as_str).join(", ");
                Misasked(format!("state: {word:?} is none; there are {known}"))
            })?),
        };
        let (org, profile) = (text("org"), text("profile"));
        let only_leavers = query["leavers"].as_bool().unwrap_or(false);
        let fits = |(n, p): &(usize, &ListedPerson)| {
            (org.is_empty() || *p.org == *org)
                && (!only_leavers || p.is_leaver())
                && (profile.is_empty() || p.profile == profile)
                && words.iter().all(|word| self.keys[*n].contains(word.as_str()))
        };
        let found: Vec<(usize, &ListedPerson)> = self.people.iter().enumerate().filter(fits).collect();
        let mut states: BTreeMap<&str, usize> = Stand::ALL.iter().map(|stand| (stand.as_str(), 0)).collect();
        for (_, person) in &found {
            *states.entry(person.stand.as_str()).or_default() += 1;
        }
        let mut shown: Vec<(usize, &ListedPerson)> =
            found.into_iter().filter(|(_, p)| state.is_none_or(|state| p.stand == state)).collect();
        self.sort(&mut shown, text("sort"))?;
        let size = number(query, "size", SIZE)?.min(LARGEST);
        let page = number(query, "page", 1)?;
        let total = shown.len();
        let rows = shown.into_iter().skip((page - 1).saturating_mul(size)).take(size);
        let rows: Vec<Value> = rows.map(|(_, person)| line(person)).collect();
        Ok(json!({
            "at": self.at.to_string(), "people": rows, "total": total, "of": self.people.len(), "page": page, "size": size,
            "states": states, "leavers": self.people.iter().filter(|p| p.is_leaver()).count(),
        }))
    }

    /// The name of a person, as it is compared.
    fn name(&self, n: usize) -> &str {
        self.keys[n].split('\n').next().unwrap_or_default()
    }

    fn sort(&self, people: &mut [(usize, &ListedPerson)], by: &str) -> Result<(), Misasked> {
        let (word, backwards) = by.strip_prefix('-').map_or((by, false), |word| (word, true));
        let compared: Compared = match word {
            "" => return Ok(()),
            "name" => |_, _| Ordering::Equal,
            "login" => |a, b| a.login.cmp(&b.login),
            "department" => |a, b| a.department.cmp(&b.department),
            "org" => |a, b| a.org.cmp(&b.org),
            "status" => |a, b| a.status.cmp(&b.status),
            "account" => |a, b| a.account.cmp(&b.account),
            "state" => |a, b| a.stand.cmp(&b.stand),
            "since" => |a, b| a.since.cmp(&b.since),
            "start" => |a, b| a.start.cmp(&b.start),
            "departure" => |a, b| a.departure.cmp(&b.departure),
            "ended" => |a, b| a.ended.cmp(&b.ended),
            _ => {
                return Err(Misasked(format!(
                    "sort: {word:?} is no column; there are name, login, department, org, status, account, state, since, start, \
                     departure, ended"
                )));
            }
        };
        if word == "name" {
            people.sort_by(|a, b| self.name(a.0).cmp(self.name(b.0)));
        } else {
            people.sort_by(|a, b| compared(a.1, b.1));
        }
        if backwards {
            people.reverse();
        }
        Ok(())
    }
}

fn number(query: &Value, name: &str, default: usize) -> Result<usize, Misasked> {
    match query[name].as_i64() {
        None => Ok(default),
        Some(given) => usize::try_from(given)
            .ok()
            .filter(|given| *given > 0)
            .ok_or_else(|| Misasked(format!("{name}: {given} is too small; pages and sizes begin with 1"))),
    }
}

type Compared = fn(&ListedPerson, &ListedPerson) -> Ordering;

fn line(p: &ListedPerson) -> Value {
    json!({
        "target": p.target, "org": &*p.org, "tenant": &*p.tenant, "profile": p.profile, "name": p.name, "email": p.email,
        "login": p.login, "department": &*p.department, "title": &*p.title, "office": &*p.office, "status": &*p.status,
        "employee_id": p.employee_id, "start": p.start, "departure": p.departure, "account": p.account.as_deref(),
        "state": p.stand.as_str(), "reason": p.reason, "since": p.since, "ended": p.ended,
    })
}

/// The list that is kept.
#[derive(Clone, Default)]
pub struct People {
    kept: Arc<Mutex<Option<Arc<Everybody>>>>,
    is_read: Arc<AtomicBool>,
}

impl People {
    fn kept(&self) -> MutexGuard<'_, Option<Arc<Everybody>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list of the store at `place`: the one that is kept while it is new enough.
    pub fn list(&self, place: &Location, now: Moment) -> Result<Arc<Everybody>, StoreError> {
        let mut kept = self.kept();
        if let Some(known) = kept.as_ref().filter(|known| known.is_current(now)) {
            let known = known.clone();
            drop(kept);
            if now.since(known.at) >= FRESH {
                self.read_beside(place, now);
            }
            return Ok(known);
        }
        // Who comes meanwhile waits for the same list.
        let new = Arc::new(read(place, now)?);
        *kept = Some(new.clone());
        Ok(new)
    }

    /// Reads it again while the one from before is shown.
    fn read_beside(&self, place: &Location, now: Moment) {
        if self.is_read.swap(true, Memory::SeqCst) {
            return;
        }
        let (people, place) = (self.clone(), place.clone());
        let reads = move || {
            match read(&place, now) {
                Ok(new) => *people.kept() = Some(Arc::new(new)),
                // The list from before is shown until it is too old; then its reader is told why.
                Err(e) => tracing::debug!(error = %e, "the list of people could not be read again"),
            }
            people.is_read.store(false, Memory::SeqCst);
        };
        if std::thread::Builder::new().name("people".into()).spawn(reads).is_err() {
            self.is_read.store(false, Memory::SeqCst);
        }
    }
}

fn read(place: &Location, now: Moment) -> Result<Everybody, StoreError> {
    Ok(Everybody::new(crate::store::listed_people(&*Store::reader(place)?)?, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(target: i64, name: &str, department: &str, stand: Stand) -> ListedPerson {
        ListedPerson {
            target,
            org: "main".into(),
            tenant: "acme".into(),
            profile: format!("p{target}"),
            name: name.into(),
            email: format!("{target}@acme.com"),
            login: None,
            department: department.into(),
            title: "".into(),
            office: "".into(),
            status: "active".into(),
            employee_id: String::new(),
            start: None,
            departure: None,
            account: None,
            stand,
            reason: None,
            since: None,
            ended: None,
            starts: None,
        }
    }

    fn everybody() -> Everybody {
        let people = vec![
            person(1, "Zoë Müller", "Sales", Stand::Done),
            person(2, "Ann Lee", "Legal", Stand::Held),
            person(3, "李 小龙", "Sales", Stand::Done),
        ];
        Everybody::new(people, Moment::from_secs(0))
    }

    fn found(query: Value) -> Vec<i64> {
        let answer = everybody().search(&query).expect("answers");
        answer["people"].as_array().expect("people").iter().filter_map(|p| p["target"].as_i64()).collect()
    }

    #[test]
    fn people_are_found_by_any_part_of_what_is_known_without_accents_or_the_right_alphabet() {
        assert_eq!(found(json!({ "text": "muller" })), [1]);
        assert_eq!(found(json!({ "text": "MÜLLER sales" })), [1]);
        assert_eq!(found(json!({ "text": "xiao" })), [3]);
        assert_eq!(found(json!({ "text": "acme.com", "state": "held" })), [2]);
        assert_eq!(found(json!({ "text": "nobody" })), [0; 0]);
        assert_eq!(found(json!({ "profile": "p2" })), [2]);
    }

    #[test]
    fn lists_are_sorted_and_paged_and_say_how_many_there_are() {
        assert_eq!(found(json!({ "sort": "name" })), [2, 3, 1]);
        assert_eq!(found(json!({ "sort": "-name", "size": 1, "page": 2 })), [3]);
        let answer = everybody().search(&json!({ "text": "sales", "state": "done", "size": 1 })).expect("answers");
        assert_eq!((&answer["total"], &answer["of"], &answer["states"]["held"]), (&json!(2), &json!(3), &json!(0)));
        let refused = |query: Value| everybody().search(&query).expect_err("refused").to_string();
        assert!(refused(json!({ "sort": "salary" })).contains("there are name, login"));
        assert!(refused(json!({ "state": "lost" })).contains("there are quarantined, held"));
        assert!(refused(json!({ "page": 0 })).contains("begin with 1"));
    }
}
