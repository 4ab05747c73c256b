//! `review`: matches between profiles and accounts that a person decides about. Decisions are remembered.

use super::table::table;
use super::way::{Asking, by, part};
use crate::admin::routes::Ask;
use crate::store::Review;
use serde_json::json;
use std::process::ExitCode;

/// What to do with the queue.
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
    /// The two are one person
    Accept {
        #[command(flatten)]
        decision: Decision,
    },
    /// The two are different people
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
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Lists the queue or decides.
pub async fn review(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking, all } => list(asking, *all).await,
        Action::Accept { decision } => verdict(decision, true).await,
        Action::Reject { decision } => verdict(decision, false).await,
    }
}

async fn list(asking: &Asking, all: bool) -> anyhow::Result<ExitCode> {
    let told = asking.at.to_look()?.look(Ask::Reviews, &[], json!({ "all": all })).await?;
    let queue: Vec<Review> = part(told, "reviews")?;
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

async fn verdict(decision: &Decision, accept: bool) -> anyhow::Result<ExitCode> {
    let ask = if accept { Ask::AcceptReview } else { Ask::RejectReview };
    let way = decision.asking.at.to_decide(decision.by.as_ref())?;
    let told = way.ask(ask, &[&decision.id.to_string()], json!({})).await?;
    let word = if accept { "accepted: one person from now on" } else { "rejected: remembered as different people" };
    if decision.asking.json {
        println!("{told}");
    } else {
        println!("{} {word} (by {}); a running service acts upon it in some seconds", decision.id, by(&told));
    }
    Ok(ExitCode::SUCCESS)
}
