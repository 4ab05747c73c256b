//! What is answered about how things are: read beside the writer, the same over HTTP and from the command line.

use super::decisions::{Decisions, Refusal, nobody};
use super::routes::Ask;
use super::state::{self, Approvers, Running, State, TO_ACCEPT, serving};
use crate::audit::Row;
use crate::clock::Moment;
use crate::domain::plan::starter::Stage;
use crate::store::{
    Adoption, AttentionItem, Filter, Starter, Store, Tx, Vitals, adoption, alarms, attention, ended_access,
    filter_audit, gap, held_people, holds, leavers_with_access, linked, missing_people, name_of, nodes, pauses,
    quarantined, review_outlook, reviews, split_outlook, starters, starters_among, unreached, vitals, waiting,
};
use serde_json::{Value, json};

/// People who are listed at most.
const LISTED: usize = 500;
/// Audit rows of somebody that are told, the newest, unless all are asked for.
const ROWS: usize = 200;
/// Days that are looked ahead.
const DAYS: i64 = 14;

/// What waits for a person although it is about nobody alone: what keeps the service from its work, and what else it says that
/// somebody has to look at.
fn alarmed(c: &Tx, running: Option<&Running>, now: Moment) -> Result<Vec<AttentionItem>, Refusal> {
    let seen = Vitals { alarms: alarms(c)?, unreached: unreached(c)?, ..Vitals::default() };
    let said = serving(running, &nodes(c)?);
    let item = |what: &str, org: Option<&str>, tenant: &str, why: String| AttentionItem {
        what: what.to_owned(),
        org: org.map(str::to_owned),
        tenant: tenant.to_owned(),
        profile: String::new(),
        name: String::new(),
        why,
    };
    let all = state::alarms(said.as_ref(), &seen);
    let mut items: Vec<AttentionItem> = all
        .iter()
        .map(|alarm| item(alarm.kind().as_str(), alarm.org(), alarm.tenant().unwrap_or_default(), alarm.message(now)))
        .collect();
    let Some(said) = said else { return Ok(items) };
    // What begins by itself waits for nobody; what waits for a report to be accepted has a line of its own.
    let by_itself = |what: &str| ["walk ", "okta ", "links ", TO_ACCEPT].iter().any(|begins| what.starts_with(begins));
    let is_alarmed = |what: &str| all.iter().any(|alarm| alarm.place == what);
    let missing = said.missing.iter().filter(|(what, _)| !by_itself(what) && !is_alarmed(what));
    // Groups that somebody has deleted have lines of their own too.
    let notices = said.notices.iter().filter(|(what, _)| !what.starts_with("groups of "));
    items.extend(missing.chain(notices).map(|(what, why)| item("not ready", None, "", format!("{what}: {why}"))));
    Ok(items)
}

