//! What people decide, as rows that the service acts upon: the same whether they ask over HTTP or beside the service.

use super::routes::Ask;
use crate::clock::Moment;
use crate::identity::pins::Pins;
use crate::identity::{Change, Rulebook};
use crate::store::{
    Approval, Opined, Opinion, Store, StoreError, Voted, Wish, accept_adoption, accept_list, adoption, approve, find,
    held_people, opine, org_of_hold, pause, request, resume, retry, split_outlook, vote,
};
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Where decisions are written down, and what they can be about.
#[derive(Clone)]
pub struct Desk {
    /// The file.
    pub store: PathBuf,
    pub orgs: Vec<String>,
    pub rules: Arc<Rulebook>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotThere(why) => Refusal::NotFound(why),
            StoreError::Busy { .. } | StoreError::NotNow(_) => Refusal::Conflict(e.to_string()),
            e => Refusal::Failed(e.to_string()),
        }
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Refusal::Failed(e.to_string())
    }
}

impl Desk {
    /// A number of the path.
    pub fn number(&self, text: &str) -> Result<i64, Refusal> {
        text.parse().map_err(|_| Refusal::Bad(format!("{text:?} is not a number")))
    }

    /// An org, which must be there.
    pub fn org<'n>(&self, name: &'n str) -> Result<&'n str, Refusal> {
        if self.orgs.iter().any(|org| org == name) {
            return Ok(name);
        }
        Err(Refusal::NotFound(format!("there is no org {name:?}; there are {}", self.orgs.join(", "))))
    }

    /// The targets that a person has, in all orgs.
    pub fn targets(&self, c: &Connection, person: &str) -> Result<Vec<(String, i64)>, Refusal> {
        let mut found = Vec::new();
        for org in &self.orgs {
            found.extend(find(c, org, person)?.into_iter().map(|target| (org.clone(), target)));
        }
        if found.is_empty() {
            let how = "give a profile UUID, an email, a login or a full name";
            return Err(Refusal::NotFound(format!("nobody is called {person:?}; {how}")));
        }
        Ok(found)
    }

    /// Writes down what `by` decides; `None` if `ask` is about something else. `parts` stand for the braces of the path,
    /// `body` was checked.
    pub fn decide(
        &self,
        ask: Ask,
        by: &str,
        parts: &[String],
        body: &Value,
        now: Moment,
    ) -> Result<Option<Value>, Refusal> {
        let operator = || Store::operator(&self.store);
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let told = match ask {
            Ask::Approve | Ask::Reject => {
                hold(&operator()?, ask == Ask::Approve, by, self.number(&parts[0])?, body, now)?
            }
            Ask::Retry => self.try_again(&operator()?, by, body, now)?,
            Ask::Pause => {
                let org = body["org"].as_str().map(|name| self.org(name)).transpose()?;
                let change = body["change"].as_str().map(change).transpose()?;
                let id = pause(&operator()?, org, change, text("why"), by, now)?;
                json!({ "pause": id, "org": org, "change": change, "why": text("why"), "by": by })
            }
            Ask::Resume => match resume(&operator()?, body["id"].as_i64(), by, now)? {
                0 => return Err(Refusal::NotFound("nothing to resume: no such pause lasts".into())),
                ended => json!({ "resumed": ended, "by": by }),
            },
            Ask::Adopt => {
                let org = self.org(&parts[0])?;
                let c = operator()?;
                let report = adoption(&c, &self.rules, org, now)?;
                let missing = report.missing();
                if !missing.is_empty() {
                    let told = format!("the report of {org} is not complete yet: {}", missing.join(", "));
                    return Err(Refusal::Conflict(told));
                }
                if let Some(code) = body["code"].as_str().filter(|code| *code != report.code) {
                    return Err(Refusal::Conflict(format!(
                        "the report of {org} is not what {code} stands for any more: look at it again with `adopt` (its code is {} now)",
                        report.code
                    )));
                }
                let new = accept_adoption(&c, org, &report.waiting, by, now)?;
                json!({ "org": org, "tenants": report.waiting, "new": new, "by": by })
            }
            Ask::AcceptList => {
                let (org, c) = (self.org(&parts[0])?, operator()?);
                accept_list(&c, org, by)?;
                request(&c, org, &Wish::Reread, by, now)?;
                json!({ "org": org, "by": by })
            }
            Ask::AcceptReview | Ask::RejectReview => {
                let (id, accept) = (self.number(&parts[0])?, ask == Ask::AcceptReview);
                self.review(&operator()?, id, accept, by, body, now)?
            }
            Ask::Split => {
                let c = operator()?;
                let (org, profile) = (self.org(text("org"))?, text("profile"));
                let outlook = split_outlook(&c, &self.rules, org, profile, now)?;
                let nobody =
                    || Refusal::NotFound(format!("no profile {profile:?} is linked in {org}; see `links list`"));
                let (link, outlook) = outlook.ok_or_else(nobody)?;
                if let Some(why) = outlook.refused {
                    return Err(Refusal::Conflict(why));
                }
                if text("code") != outlook.code {
                    return Err(Refusal::Conflict(format!(
                        "the split is not what was shown any more: {}; look at it again with `links show {profile}` (its code is {} now)",
                        outlook.changed_since(text("code")),
                        outlook.code
                    )));
                }
                let wish = Wish::Split { tenant: link.tenant, profile: link.profile, why: text("why").to_owned() };
                json!({ "request": request(&c, org, &wish, by, now)?, "org": org, "profile": profile, "by": by })
            }
            Ask::ApprovePlan => {
                let people: Vec<Approval> = people(body)?;
                let expires: jiff::Timestamp =
                    text("expires").parse().map_err(|e| Refusal::Bad(format!("expires is no time: {e}")))?;
                approve(&mut operator()?, &people, text("plan"), by, now, Moment::from(expires))?;
                json!({ "approved": people.len(), "by": by })
            }
            Ask::Undo => {
                let pins: Vec<Pinned> = people(body)?;
                let pins = pins.into_iter().map(|one| (one.target, one.pins)).collect();
                self.wish(&operator()?, body, Wish::Undo { pins, why: text("why").to_owned() }, by, now)?
            }
            Ask::Release => self.wish(&operator()?, body, Wish::Release { targets: targets(body) }, by, now)?,
            Ask::Fix => self.wish(&operator()?, body, Wish::Fix { targets: targets(body) }, by, now)?,
            Ask::Reconcile => {
                let orgs = match body["org"].as_str() {
                    Some(name) => vec![self.org(name)?.to_owned()],
                    None => self.orgs.clone(),
                };
                let c = operator()?;
                let asked: Result<BTreeMap<String, i64>, StoreError> =
                    orgs.into_iter().map(|org| Ok((org.clone(), request(&c, &org, &Wish::Reread, by, now)?))).collect();
                json!({ "requests": asked?, "by": by })
            }
            _ => return Ok(None),
        };
        Ok(Some(told))
    }

    fn review(
        &self,
        c: &Connection,
        id: i64,
        accept: bool,
        by: &str,
        body: &Value,
        now: Moment,
    ) -> Result<Value, Refusal> {
        let opinion = Opinion {
            accept,
            code: body["code"].as_str().unwrap_or_default(),
            same_person: body["same_person"].as_bool().unwrap_or(false),
            why: body["why"].as_str(),
            by,
            principal: by,
        };
        match opine(c, &self.rules, id, &opinion, now)? {
            Opined::NothingToDecide => Err(Refusal::NotFound(format!(
                "{id} is not in the queue, or was decided already; see `review list --all`"
            ))),
            Opined::Changed { what, code } => Err(Refusal::Conflict(format!(
                "review {id} is not what was shown any more: {what}; look at it again with `review show {id}` (its code is {code} now)"
            ))),
            Opined::Again => {
                Err(Refusal::Conflict(format!("{by} has accepted review {id} already: somebody else must")))
            }
            Opined::SayWhy { tenant } => Err(Refusal::Bad(format!(
                "both profiles are active in {tenant}: say that they are one person and why, with --same-person --why TEXT"
            ))),
            Opined::Refused { why } => Err(Refusal::Conflict(format!("review {id} cannot be accepted: {why}"))),
            opined => Ok(json!({ "id": id, "accepted": accept, "by": by, "result": opined })),
        }
    }

    fn wish(&self, c: &Connection, body: &Value, wish: Wish, by: &str, now: Moment) -> Result<Value, Refusal> {
        let org = self.org(body["org"].as_str().unwrap_or_default())?;
        Ok(json!({ "request": request(c, org, &wish, by, now)?, "by": by }))
    }

    fn try_again(&self, c: &Connection, by: &str, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let meant = body["person"].as_str().map(|person| self.targets(c, person)).transpose()?;
        let meant: Option<Vec<i64>> = meant.map(|found| found.into_iter().map(|(_, target)| target).collect());
        let people = retry(c, meant.as_deref(), by, now)?;
        if people == 0 {
            return Err(Refusal::NotFound("nobody of that name is set aside; see `quarantine list`".into()));
        }
        Ok(json!({ "retried": people, "by": by }))
    }
}

