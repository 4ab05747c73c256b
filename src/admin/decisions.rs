//! What people decide, as rows that the service acts upon: the same whether they ask over HTTP or beside the service.

use super::people::{Misasked, People};
use super::routes::Ask;
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider, Rulebook};
use crate::store::{
    Ballot, Linked, Location, OperatorRequest, Opined, Opinion, Store, StoreError, Tx, Voted, accept_adoption,
    accept_list, account_of_decider, adoption, cancel, drain, find, gone_group, held_people, linked, may_decide, opine,
    org_of_hold, pause_and_wait, request, resume, retry, reverse, split_outlook, vote,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is added where enough people have approved, all of them over an identity provider.
pub const WITH_TOKEN: &str = ", with an admin token and not over the identity provider";

/// Where decisions are written down, and what they can be about.
#[derive(Clone)]
pub struct Decisions {
    /// The file.
    pub store: Location,
    pub orgs: Vec<String>,
    pub rules: Rules,
    /// How many people can approve over the API.
    pub approvers: usize,
    /// Everybody, for searches.
    pub people: People,
}

/// The rules that decide about people.
#[derive(Clone)]
pub enum Rules {
    Known(Arc<Rulebook>),
    /// The configuration cannot be read: what needs no rules is answered all the same.
    Unknown(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Bad(String),
    /// The role of whoever asks does not let them.
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Failed(String),
    /// The service is about to end.
    #[error("{0}")]
    Ending(String),
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

impl From<Misasked> for Refusal {
    fn from(e: Misasked) -> Self {
        Refusal::Bad(e.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Refusal::Failed(e.to_string())
    }
}

impl Decisions {
    /// The rules, for what cannot be answered without them.
    pub(super) fn rules(&self) -> Result<&Rulebook, Refusal> {
        match &self.rules {
            Rules::Known(rules) => Ok(rules),
            Rules::Unknown(why) => Err(Refusal::Failed(format!(
                "this needs a sound configuration, or a running service that is asked with a token: {why}"
            ))),
        }
    }

    /// A number of the path, of one `what`.
    pub fn number(&self, what: &str, text: &str) -> Result<i64, Refusal> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Bad(format!("{text:?} is not a number: give the number of a {what}")));
        }
        text.parse().map_err(|_| Refusal::NotFound(format!("there is no {what} {text}")))
    }

    /// An org, which must be there.
    pub fn org<'n>(&self, name: &'n str) -> Result<&'n str, Refusal> {
        if self.orgs.iter().any(|org| org == name) {
            return Ok(name);
        }
        Err(Refusal::NotFound(format!("there is no org {name:?}; there are {}", self.orgs.join(", "))))
    }

    /// The targets that a person has, in one org or in all.
    pub fn targets_in(&self, c: &Tx, person: &str, org: Option<&str>) -> Result<Vec<(String, i64)>, Refusal> {
        let found = self.targets(c, person)?;
        let Some(only) = org else { return Ok(found) };
        let here: Vec<(String, i64)> = found.into_iter().filter(|(org, _)| org == only).collect();
        if here.is_empty() {
            return Err(Refusal::NotFound(format!(
                "{person:?} is nobody of {only}; without an org all are looked through"
            )));
        }
        Ok(here)
    }

    /// The targets that a person has, in all orgs: a word that several people are called by is refused with who they are.
    pub fn targets(&self, c: &Tx, person: &str) -> Result<Vec<(String, i64)>, Refusal> {
        let mut found = Vec::new();
        for org in &self.orgs {
            found.extend(find(c, org, person)?.into_iter().map(|target| (org.clone(), target)));
        }
        if found.is_empty() {
            return Err(nobody(person));
        }
        if found.len() > 1
            && let Some(several) = several(&linked(c, None, Some(person))?, person)
        {
            return Err(Refusal::Conflict(several));
        }
        Ok(found)
    }

    /// That whoever is known by an account of an org that is written to has access still, however they have come: nobody who has left
    /// decides anything.
    pub fn is_there(&self, by: &Decider, now: Moment) -> Result<(), Refusal> {
        let (c, rules) = (Store::operator(&self.store)?, self.rules()?);
        let Some((org, id)) = account_of_decider(&c, rules, by)? else { return Ok(()) };
        if may_decide(&c, rules, &org, &id, now)? {
            return Ok(());
        }
        Err(Refusal::Conflict(format!(
            "{} is to have no access now, by Namely or by what people have decided: nothing was done",
            by.name
        )))
    }

    /// Writes down what `by` decides; `None` if `ask` is about something else. `parts` stand for the braces of the path,
    /// `body` was checked.
    pub fn decide(
        &self,
        ask: Ask,
        by: &Decider,
        parts: &[String],
        body: &Value,
        now: Moment,
    ) -> Result<Option<Value>, Refusal> {
        let operator = || Store::operator(&self.store);
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let message = match ask {
            Ask::Approve | Ask::Reject | Ask::Reverse => {
                self.hold(&*operator()?, ask, self.number("hold", &parts[0])?, &Said { by, body, now })?
            }
            Ask::Cancel => {
                let id = self.number("hold", &parts[0])?;
                if !cancel(&*operator()?, id, by, now)? {
                    return Err(Refusal::NotFound(format!(
                        "nothing of hold {id} is about to be carried out on the word of one person; see `holds list`"
                    )));
                }
                json!({ "hold": id, "cancelled": true, "by": by.name })
            }
            Ask::EndMissing | Ask::KeepMissing => self.missing(&*operator()?, ask, by, body, now)?,
            Ask::DrainNode => {
                operator()?.together(|c| drain(c, &parts[0], by, now))?;
                json!({ "node": parts[0], "by": by.name })
            }
            Ask::Retry => self.try_again(&*operator()?, by, body, now)?,
            Ask::Pause => {
                let org = body["org"].as_str().map(|name| self.org(name)).transpose()?;
                let change = body["change"].as_str().map(change).transpose()?;
                let (id, in_flight) = pause_and_wait(&operator()?, org, change, text("why"), by, now)?;
                let kind = change.map(|kind| kind.as_str());
                json!({ "pause": id, "org": org, "change": kind, "why": text("why"), "by": by.name, "in_flight": in_flight })
            }
            Ask::Resume => match resume(&*operator()?, body["id"].as_i64(), by, now)? {
                0 => return Err(Refusal::NotFound("nothing to resume: no such pause lasts".into())),
                ended => json!({ "resumed": ended, "by": by.name }),
            },
            Ask::Adopt => {
                let org = self.org(&parts[0])?;
                let c = operator()?;
                let report = adoption(&c, self.rules()?, org, now)?;
                let missing = report.missing();
                if !missing.is_empty() {
                    let message = format!("the report of {org} is not complete yet: {}", missing.join(", "));
                    return Err(Refusal::Conflict(message));
                }
                if report.waiting.is_empty() {
                    return Err(Refusal::Conflict(format!(
                        "first contact with {org} was accepted already: nothing waits for it"
                    )));
                }
                if text("code") != report.code {
                    return Err(Refusal::Conflict(format!(
                        "the report of {org} is not what {:?} stands for: look at it again with `adopt` (its code is {} now)",
                        text("code"),
                        report.code
                    )));
                }
                let new = accept_adoption(&c, org, &report.waiting, by, now)?;
                let next = self.waits_for(&c, org, None)?;
                json!({ "org": org, "tenants": report.waiting, "new": new, "by": by.name, "next": next })
            }
            Ask::AcceptList => {
                let (org, c) = (self.org(&parts[0])?, operator()?);
                accept_list(&c, org, by)?;
                request(&c, org, &OperatorRequest::Reconcile, by, now)?;
                json!({ "org": org, "by": by.name })
            }
            Ask::MakeGroup | Ask::LeaveGroup => {
                let (org, c) = (self.org(&parts[0])?, operator()?);
                let (name, again) = (text("group").to_owned(), ask == Ask::MakeGroup);
                if gone_group(&c, org, &name)?.is_none() {
                    let why = format!("no group {name:?} of the mapping was deleted in {org}; see `attention`");
                    return Err(Refusal::NotFound(why));
                }
                let asked = OperatorRequest::Group { name: name.clone(), again };
                let request = request(&c, org, &asked, by, now)?;
                json!({ "request": request, "org": org, "group": name, "again": again, "by": by.name })
            }
            Ask::AcceptReview | Ask::RejectReview => {
                let (id, accept) = (self.number("review", &parts[0])?, ask == Ask::AcceptReview);
                self.review(&*operator()?, id, accept, &Said { by, body, now })?
            }
            Ask::Split => {
                let c = operator()?;
                let (org, profile) = (self.org(text("org"))?, text("profile"));
                let outlook = split_outlook(&c, self.rules()?, org, profile, now)?;
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
                let asked =
                    OperatorRequest::Split { tenant: link.tenant, profile: link.profile, why: text("why").to_owned() };
                json!({ "request": request(&c, org, &asked, by, now)?, "org": org, "profile": profile, "by": by.name })
            }
            Ask::ApprovePlan => self.approve_plan(&operator()?, by, body, now)?,
            Ask::EndAccess => self.end_access(&*operator()?, by, body, now)?,
            Ask::RestoreAccess => self.restore_access(&*operator()?, by, body, now)?,
            Ask::Undo => self.take_back(&*operator()?, by, body, now)?,
            Ask::Release => self.release(&*operator()?, by, body, now)?,
            Ask::Fix => self.asked(&*operator()?, body, OperatorRequest::Fix { targets: targets(body) }, by, now)?,
            Ask::Reconcile => {
                let orgs = match body["org"].as_str() {
                    Some(name) => vec![self.org(name)?.to_owned()],
                    None => self.orgs.clone(),
                };
                let c = operator()?;
                let asked: Result<BTreeMap<String, i64>, StoreError> = orgs
                    .into_iter()
                    .map(|org| Ok((org.clone(), request(&c, &org, &OperatorRequest::Reconcile, by, now)?)))
                    .collect();
                json!({ "requests": asked?, "by": by.name })
            }
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    fn review(&self, c: &Tx, id: i64, accept: bool, said: &Said) -> Result<Value, Refusal> {
        let Said { by, body, now } = *said;
        let opinion = Opinion {
            accept,
            code: body["code"].as_str().unwrap_or_default(),
            same_person: body["same_person"].as_bool().unwrap_or(false),
            why: body["why"].as_str(),
            by: &by.name,
            principal: &by.voice(),
        };
        match opine(c, self.rules()?, id, &opinion, now)? {
            Opined::NothingToDecide => Err(Refusal::NotFound(format!(
                "{id} is not in the queue, or was decided already; see `review list --all`"
            ))),
            Opined::Changed { what, code } => Err(Refusal::Conflict(format!(
                "review {id} is not what was shown any more: {what}; look at it again with `review show {id}` (its code is {code} now)"
            ))),
            Opined::Again => {
                Err(Refusal::Conflict(format!("{} has accepted review {id} already: somebody else must", by.name)))
            }
            Opined::SayWhy { tenant } => Err(Refusal::Bad(format!(
                "both profiles are active in {tenant}: say that they are one person and why, with --same-person --why TEXT"
            ))),
            Opined::Refused { why } => Err(Refusal::Conflict(format!("review {id} cannot be accepted: {why}"))),
            opined => Ok(json!({ "id": id, "accepted": accept, "by": by.name, "result": opined })),
        }
    }

    fn asked(&self, c: &Tx, body: &Value, asked: OperatorRequest, by: &Decider, now: Moment) -> Result<Value, Refusal> {
        let org = self.org(body["org"].as_str().unwrap_or_default())?;
        Ok(json!({ "request": request(c, org, &asked, by, now)?, "by": by.name }))
    }

    fn try_again(&self, c: &Tx, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let meant = body["person"].as_str().map(|person| self.targets(c, person)).transpose()?;
        let meant: Option<Vec<i64>> = meant.map(|found| found.into_iter().map(|(_, target)| target).collect());
        let people = retry(c, meant.as_deref(), by, now)?;
        if people == 0 && meant.is_some() {
            return Err(Refusal::NotFound("nobody of that name is quarantined; see `quarantine list`".into()));
        }
        Ok(json!({ "retried": people, "by": by.name }))
    }
}

/// That a word names nobody who is known.
pub(super) fn nobody(person: &str) -> Refusal {
    Refusal::NotFound(format!("nobody is called {person:?}; give a profile UUID, an email, a login or a full name"))
}

/// Who is meant by a word that several people are called by: two in one org, or two of one name who share no profile.
fn several(links: &[Linked], word: &str) -> Option<String> {
    let mut people: Vec<Vec<&Linked>> = Vec::new();
    for link in links {
        let is_theirs = |other: &&Linked| {
            other.target == link.target || (&other.tenant, &other.profile) == (&link.tenant, &link.profile)
        };
        let (theirs, mut others): (Vec<_>, Vec<_>) =
            people.into_iter().partition(|person| person.iter().any(is_theirs));
        others.push(theirs.into_iter().flatten().chain([link]).collect());
        people = others;
    }
    let in_org = |person: &Vec<&Linked>, org: &str| person.iter().any(|link| link.org == org);
    let is_shared = |org: &str| people.iter().filter(|person| in_org(person, org)).count() > 1;
    // Under one address somebody may be known in two orgs by two profiles.
    if people.len() < 2 || word.contains('@') && !links.iter().any(|link| is_shared(&link.org)) {
        return None;
    }
    let which = people.iter().map(|person| {
        let Linked { profile, tenant, login, .. } = person[0];
        let login = login.as_deref().unwrap_or("no account");
        format!("{profile} of {tenant} ({login})")
    });
    let which = which.collect::<Vec<_>>().join(", ");
    Some(format!("{word:?} is several people: name one of them by profile or login: {which}"))
}

/// The targets that a body lists, each once.
pub(super) fn targets(body: &Value) -> Vec<i64> {
    let listed: BTreeSet<i64> = body["targets"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    listed.into_iter().collect()
}

/// The kind of change of a word.
pub(super) fn change(word: &str) -> Result<ChangeKind, Refusal> {
    let words: Vec<&str> = ChangeKind::ALL.iter().map(|change| change.as_str()).collect();
    let unknown = || Refusal::Bad(format!("{word:?} is not a kind of change; there are {}", words.join(", ")));
    ChangeKind::parse(word).ok_or_else(unknown)
}

/// The targets of a hold that are meant, of how many: by number, name and department, without those who are excepted; all without
/// any of these.
fn meant(c: &Tx, hold: i64, body: &Value) -> Result<(Option<BTreeSet<i64>>, usize), Refusal> {
    let held = held_people(c, hold)?;
    let members: BTreeSet<i64> = held.iter().map(|person| person.target).collect();
    let names = |key: &str| body[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    if ["targets", "people", "departments", "except"].iter().all(|key| !body[*key].is_array()) {
        return Ok((None, members.len()));
    }
    let mut only: BTreeSet<i64> = targets(body).into_iter().collect();
    if let Some(stray) = only.difference(&members).next() {
        return Err(Refusal::NotFound(format!("target {stray} is not in hold {hold}")));
    }
    for word in names("people") {
        only.insert(one_of(c, hold, &members, &word)?);
    }
    for department in names("departments") {
        let theirs: Vec<i64> =
            held.iter().filter(|person| person.department == department).map(|person| person.target).collect();
        if theirs.is_empty() {
            let all: BTreeSet<&str> = held.iter().map(|person| person.department.as_str()).collect();
            let all = all.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Refusal::NotFound(format!("nobody of hold {hold} is of {department:?}; there are {all}")));
        }
        only.extend(theirs);
    }
    if only.is_empty() {
        only.clone_from(&members);
    }
    for word in names("except") {
        only.remove(&one_of(c, hold, &members, &word)?);
    }
    if only.is_empty() {
        return Err(Refusal::Bad(format!("nobody is left of hold {hold}: everybody was excepted")));
    }
    Ok((Some(only), members.len()))
}

/// Who of a hold is meant by a word.
fn one_of(c: &Tx, hold: i64, members: &BTreeSet<i64>, word: &str) -> Result<i64, Refusal> {
    let org = org_of_hold(c, hold)?;
    let found = find(c, org.as_deref().unwrap_or_default(), word)?;
    let found: Vec<i64> = found.into_iter().filter(|target| members.contains(target)).collect();
    match found.as_slice() {
        [target] => Ok(*target),
        [] => Err(Refusal::NotFound(format!("{word} is not in hold {hold}; see `holds show {hold}`"))),
        _ => {
            let message = format!("{word} is several people of hold {hold}; name them by profile or login");
            Err(Refusal::Conflict(message))
        }
    }
}

/// What somebody says in a request, and when.
struct Said<'a> {
    by: &'a Decider,
    body: &'a Value,
    now: Moment,
}

impl Decisions {
    /// What somebody says about a hold, or about what was rejected in it.
    fn hold(&self, c: &Tx, ask: Ask, hold: i64, said: &Said) -> Result<Value, Refusal> {
        let Said { by, body, now } = *said;
        let seen = body["code"].as_str().unwrap_or_default();
        let (only, all) = meant(c, hold, body)?;
        let ballot = Ballot { hold, approve: ask == Ask::Approve, seen, only: only.as_ref(), by };
        let voted = match ask {
            Ask::Reverse => reverse(c, &ballot, now)?,
            _ => vote(c, self.rules()?, &ballot, now)?,
        };
        match voted {
            Voted::NothingToDecide if ask == Ask::Reverse => Err(Refusal::NotFound(format!(
                "nothing that was rejected in hold {hold} still holds; see `holds list --all`"
            ))),
            Voted::NothingToDecide => Err(Refusal::NotFound(format!(
                "hold {hold} is not there, or was decided already; see `holds list --all`"
            ))),
            Voted::Changed { code: new } => Err(Refusal::Conflict(format!(
                "hold {hold} is not what {seen} stands for any more: look at it again with `holds show {hold}` (its code \
                 is {new} now)"
            ))),
            Voted::Again => {
                let did = if ask == Ask::Reject { "rejected" } else { "approved" };
                let message = format!("{} has {did} hold {hold} already: somebody else must", by.name);
                Err(Refusal::Conflict(message))
            }
            voted => Ok(json!({
                "hold": hold, "approved": ask == Ask::Approve, "by": by.name, "principal": by.principal(),
                "result": voted, "people": only.as_ref().map_or(all, BTreeSet::len), "of": all,
            })),
        }
    }
}
