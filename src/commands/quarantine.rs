//! `quarantine`: who was quarantined, why, and what to do; and another try.

use super::backend::{Asking, by, part};
use super::failure::usage;
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Moment;
use crate::store::QuarantinedPerson;
use serde_json::json;
use std::process::ExitCode;

/// What to do.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Who is quarantined, and why
    List {
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
    /// Try somebody once more; whoever was quarantined is also tried when either side changes
    Retry {
        /// Profile, email, login or full name
        person: Option<String>,
        /// Everybody who is quarantined
        #[arg(long)]
        all: bool,
        /// Who asks for it, for the audit
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
}

/// Lists, or asks for another try.
pub async fn quarantine(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking } => list(asking).await,
        Action::Retry { person, all, by: who, asking } => try_again(person.as_ref(), *all, who.as_ref(), asking).await,
    }
}

async fn list(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Quarantine, &[], json!({})).await?;
    let found: Vec<QuarantinedPerson> = part(message, "people")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else if found.is_empty() {
        println!("nobody is quarantined");
    } else {
        let mut rows = table(&["who", "org", "since", "attempts", "why, and what to do"]);
        for one in &found {
            let since = Moment::from_millis(one.since).to_string();
            rows.add_row([one.name.clone(), one.org.clone(), since, one.attempts.to_string(), one.why.clone()]);
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn try_again(
    person: Option<&String>,
    all: bool,
    who: Option<&String>,
    asking: &Asking,
) -> anyhow::Result<ExitCode> {
    let body = match (person, all) {
        (Some(person), false) => json!({ "person": person }),
        (None, true) => json!({}),
        _ => return Err(usage("say whom to try once more: a person, or --all")),
    };
    let message = asking.at.to_decide(who)?.ask(Ask::Retry, &[], body).await?;
    if asking.json {
        println!("{message}");
    } else if message["retried"] == json!(0) {
        println!("nobody is quarantined");
    } else {
        say!("asked for by {}: a running service tries {} once more in some seconds", by(&message), message["retried"]);
    }
    Ok(ExitCode::SUCCESS)
}