/// What an undo restores of one person.
#[derive(serde::Deserialize)]
struct Pinned {
    target: i64,
    pins: Pins,
}

fn people<T: DeserializeOwned>(body: &Value) -> Result<Vec<T>, Refusal> {
    serde_json::from_value(body["people"].clone()).map_err(|e| Refusal::Bad(format!("people cannot be read: {e}")))
}

fn targets(body: &Value) -> Vec<i64> {
    body["targets"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

/// The kind of change of a word.
pub(super) fn change(word: &str) -> Result<Change, Refusal> {
    let words: Vec<&str> = Change::ALL.iter().map(|change| change.word()).collect();
    let unknown = || Refusal::Bad(format!("{word:?} is not a kind of change; there are {}", words.join(", ")));
    Change::from_word(word).ok_or_else(unknown)
}

/// The targets of a hold that are meant: by number and by name; all without either.
fn meant(c: &Connection, hold: i64, body: &Value) -> Result<Option<BTreeSet<i64>>, Refusal> {
    if !body["targets"].is_array() && !body["people"].is_array() {
        return Ok(None);
    }
    let members: BTreeSet<i64> = held_people(c, hold)?.into_iter().map(|person| person.target).collect();
    let mut only: BTreeSet<i64> = targets(body).into_iter().collect();
    if let Some(stray) = only.difference(&members).next() {
        return Err(Refusal::NotFound(format!("target {stray} is not in hold {hold}")));
    }
    let org = org_of_hold(c, hold)?;
    for word in body["people"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let found = find(c, org.as_deref().unwrap_or_default(), word)?;
        let found: Vec<i64> = found.into_iter().filter(|target| members.contains(target)).collect();
        match found.as_slice() {
            [target] => only.insert(*target),
            [] => return Err(Refusal::NotFound(format!("{word} is not in hold {hold}; see `holds show {hold}`"))),
            _ => {
                let told = format!("{word} is several people of hold {hold}; name them by profile or login");
                return Err(Refusal::Conflict(told));
            }
        };
    }
    Ok(Some(only))
}

fn hold(c: &Connection, approve: bool, by: &str, hold: i64, body: &Value, now: Moment) -> Result<Value, Refusal> {
    let code = body["code"].as_str().unwrap_or_default();
    let only = meant(c, hold, body)?;
    match vote(c, hold, approve, code, only.as_ref(), by, now)? {
        Voted::NothingToDecide => {
            Err(Refusal::NotFound(format!("hold {hold} is not there, or was decided already; see `holds list --all`")))
        }
        Voted::Changed { code: new } => Err(Refusal::Conflict(format!(
            "hold {hold} is not what {code} stands for any more: look at it again with `holds show {hold}` (its code is {new} now)"
        ))),
        Voted::Again => Err(Refusal::Conflict(format!("{by} has approved hold {hold} already: somebody else must"))),
        voted => Ok(json!({ "hold": hold, "approved": approve, "by": by, "result": voted })),
    }
}
