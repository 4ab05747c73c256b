//! `links`: which account is whose, by which rule and evidence; and taking a wrong match apart.

use super::backend::{Asking, by, part};
use super::failure::usage;
use super::review::outlook_shown;
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Moment;
use crate::store::{Linked, Outlook};
use serde_json::json;
use std::process::ExitCode;

/// What to do with links.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Every link, with its rule and evidence
    List {
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
        /// Only in this org
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Only this person: profile, email, login or full name
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// The links of a profile, what a split would do, and the code of that
    Show {
        /// The UUID of the profile
        profile: String,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
    /// The profile is somebody else: nobody's access ends, and no rule makes the same match again
    Split {
        /// The UUID of the profile
        profile: String,
        /// The code that `links show` printed: it names exactly what was shown
        code: Option<String>,
        /// In this org, if the profile is linked in several
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        /// Who decides, for the audit
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
}

/// A link and what a split of it would do.
#[derive(serde::Deserialize)]
struct Shown {
    link: Linked,
    split: Outlook,
}

/// Lists, shows or splits.
pub async fn links(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { asking, org, person } => list(asking, org.as_ref(), person.as_ref()).await,
        Action::Show { profile, asking } => show(asking, profile).await,
        Action::Split { profile, code: None, asking, .. } => show(asking, profile).await,
        Action::Split { profile, code: Some(code), org, why, by: decider, asking } => {
            let backend = asking.at.to_decide(decider.as_ref())?;
            let org = match org {
                Some(org) => org.clone(),
                None => only_org(backend.read(Ask::Link, &[profile], json!({})).await?, profile)?,
            };
            let mut body = json!({ "org": org, "profile": profile, "code": code });
            if let Some(why) = why {
                body["why"] = why.as_str().into();
            }
            let message = backend.ask(Ask::Split, &[], body).await?;
            if asking.json {
                println!("{message}");
            } else {
                say!("split by {}; a running service acts upon it in some seconds", by(&message));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn only_org(message: serde_json::Value, profile: &str) -> anyhow::Result<String> {
    let found: Vec<Shown> = part(message, "links")?;
    match found.as_slice() {
        [only] => Ok(only.link.org.clone()),
        several => {
            let orgs: Vec<&str> = several.iter().map(|one| one.link.org.as_str()).collect();
            Err(usage(format!("{profile} is linked in {}: say which with --org", orgs.join(", "))))
        }
    }
}

async fn list(asking: &Asking, org: Option<&String>, person: Option<&String>) -> anyhow::Result<ExitCode> {
    let mut query = json!({});
    if let Some(org) = org {
        query["org"] = org.as_str().into();
    }
    if let Some(person) = person {
        query["person"] = person.as_str().into();
    }
    let message = asking.at.to_read()?.read(Ask::Links, &[], query).await?;
    let found: Vec<Linked> = part(message, "links")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["org", "person in Namely", "account", "rule", "evidence", "since", "decided by"]);
    for link in found {
        rows.add_row([
            link.org,
            format!("{} ({} {})", link.name, link.tenant, link.profile),
            match (link.login, link.status) {
                (Some(login), Some(status)) => format!("{login} {status}"),
                _ => "none".into(),
            },
            link.rule,
            if link.anchored { format!("{} (anchor is ours)", link.evidence) } else { link.evidence },
            link.at.map(|at| Moment::from_millis(at).to_string()).unwrap_or_default(),
            link.by.unwrap_or_default(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

async fn show(asking: &Asking, profile: &str) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Link, &[profile], json!({})).await?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let found: Vec<Shown> = part(message, "links")?;
    let at = asking.at.shown();
    for Shown { link, split } in found {
        say!("{} ({} {}) in {}: by {} ({})", link.name, link.tenant, link.profile, link.org, link.rule, link.evidence);
        println!("a split: nobody's access ends by it, and no rule makes the same match again");
        outlook_shown(&split);
        match &split.refused {
            Some(why) => say!("\n{why}"),
            None => {
                say!("\nexactly this: links split {profile} {} --org {} --why TEXT --by NAME{at}", split.code, link.org)
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
