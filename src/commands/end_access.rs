//! `end-access` and `restore-access`: somebody's access ends now, before HR has typed it; and that is taken back.

use super::backend::{Asking, by, part};
use super::failure::usage;
use super::store::to_come;
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::{Clock, Moment};
use crate::store::EndedAccess;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Flags of `end-access`.
#[derive(clap::Args, Clone, Debug)]
pub struct EndOptions {
    /// Whose access ends: profile, email, login or full name; several may be given
    #[arg(value_name = "PERSON")]
    pub people: Vec<String>,
    /// An account that is nobody's in Namely, by its login; may be given several times
    #[arg(long = "account", value_name = "LOGIN")]
    pub accounts: Vec<String>,
    /// Only in this org; without it in every org, also in those that come later
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Why, for the audit and for whoever wonders
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    pub why: Option<String>,
    /// From then on: a time, or in how long (2h); at once without it
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Only suspend: memberships and apps stay
    #[arg(long)]
    pub suspend: bool,
    /// Who asks for it, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Show whose access was ended before HR has done it, and end nobody's
    #[arg(long)]
    pub list: bool,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Flags of `restore-access`.
#[derive(clap::Args, Clone, Debug)]
pub struct RestoreOptions {
    /// Whose access was ended: profile, email, login or full name
    #[arg(value_name = "PERSON")]
    pub person: String,
    /// Only in this org, if it was ended in this one only
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who asks for it, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Has access ended, or shows whose was.
pub async fn end(options: &EndOptions) -> anyhow::Result<ExitCode> {
    if options.list {
        return list(&options.asking).await;
    }
    if options.people.is_empty() && options.accounts.is_empty() {
        return Err(usage("say whose access ends: a person, or --account LOGIN"));
    }
    let now = Clock::system().now();
    let mut body = json!({ "why": options.why.clone().unwrap_or_default() });
    for (key, listed) in [("people", &options.people), ("accounts", &options.accounts)] {
        if !listed.is_empty() {
            body[key] = json!(listed);
        }
    }
    if let Some(org) = &options.org {
        body["org"] = json!(org);
    }
    if let Some(at) = &options.at {
        body["at"] = json!(to_come("--at", at, now)?.to_string());
    }
    if options.suspend {
        body["suspend"] = json!(true);
    }
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let message = backend.ask(Ask::EndAccess, &[], body).await?;
    if options.asking.json {
        println!("{message}");
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<&str> = message["people"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (who, by) = (names.join(", "), by(&message));
    if message["waits"] == json!(true) {
        say!(
            "asked for by {by}: this is more than one person may end within an hour (safeguards.end_access); somebody else must ask \
             for the same: end-access {} --why TEXT",
            names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" ")
        );
        return Ok(ExitCode::SUCCESS);
    }
    let administrators: Vec<&str> =
        message["administrators"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !administrators.is_empty() {
        say!(
            "as far as is known {} may be an administrator of Okta: suspended at once, unless fewer than two others who can sign in would \
             remain, or another one was within the hour (safeguards.administrators); two people decide about the rest: `holds list`",
            administrators.join(", ")
        );
    }
    let when = message["at"].as_str().map_or_else(|| "now".to_owned(), |at| format!("at {at}"));
    let what = if options.suspend { "is suspended" } else { "ends" };
    say!("access of {who} {what} {when}, asked for by {by}; `timeline` shows how far it is");
    say!(
        "no edit in Namely lifts it: taken back with `restore-access {:?} --why TEXT{}`, by {by} within 10 minutes, later by \
         somebody else",
        names.first().copied().unwrap_or_default(),
        options.asking.at.shown()
    );
    Ok(ExitCode::SUCCESS)
}

/// Takes it back.
pub async fn restore(options: &RestoreOptions) -> anyhow::Result<ExitCode> {
    let mut body = json!({ "person": options.person, "why": options.why });
    if let Some(org) = &options.org {
        body["org"] = json!(org);
    }
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let message = backend.ask(Ask::RestoreAccess, &[], body).await?;
    if options.asking.json {
        println!("{message}");
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "the end of access of {} is taken back by {}: what Namely says decides again; what an app has deleted, and apps that were \
         given by hand, do not come back by themselves",
        options.person,
        by(&message)
    );
    if message["nobody"] == json!(true) {
        println!("the account is nobody's in Namely: nothing gives it back by itself; activate it in Okta");
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::EndedAccess, &[], json!({})).await?;
    let found: Vec<EndedAccess> = part(message, "people")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        println!("nobody's access was ended before HR has done it");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["who", "org", "account", "by", "since", "why", "HR", "state"]);
    for one in found {
        let state = match (one.waits, Moment::from_millis(one.begins) > Moment::from_millis(one.at)) {
            (true, _) => "waits for a second person".to_owned(),
            (false, true) => format!("from {} on", Moment::from_millis(one.begins)),
            (false, false) => one.status.clone().unwrap_or_else(|| "no account".to_owned()),
        };
        let since = Moment::from_millis(one.at).to_string();
        let hr = if one.followed_at.is_some() { "followed" } else { "not yet" }.to_owned();
        rows.add_row([one.name, one.org, one.login.unwrap_or_default(), one.by, since, one.why, hr, state]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}