impl Decisions {
    /// Answers what was asked to be seen; `None` if `ask` is about doing something. `parts` stand for the braces of the
    /// path, `query` was checked; `running` tells what a service says of itself, if one answers.
    pub fn read(
        &self,
        ask: Ask,
        parts: &[String],
        query: &Value,
        running: impl FnOnce() -> Option<Running>,
        now: Moment,
    ) -> Result<Option<Value>, Refusal> {
        let reader = || Store::reader(&self.store);
        let all = query["all"].as_bool().unwrap_or(false);
        Ok(Some(match ask {
            Ask::Status => {
                let c = reader()?;
                let seen = vitals(&c, self.rules()?, now)?;
                let lacking = self.rules()?.safeguards.lacks_approvers(self.approvers);
                let approvers = Approvers { people: self.approvers, lacking };
                serde_json::to_value(State::of(
                    &c,
                    &seen,
                    running().as_ref(),
                    approvers,
                    self.rules()?.safeguards.mode,
                    now,
                )?)?
            }
            Ask::Nodes => json!({ "nodes": nodes(&*reader()?)? }),
            Ask::Attention => {
                let c = reader()?;
                let mut items = alarmed(&c, running().as_ref(), now)?;
                items.extend(attention(&c, self.rules()?, now)?);
                json!({ "items": items })
            }
            Ask::Leavers => json!({ "leavers": leavers_with_access(&*reader()?, self.rules()?, now)? }),
            Ask::Starters => self.starters(&*reader()?, query, now)?,
            Ask::Backlog => json!({ "people": waiting(&*reader()?, LISTED)? }),
            Ask::Person => {
                let only = query["org"].as_str().map(|name| self.org(name)).transpose()?;
                self.person(&*reader()?, &parts[0], only, (!all).then_some(ROWS))?
            }
            Ask::People => self.people.list(&self.store, now)?.search(query)?,
            Ask::Audit => self.audit(&*reader()?, query)?,
            Ask::Target => self.target(&*reader()?, self.number("target", &parts[0])?, (!all).then_some(ROWS), now)?,
            Ask::Holds => json!({ "holds": holds(&*reader()?, all)? }),
            Ask::Hold => {
                let (c, id) = (reader()?, self.number("hold", &parts[0])?);
                let found = holds(&c, true)?.into_iter().find(|hold| hold.id == id);
                let missing = || Refusal::NotFound(format!("there is no hold {id}; see `holds list --all`"));
                json!({ "hold": found.ok_or_else(missing)?, "people": held_people(&c, id)? })
            }
            Ask::UndoPreview => self.what_an_undo_restores(&*reader()?, query, now)?,
            Ask::Missing => json!({ "people": missing_people(&*reader()?, self.rules()?, true, now)? }),
            Ask::Quarantine => json!({ "people": quarantined(&*reader()?)? }),
            Ask::EndedAccess => json!({ "people": ended_access(&*reader()?)? }),
            Ask::Pauses => json!({ "pauses": pauses(&*reader()?)? }),
            Ask::Reviews => json!({ "reviews": reviews(&*reader()?, all)? }),
            Ask::Review => {
                let id = self.number("review", &parts[0])?;
                let missing = || Refusal::NotFound(format!("there is no review {id}; see `review list --all`"));
                let (review, outlook) = review_outlook(&*reader()?, self.rules()?, id, now)?.ok_or_else(missing)?;
                json!({ "review": review, "outlook": outlook })
            }
            Ask::Links => {
                let c = reader()?;
                let org = query["org"].as_str().map(|name| self.org(name)).transpose()?;
                let person = query["person"].as_str();
                let links = linked(&c, org, person)?;
                if let Some(person) = person.filter(|_| links.is_empty()) {
                    return Err(nobody(person));
                }
                json!({ "links": links })
            }
            Ask::Link => {
                let c = reader()?;
                let mut found = Vec::new();
                for org in &self.orgs {
                    if let Some((link, outlook)) = split_outlook(&c, self.rules()?, org, &parts[0], now)? {
                        found.push(json!({ "link": link, "split": outlook }));
                    }
                }
                if found.is_empty() {
                    let message = format!("no profile {:?} is linked; see `links list`", parts[0]);
                    return Err(Refusal::NotFound(message));
                }
                json!({ "links": found })
            }
            Ask::Adoption => json!(adoption(&*reader()?, self.rules()?, self.org(&parts[0])?, now)?),
            Ask::Adoptions => {
                let c = reader()?;
                let rules = self.rules()?;
                let report = |org: &String| adoption(&c, rules, org, now);
                json!({ "orgs": self.orgs.iter().map(report).collect::<Result<Vec<Adoption>, _>>()? })
            }
            _ => return Ok(None),
        }))
    }

    fn starters(&self, c: &Tx, query: &Value, now: Moment) -> Result<Value, Refusal> {
        let days = query["days"].as_i64().unwrap_or(DAYS);
        let ahead = u16::try_from(days).map_err(|_| Refusal::Bad(format!("{days} days are no time ahead")))?;
        let orgs = match query["org"].as_str() {
            Some(name) => vec![self.org(name)?.to_owned()],
            None => self.orgs.clone(),
        };
        let mut found: Vec<Starter> = Vec::new();
        let listed = query["listed"].as_bool().unwrap_or(false);
        let listed = listed.then(|| self.people.list(&self.store, now)).transpose()?;
        for org in orgs {
            found.extend(match &listed {
                None => starters(c, self.rules()?, &org, ahead, now)?,
                Some(listed) => starters_among(c, self.rules()?, &org, &listed.starting(&org, ahead, now), ahead, now)?,
            });
        }
        found.sort_by(|a, b| (&a.start, &a.name).cmp(&(&b.start, &b.name)));
        let blocked = found.iter().filter(|starter| starter.state == Stage::Blocked).count();
        Ok(json!({ "days": days, "blocked": blocked, "starters": found }))
    }

    fn person(&self, c: &Tx, person: &str, only: Option<&str>, newest: Option<usize>) -> Result<Value, Refusal> {
        let mut people = Vec::new();
        for (org, target) in self.targets_in(c, person, only)? {
            let rows = self.timeline(c, target, newest)?;
            people.push(json!({ "org": org, "target": target, "name": name_of(c, target)?, "timeline": rows }));
        }
        Ok(json!({ "people": people, "pruned": gap(c)?.map(|gap| gap.message()) }))
    }

    /// Rows of the audit about a target, in order and in words; the newest, or all.
    pub(super) fn timeline(&self, c: &Tx, target: i64, newest: Option<usize>) -> Result<Vec<Value>, Refusal> {
        let mut rows: Vec<Value> = Vec::new();
        filter_audit(c, &Filter { targets: vec![target], newest, ..Filter::default() }, |row| {
            let row: Value = serde_json::from_str(&row.text)?;
            rows.push(json!({
                "seq": row["seq"], "at": row["at"], "kind": row["kind"], "message": Row::of(&row).describe(), "row": row,
            }));
            Ok(())
        })?;
        Ok(rows)
    }
}
