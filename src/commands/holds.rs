//! `holds`: what the safeguards hold, and what people decide about it.

use super::table::table;
use super::way::{Asking, by, part};
use crate::admin::routes::Ask;
use crate::store::{HeldChanges, HeldPerson, Voted};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// People who are listed one by one before they are only counted.
const LISTED: usize = 200;

/// What to do with holds.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// What waits for a decision
    List {
        #[command(flatten)]
        asking: Asking,
        /// Also what was decided
        #[arg(long)]
        all: bool,
    },
    /// Who is held, and what would be done to them
    Show {
        /// Number in the list
        id: i64,
        #[command(flatten)]
        asking: Asking,
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
    pub asking: Asking,
}

/// Lists, shows or decides.
pub async fn holds(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking, all } => list(asking, *all).await,
        Action::Show { id, asking } => show(asking, *id).await,
        Action::Approve { decision } => decide(decision, true).await,
        Action::Reject { decision } => decide(decision, false).await,
    }
}

async fn list(asking: &Asking, all: bool) -> anyhow::Result<ExitCode> {
    let told = asking.at.to_look()?.look(Ask::Holds, &[], json!({ "all": all })).await?;
    let found: Vec<HeldChanges> = part(told, "holds")?;
    if asking.json {
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

async fn show(asking: &Asking, id: i64) -> anyhow::Result<ExitCode> {
    let told = asking.at.to_look()?.look(Ask::Hold, &[&id.to_string()], json!({})).await?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (hold, people): (HeldChanges, Vec<HeldPerson>) = (part(told.clone(), "hold")?, part(told, "people")?);
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
        let at = asking.at.shown();
        println!("\nexactly this: holds approve {id} {} --by NAME{at}", hold.code);
        println!("or not at all: holds reject {id} {} --by NAME{at}", hold.code);
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
    let mut body = json!({ "code": decision.code });
    if !decision.people.is_empty() {
        body["people"] = json!(decision.people);
    }
    let (ask, word) = if approve { (Ask::Approve, "approved") } else { (Ask::Reject, "rejected") };
    let way = decision.asking.at.to_decide(decision.by.as_ref())?;
    let told = way.ask(ask, &[&decision.id.to_string()], body).await?;
    let voted: Voted = serde_json::from_value(told["result"].clone())?;
    match &voted {
        _ if decision.asking.json => println!("{told}"),
        Voted::Needs { more } => println!("hold {} {word} by {}; {more} more must approve", decision.id, by(&told)),
        _ => println!("hold {} {word} by {}; a running service acts upon it in some seconds", decision.id, by(&told)),
    }
    Ok(ExitCode::SUCCESS)
}
