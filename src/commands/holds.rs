//! `holds`: what the safeguards hold, and what people decide about it.

use super::backend::{Asking, by, part};
use super::table::table;
use crate::admin::decisions::WITH_TOKEN;
use crate::admin::routes::Ask;
use crate::clock::Moment;
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
        /// Which service or store is asked, and whether JSON is printed
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
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
    /// Let go exactly what was shown
    Approve {
        /// Which hold, about whom of it, and who decides
        #[command(flatten)]
        decision: Decision,
    },
    /// Keep it from being done, until Namely says something else, whatever the mapping says
    Reject {
        /// Which hold, about whom of it, and who decides
        #[command(flatten)]
        decision: Decision,
    },
    /// Take back what was rejected: it is evaluated as if it were asked for the first time
    Reverse {
        /// Which hold, about whom of it, and who decides
        #[command(flatten)]
        decision: Decision,
    },
    /// Stop what the only approver has approved, before its delay is over
    Cancel {
        /// Number in the list
        id: i64,
        /// Who says no, for the audit
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
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
    /// Only people of this department of the hold; may be given several times
    #[arg(long = "department", value_name = "NAME")]
    pub departments: Vec<String>,
    /// Without this person of the hold; may be given several times
    #[arg(long = "except", value_name = "PERSON")]
    pub except: Vec<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Lists, shows or decides.
pub async fn holds(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking, all } => list(asking, *all).await,
        Action::Show { id, asking } => show(asking, *id).await,
        Action::Approve { decision } => decide(decision, Ask::Approve, "approved").await,
        Action::Reject { decision } => decide(decision, Ask::Reject, "rejected").await,
        Action::Reverse { decision } => decide(decision, Ask::Reverse, "taken back").await,
        Action::Cancel { id, by, asking } => cancel(*id, by.as_ref(), asking).await,
    }
}

async fn list(asking: &Asking, all: bool) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Holds, &[], json!({ "all": all })).await?;
    let found: Vec<HeldChanges> = part(message, "holds")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        let message = asking.at.to_read()?.read(Ask::Holds, &[], json!({ "all": true })).await?;
        let all: Vec<HeldChanges> = part(message, "holds")?;
        say!("{}", nothing_is_held(all.iter().map(|hold| hold.keeps).sum()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["id", "org", "since", "what waits, and why", "state"]);
    for hold in found {
        let state = state(&hold);
        let since = Moment::from_millis(hold.since).to_string();
        rows.add_row([hold.id.to_string(), hold.org, since, hold.message, state]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn nothing_is_held(rejected: usize) -> String {
    match rejected {
        0 => "nothing is held".into(),
        1 => "nothing waits for a decision; 1 person is as somebody has decided by a rejection: `holds list --all`"
            .into(),
        n => format!(
            "nothing waits for a decision; {n} people are as somebody has decided by a rejection: `holds list --all`"
        ),
    }
}

fn state(hold: &HeldChanges) -> String {
    match &hold.verdict {
        Some(verdict) => verdict.clone(),
        None if hold.until.is_some() => format!(
            "{} by {} alone: carried out at {}, unless somebody says `holds cancel {}`",
            if hold.rejected_by.is_empty() { "approved" } else { "rejected" },
            if hold.rejected_by.is_empty() { hold.approved_by.join(", ") } else { hold.rejected_by.join(", ") },
            Moment::from_millis(hold.until.unwrap_or_default()),
            hold.id
        ),
        None if hold.needs > 1 => format!(
            "{} of {} people have approved{}{}",
            hold.approved_by.len(),
            hold.needs,
            if hold.approved_by.is_empty() { String::new() } else { format!(" ({})", hold.approved_by.join(", ")) },
            match hold.rejected_by.len() {
                0 => String::new(),
                n => format!("; {n} of {} have rejected ({})", hold.reject_needs, hold.rejected_by.join(", ")),
            }
        ),
        None => "waits".into(),
    }
}

async fn show(asking: &Asking, id: i64) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Hold, &[&id.to_string()], json!({})).await?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (hold, people): (HeldChanges, Vec<HeldPerson>) = (part(message.clone(), "hold")?, part(message, "people")?);
    say!("hold {} in {}: {}", hold.id, hold.org, hold.message);
    say!("{}", state(&hold));
    say!("{}", departments(&people));
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
        say!("\nexactly this: holds approve {id} {} --by NAME{at}", hold.code);
        say!("or not at all: holds reject {id} {} --by NAME{at}", hold.code);
        if hold.reject_needs > 1 {
            let needs = hold.reject_needs;
            say!(
                "  rejecting lifts the suspension: they can sign in again, although they have left; {needs} people must"
            );
        }
    }
    if hold.verdict.as_deref() == Some("rejected") && !people.is_empty() {
        say!("\nto have it asked for again: holds reverse {id} {} --by NAME{}", hold.code, asking.at.shown());
    }
    Ok(ExitCode::SUCCESS)
}

fn departments(people: &[HeldPerson]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for person in people {
        *counts.entry(&person.department).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let message = counts.iter().map(|(name, n)| {
        let name = if name.is_empty() { "no department" } else { name };
        format!("{n} × {name}")
    });
    message.collect::<Vec<_>>().join(", ")
}

async fn decide(decision: &Decision, ask: Ask, word: &str) -> anyhow::Result<ExitCode> {
    let mut body = json!({ "code": decision.code });
    for (key, named) in
        [("people", &decision.people), ("departments", &decision.departments), ("except", &decision.except)]
    {
        if !named.is_empty() {
            body[key] = json!(named);
        }
    }
    let backend = decision.asking.at.to_decide(decision.by.as_ref())?;
    let message = backend.ask(ask, &[&decision.id.to_string()], body).await?;
    let voted: Voted = part(message.clone(), "result")?;
    let (id, by) = (decision.id, by(&message));
    let number = |key: &str| message[key].as_u64().unwrap_or_default();
    let whom = match (number("people"), number("of")) {
        (people, of) if people < of => format!(" for {people} of {of} people"),
        _ => String::new(),
    };
    match &voted {
        _ if decision.asking.json => println!("{message}"),
        Voted::Needs { more, .. } if ask == Ask::Reject => {
            say!("hold {id} {word}{whom} by {by}; it lets somebody in again who has left: {more} more must reject")
        }
        Voted::Needs { more, with_token } => {
            say!(
                "hold {id} {word}{whom} by {by}; {more} more must approve{}",
                if *with_token { WITH_TOKEN } else { "" }
            );
        }
        Voted::Alone { until } => say!(
            "hold {id} {word}{whom} by {by}; there is no other approver: it is carried out at {}, unless somebody says `holds \
             cancel {id}`",
            Moment::from_millis(*until)
        ),
        _ => say!("hold {id} {word}{whom} by {by}; a running service acts upon it in some seconds"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn cancel(id: i64, who: Option<&String>, asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_decide(who)?.ask(Ask::Cancel, &[&id.to_string()], json!({})).await?;
    if asking.json {
        println!("{message}");
    } else {
        say!("the approval of hold {id} is taken back by {}: it waits for a decision again", by(&message));
    }
    Ok(ExitCode::SUCCESS)
}
