//! `missing`: whom Namely does not show any more, since when, and what is decided about them.

use super::backend::{Asking, by, part, say_what_is_next};
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Moment;
use crate::store::{MissingPerson, MissingState};
use serde_json::json;
use std::process::ExitCode;

/// What to do about people who are missing.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Whom complete walks do not show any more, since when, and what was decided
    List {
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
    /// They have left: access ends, through the safeguards; it comes back when Namely shows the profile again
    End {
        /// Whom it is about, why, and who decides
        #[command(flatten)]
        whom: Whom,
    },
    /// They stay as they are, and nobody is asked about them again
    Keep {
        /// Whom it is about, why, and who decides
        #[command(flatten)]
        whom: Whom,
    },
}

/// Whom a decision is about, and who decides.
#[derive(clap::Args, Clone, Debug)]
pub struct Whom {
    /// Profile, email, login or full name
    person: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

/// Lists, or decides.
pub async fn missing(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking } => list(asking).await,
        Action::End { whom } => decide(Ask::EndMissing, whom).await,
        Action::Keep { whom } => decide(Ask::KeepMissing, whom).await,
    }
}

async fn list(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Missing, &[], json!({})).await?;
    let found: Vec<MissingPerson> = part(message, "people")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        println!("nobody is missing from Namely");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["who", "tenant", "missing since", "accounts", "what was decided"]);
    for one in &found {
        let since = Moment::from_millis(one.since).to_string();
        rows.add_row([
            format!("{} ({})", one.name, one.profile),
            one.tenant.clone(),
            since,
            accounts(one),
            decided(one),
        ]);
    }
    println!("{rows}");
    if found.iter().any(|one| one.state == MissingState::Undecided) {
        println!(
            "nobody's access ends by this: `missing end PERSON --why TEXT` if they have left, `missing keep PERSON --why \
             TEXT` if they stay"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn accounts(one: &MissingPerson) -> String {
    let shown = one.accounts.iter().map(|account| match (&account.login, &account.status) {
        (Some(login), Some(status)) => format!("{login} {status} in {}", account.org),
        _ => format!("none in {}", account.org),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn decided(one: &MissingPerson) -> String {
    let because = match (&one.by, &one.why) {
        (Some(by), Some(why)) => format!(" by {by}: {why}"),
        _ => String::new(),
    };
    match one.state {
        MissingState::Undecided if one.may_be.is_empty() => "nothing yet".into(),
        MissingState::Undecided => format!("nothing yet; may have been made anew as {}", one.may_be.join(" or ")),
        MissingState::Kept => format!("kept{because}"),
        MissingState::Ended => format!("ended{because}"),
    }
}

async fn decide(ask: Ask, whom: &Whom) -> anyhow::Result<ExitCode> {
    let Whom { person, why, by: decider, asking } = whom;
    let body = json!({ "person": person, "why": why });
    let message = asking.at.to_decide(decider.as_ref())?.ask(ask, &[], body).await?;
    if asking.json {
        println!("{message}");
        return Ok(ExitCode::SUCCESS);
    }
    let (name, who) = (message["name"].as_str().unwrap_or_default(), by(&message));
    match ask {
        Ask::EndMissing => {
            say!("access of {name} ends by the word of {who}, through the safeguards");
            say_what_is_next(&message);
        }
        _ => say!("{name} stays as they are by the word of {who}"),
    }
    Ok(ExitCode::SUCCESS)
}
