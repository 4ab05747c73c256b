//! `readiness`: who starts soon, and what stands in their way.

use super::store::open;
use super::table::table;
use crate::identity::{AccountStatus, Case, Entitlement, UserStatus};
use crate::store::{population, whole};
use jiff::ToSpan;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `readiness`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Days to look ahead
    #[arg(long, default_value_t = 14)]
    pub days: u16,
    /// Only this org
    #[arg(long)]
    pub org: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Somebody who starts soon.
#[derive(Debug, Serialize)]
struct Starter {
    org: String,
    start: String,
    name: String,
    profile: String,
    login: String,
    /// `ready`, `staged`, `later` or `blocked`.
    state: &'static str,
    /// What happens next, or what is missing.
    note: String,
}

/// Prints who starts in the next days. The exit code is 1 if anybody is blocked.
pub fn readiness(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let mut starters = Vec::new();
    for org in opened.orgs(options.org.as_ref())? {
        let mut targets = Vec::new();
        population(&opened.store, &org, |residents| {
            targets.extend(residents.into_iter().map(|resident| resident.target));
            Ok(())
        })?;
        for target in targets {
            let Some(case) = whole(&opened.store, &opened.config.rulebook, target, opened.now)? else { continue };
            let (zone, _) = opened.config.rulebook.zone_of(case.person.primary());
            let today = zone.to_datetime(opened.now.timestamp()).date();
            let last = today + i32::from(options.days).days();
            let Some(start) = case.person.primary().employee.start_date.filter(|s| *s >= today && *s <= last) else {
                continue;
            };
            let reason: Option<(i64, Option<String>)> = opened
                .store
                .query_row("SELECT state, reason FROM work WHERE target = ?1", [target], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .ok();
            let (state, note) = judge(&opened.config.rulebook, &case, reason, opened.now);
            starters.push(Starter {
                org: org.clone(),
                start: start.to_string(),
                name: case.person.display(),
                profile: case.person.primary().employee.id.clone(),
                login: case.login.as_ref().map(|chosen| chosen.login.clone()).unwrap_or_default(),
                state,
                note,
            });
        }
    }
    starters.sort_by(|a, b| (&a.start, &a.name).cmp(&(&b.start, &b.name)));
    let blocked = starters.iter().filter(|starter| starter.state == "blocked").count();
    if options.json {
        let report = serde_json::json!({ "days": options.days, "blocked": blocked, "starters": starters });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if starters.is_empty() {
        println!("nobody starts in the next {} days", options.days);
    } else {
        let mut rows = table(&["start", "who", "login", "org", "state", "note"]);
        for s in &starters {
            rows.add_row([&s.start, &s.name, &s.login, &s.org, &s.state.to_owned(), &s.note]);
        }
        println!("{rows}\n{} start in the next {} days, {blocked} of them blocked", starters.len(), options.days);
    }
    Ok(if blocked == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether somebody will be ready on their first day, and why not.
fn judge(
    rules: &crate::identity::Rulebook,
    case: &Case,
    reason: Option<(i64, Option<String>)>,
    now: crate::clock::Moment,
) -> (&'static str, String) {
    if let Some((1, Some(why))) = &reason {
        return ("blocked", why.clone());
    }
    if let Err(why) = &case.login {
        return ("blocked", why.clone());
    }
    if let Err(why) = rules.desired(case, now) {
        return ("blocked", why);
    }
    let standing = rules.standing(case, now);
    let at = standing.changes_at.map(|at| at.to_string()).unwrap_or_default();
    let at = at.get(..16).unwrap_or_default().replace('T', " ");
    let remark = reason.and_then(|(_, remark)| remark).map(|remark| format!("; {remark}")).unwrap_or_default();
    match (case.account.as_ref().map(|account| account.status), &standing.entitlement) {
        (Some(AccountStatus::Staged), _) => ("staged", format!("activated on {at} UTC{remark}")),
        (Some(AccountStatus::Deprovisioned), _) => ("later", format!("comes back: activated on {at} UTC{remark}")),
        (Some(status), _) => ("ready", format!("the account is {}{remark}", status.word())),
        (None, Entitlement::NotYet) => ("later", format!("the account is made on {at} UTC")),
        (None, _) if case.person.primary().employee.user_status == UserStatus::Inactive => {
            ("blocked", "inactive in Namely".into())
        }
        (None, _) => ("later", format!("the account is about to be made{remark}")),
    }
}
