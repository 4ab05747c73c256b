//! `undo`: takes back what was done in a run, to a person, or in a span of time: shows what that comes to and what cannot
//! come back, and has the service do it through the safeguards.

use super::store::{Opened, moment, open};
use super::table::table;
use super::way::Way;
use crate::admin::routes::Ask;
use crate::identity::pins::{Pins, invert};
use crate::identity::preview::{Preview, preview};
use crate::store::{Filter, carried_out, directory, whole_with};
use anyhow::bail;
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

/// People who are listed one by one unless all are asked for.
const LISTED: usize = 100;

/// Flags of `undo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// What was done in this run of the service
    #[arg(long, value_name = "NUMBER")]
    pub run: Option<i64>,
    /// What was done to this person: profile, email, login or full name
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// What was done from then on: a day, a time, or how long ago (2h)
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// What was done until then
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Let go of what an earlier undo has pinned of --person, instead of undoing something
    #[arg(long)]
    pub release: bool,
    /// Do it: without this it is only shown
    #[arg(long)]
    pub apply: bool,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// List everybody
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Shows it, or asks the service for it.
pub async fn undo(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    if options.release {
        return release(&opened, options).await;
    }
    if options.run.is_none() && options.person.is_none() && options.from.is_none() {
        bail!("say what to take back: --run, --person, or --from (and --to)");
    }
    let time = |flag, text: &Option<String>| text.as_ref().map(|t| moment(flag, t, opened.now)).transpose();
    let (since, until) = (time("--from", &options.from)?, time("--to", &options.to)?);
    let (mut all, mut warnings) = (Vec::new(), BTreeSet::new());
    for org in opened.orgs(options.org.as_ref())? {
        let targets = match &options.person {
            Some(person) => opened.targets(Some(&org), person)?,
            None => Vec::new(),
        };
        let filter = Filter { targets, since, until, run: options.run, ..Filter::default() };
        let mut pins = BTreeMap::new();
        for (target, steps) in carried_out(&opened.store, &org, &filter)? {
            let (of_person, lost) = invert(steps.iter().rev());
            warnings.extend(lost);
            if !of_person.is_empty() {
                pins.insert(target, of_person);
            }
        }
        all.push((org.clone(), look(&opened, &org, &pins)?, pins));
    }
    let asked = options.apply && all.iter().any(|(_, _, pins)| !pins.is_empty());
    if asked {
        let way = Way::find(&opened, options.by.as_ref())?;
        for (org, _, pins) in all.iter().filter(|(_, _, pins)| !pins.is_empty()) {
            let people: Vec<_> = pins.iter().map(|(target, pins)| json!({ "target": target, "pins": pins })).collect();
            way.ask(Ask::Undo, &[], json!({ "org": org, "why": what(options), "people": people })).await?;
        }
    }
    let people: Vec<&Preview> = all.iter().flat_map(|(_, previews, _)| previews).collect();
    if options.json {
        let document = json!({ "people": people, "cannot_come_back": warnings, "asked": asked });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(ExitCode::SUCCESS);
    }
    show(&people, &warnings, options, asked);
    Ok(ExitCode::SUCCESS)
}

fn what(options: &Options) -> String {
    let parts = [
        options.run.map(|run| format!("run {run}")),
        options.person.as_ref().map(|person| format!("person {person}")),
        options.from.as_ref().map(|from| format!("from {from}")),
        options.to.as_ref().map(|to| format!("to {to}")),
    ];
    format!("undo of {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What the planner would do with these pins.
fn look(opened: &Opened, org: &str, pins: &BTreeMap<i64, Pins>) -> anyhow::Result<Vec<Preview>> {
    let Some(known) = directory(&opened.store, org)? else {
        bail!("the groups of {org} were not read yet: start the service first");
    };
    let (mut known, rules) = (Cow::Owned(known), &opened.config.rulebook);
    let mut previews = Vec::new();
    for (target, pins) in pins {
        let Some(case) = whole_with(&opened.store, rules, *target, pins, opened.now)? else { continue };
        let found = preview(*target, &case, None, rules, &mut known, opened.now);
        previews.extend(Some(found).filter(|found| !found.is_empty()));
    }
    Ok(previews)
}

fn show(people: &[&Preview], warnings: &BTreeSet<String>, options: &Options, asked: bool) {
    if people.is_empty() {
        println!("nothing to take back: what was done is not there any more, or was nothing");
        return;
    }
    let limit = if options.all { usize::MAX } else { LISTED };
    let mut rows = table(&["who", "login", "in Namely", "what would be done"]);
    for person in people.iter().take(limit) {
        let what = match &person.obstacle {
            Some(why) => why.clone(),
            None => person.changes.values().flatten().chain(&person.by_okta).cloned().collect::<Vec<_>>().join("\n"),
        };
        rows.add_row([&person.name, &person.login, &person.standing, &what]);
    }
    println!("{rows}");
    if people.len() > limit {
        println!("and {} more; all of them with --all or --json", people.len() - limit);
    }
    if !warnings.is_empty() {
        println!("what cannot come back:");
        warnings.iter().for_each(|warning| println!("  {warning}"));
    }
    if asked {
        println!(
            "asked for: a running service does it, through the safeguards; it stays until Namely or the mapping says something new"
        );
    } else {
        println!("nothing was done: say --apply --by NAME to do exactly this");
    }
}

async fn release(opened: &Opened, options: &Options) -> anyhow::Result<ExitCode> {
    let Some(person) = &options.person else { bail!("say of whom: --release --person PERSON") };
    let way = Way::find(opened, options.by.as_ref())?;
    for org in opened.orgs(options.org.as_ref())? {
        let targets = opened.targets(Some(&org), person)?;
        way.ask(Ask::Release, &[], json!({ "org": org, "targets": targets })).await?;
    }
    println!("asked for: what was pinned of {person} follows Namely again in some seconds");
    Ok(ExitCode::SUCCESS)
}
