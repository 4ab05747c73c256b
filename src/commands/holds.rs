//! `holds`: what the safeguards hold, and what people decide about it.

use super::store::{Common, Opened, open};
use super::table::table;
use super::way::{Way, by};
use crate::admin::routes::Ask;
use crate::store::{HeldChanges, HeldPerson, Voted, find, held_people, holds as all_holds};
use anyhow::bail;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// People who are listed one by one before they are only counted.
const LISTED: usize = 200;

/// What to do with holds.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// What waits for a decision
    List {
        #[command(flatten)]
        common: Common,
        /// Also what was decided
        #[arg(long)]
        all: bool,
    },
    /// Who is held, and what would be done to them
    Show {
        /// Number in the list
        id: i64,
        #[command(flatten)]
        common: Common,
    },
    /// Let go exactly what was shown
    Approve {
        #[command(flatten)]
        decision: Decision,
    },
    /// Keep it from being done, until Namely or the mapping says otherwise
    Reject {
        #[command(flatten)]
        decision: Decision,
    },
}

/// A decision.
#[derive(clap::Args, Clone, Debug)]
pub struct Decision {
    /// Number in the list
    pub id: i64,
    /// The code that `holds show` printed: it names exactly what was shown
    pub code: String,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Only this person of the hold (profile, email, login or name); may be given several times
    #[arg(long = "person", value_name = "PERSON")]
    pub people: Vec<String>,
    #[command(flatten)]
    pub common: Common,
}

/// Lists, shows or decides.
pub async fn holds(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { common, all } => list(common, *all),
        Action::Show { id, common } => show(common, *id),
        Action::Approve { decision } => decide(decision, true).await,
        Action::Reject { decision } => decide(decision, false).await,
    }
}

fn list(common: &Common, all: bool) -> anyhow::Result<ExitCode> {
    let opened = open(&common.config)?;
    let found = all_holds(&opened.store, all)?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        println!("nothing is held");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["id", "org", "change", "people", "of", "since", "why", "state"]);
    for hold in found {
        let state = state(&hold);
        let since = crate::clock::Moment::from_millis(hold.since).to_string();
        rows.add_row([
            hold.id.to_string(),
            hold.org,
            hold.change,
            hold.people.to_string(),
            hold.scope,
            since,
            hold.why,
            state,
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn state(hold: &HeldChanges) -> String {
    match &hold.verdict {
        Some(verdict) => verdict.clone(),
        None if hold.needs > 1 => format!(
            "{} of {} people have approved{}",
            hold.approved_by.len(),
            hold.needs,
            if hold.approved_by.is_empty() { String::new() } else { format!(" ({})", hold.approved_by.join(", ")) }
        ),
        None => "waits".into(),
    }
}

fn one(opened: &Opened, id: i64) -> anyhow::Result<HeldChanges> {
    match all_holds(&opened.store, true)?.into_iter().find(|hold| hold.id == id) {
        Some(hold) => Ok(hold),
        None => bail!("there is no hold {id}; see `holds list --all`"),
    }
}

fn show(common: &Common, id: i64) -> anyhow::Result<ExitCode> {
    let opened = open(&common.config)?;
    let hold = one(&opened, id)?;
    let people = held_people(&opened.store, id)?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&json!({ "hold": hold, "people": people }))?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("hold {} in {}: {} of {}", hold.id, hold.org, hold.change, count(people.len()));
    println!("{}; {}", hold.why, state(&hold));
    println!("{}", departments(&people));
    let mut rows = table(&["who", "login", "department", "what would be done"]);
    for person in people.iter().take(LISTED) {
        rows.add_row([
            person.name.clone(),
            person.login.clone().unwrap_or_default(),
            person.department.clone(),
            person.shown.clone(),
        ]);
    }
    println!("{rows}");
    if people.len() > LISTED {
        println!("and {} more; all of them with --json", people.len() - LISTED);
    }
    if hold.verdict.is_none() {
        let config = common.config.display();
        println!("\nexactly this: holds approve {id} {} --by NAME --config {config}", hold.code);
        println!("or not at all: holds reject {id} {} --by NAME --config {config}", hold.code);
    }
    Ok(ExitCode::SUCCESS)
}

fn count(people: usize) -> String {
    if people == 1 { "1 person".into() } else { format!("{people} people") }
}

fn departments(people: &[HeldPerson]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for person in people {
        *counts.entry(&person.department).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let told = counts.iter().map(|(name, n)| {
        let name = if name.is_empty() { "no department" } else { name };
        format!("{n} × {name}")
    });
    told.collect::<Vec<_>>().join(", ")
}

async fn decide(decision: &Decision, approve: bool) -> anyhow::Result<ExitCode> {
    let opened = open(&decision.common.config)?;
    let hold = one(&opened, decision.id)?;
    let mut body = json!({ "code": decision.code });
    if let Some(only) = chosen(&opened, &hold, &decision.people)? {
        body["targets"] = json!(only);
    }
    let (ask, word) = if approve { (Ask::Approve, "approved") } else { (Ask::Reject, "rejected") };
    let way = Way::find(&opened, decision.by.as_ref())?;
    let told = way.ask(ask, &[&decision.id.to_string()], body).await?;
    let voted: Voted = serde_json::from_value(told["result"].clone())?;
    match &voted {
        _ if decision.common.json => println!("{told}"),
        Voted::Needs { more } => println!("hold {} {word} by {}; {more} more must approve", hold.id, by(&told)),
        _ => println!("hold {} {word} by {}; a running service acts upon it in some seconds", hold.id, by(&told)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The targets of the people who are named; all without names.
fn chosen(opened: &Opened, hold: &HeldChanges, people: &[String]) -> anyhow::Result<Option<BTreeSet<i64>>> {
    if people.is_empty() {
        return Ok(None);
    }
    let members: BTreeSet<i64> = held_people(&opened.store, hold.id)?.into_iter().map(|p| p.target).collect();
    let mut only = BTreeSet::new();
    for word in people {
        let found: Vec<i64> =
            find(&opened.store, &hold.org, word)?.into_iter().filter(|t| members.contains(t)).collect();
        match found.as_slice() {
            [target] => only.insert(*target),
            [] => bail!("{word} is not in hold {}; see `holds show {}`", hold.id, hold.id),
            _ => bail!("{word} is several people of hold {}; name them by profile or login", hold.id),
        };
    }
    Ok(Some(only))
}
