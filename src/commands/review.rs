//! `review`: matches between profiles and accounts that a person decides about. Decisions are remembered.

use super::backend::{Asking, by, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::store::{Outlook, Review};
use serde_json::json;
use std::process::ExitCode;

/// What to do with the queue.
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
    /// Both people, their plans before and after, and the code of that
    Show {
        /// Number in the list
        id: i64,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
    /// The two are one person
    Accept {
        /// Which match, and who decides
        #[command(flatten)]
        decision: Decision,
        /// The code that `review show` printed: it names exactly what was shown
        code: String,
        /// Two active profiles of one tenant are one person: two people must say so
        #[arg(long, requires = "why")]
        same_person: bool,
        /// Why they are, for the audit
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
    /// The two are different people
    Reject {
        /// Which match, and who decides
        #[command(flatten)]
        decision: Decision,
        /// The code that `review show` printed: it names exactly what was shown
        code: String,
    },
}

/// A decision.
#[derive(clap::Args, Clone, Debug)]
pub struct Decision {
    /// Number in the list
    pub id: i64,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Lists the queue or decides.
pub async fn review(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking, all } => list(asking, *all).await,
        Action::Show { id, asking } => show(asking, *id).await,
        Action::Accept { decision, code, same_person, why } => {
            let mut body = json!({ "code": code });
            if *same_person {
                body["same_person"] = true.into();
            }
            if let Some(why) = why {
                body["why"] = why.as_str().into();
            }
            verdict(decision, true, body).await
        }
        Action::Reject { decision, code } => verdict(decision, false, json!({ "code": code })).await,
    }
}

async fn list(asking: &Asking, all: bool) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Reviews, &[], json!({ "all": all })).await?;
    let queue: Vec<Review> = part(message, "reviews")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&queue)?);
        return Ok(ExitCode::SUCCESS);
    }
    if queue.is_empty() {
        println!("nothing waits for a decision");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["id", "org", "person in Namely", "may be", "why it is not certain", "decided"]);
    for review in queue {
        let decided = review.verdict.map(|verdict| format!("{verdict} by {}", review.by.unwrap_or_default()));
        rows.add_row([
            review.id.to_string(),
            review.org,
            format!("{} ({} {})", review.name, review.tenant, review.profile),
            review.who,
            review.why,
            decided.unwrap_or_default(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

async fn show(asking: &Asking, id: i64) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Review, &[&id.to_string()], json!({})).await?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (review, outlook): (Review, Option<Outlook>) = (part(message.clone(), "review")?, part(message, "outlook")?);
    say!("review {} in {}: is {} ({} {})", review.id, review.org, review.name, review.tenant, review.profile);
    say!("  {}?", review.who);
    say!("  {}", review.why);
    let Some(outlook) = outlook else {
        say!("decided: {} by {}", review.verdict.unwrap_or_default(), review.by.unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    };
    outlook_shown(&outlook);
    let at = asking.at.shown();
    if let Some(tenant) = &outlook.twins_in {
        say!("\nboth profiles are active in {tenant}: two people must say that they are one person, and why");
    }
    match &outlook.refused {
        Some(why) => say!("\ncannot be accepted: {why}"),
        None => {
            let more = if outlook.twins_in.is_some() { " --same-person --why TEXT" } else { "" };
            let two = if outlook.needs > 1 { format!(" ({} people must)", outlook.needs) } else { String::new() };
            say!("\none person: review accept {id} {}{more} --by NAME{at}{two}", outlook.code);
        }
    }
    say!("two people: review reject {id} {} --by NAME{at}", outlook.code);
    Ok(ExitCode::SUCCESS)
}

/// People and their plans, before and after a decision.
pub fn outlook_shown(outlook: &Outlook) {
    for (when, sides) in [("as it is", &outlook.before), ("afterwards", &outlook.after)] {
        say!("\n{when}:");
        for side in sides {
            let login = side.login.as_ref().map(|login| format!(", {login}")).unwrap_or_default();
            let status = side.status.as_ref().map(|status| format!(" {status}")).unwrap_or_default();
            say!("  {}{login}{status}", side.who);
            side.profiles.iter().for_each(|profile| say!("    profile: {profile}"));
            side.plan.iter().for_each(|word| say!("    {word}"));
            if side.plan.is_empty() {
                println!("    nothing would be done");
            }
        }
    }
}

async fn verdict(decision: &Decision, accept: bool, body: serde_json::Value) -> anyhow::Result<ExitCode> {
    let ask = if accept { Ask::AcceptReview } else { Ask::RejectReview };
    let backend = decision.asking.at.to_decide(decision.by.as_ref())?;
    let message = backend.ask(ask, &[&decision.id.to_string()], body).await?;
    let word = if accept { "accepted: one person from now on" } else { "rejected: remembered as different people" };
    if decision.asking.json {
        println!("{message}");
    } else if let Some(more) = message["result"]["more"].as_i64() {
        say!("{} accepted by {}; {more} more must accept it", decision.id, by(&message));
    } else {
        say!("{} {word} (by {}); a running service acts upon it in some seconds", decision.id, by(&message));
    }
    Ok(ExitCode::SUCCESS)
}
