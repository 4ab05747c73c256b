//! `apply`: a saved plan is done as it was shown, for whoever has not moved since. The service does it, in any mode: what
//! was approved is let through, and nothing else.

use super::saved::SavedPlan;
use super::store::{Opened, open};
use super::table::table;
use super::way::Way;
use crate::admin::routes::Ask;
use crate::clock::Clock;
use crate::identity::preview::Preview;
use crate::store::{Approval, directory, held_people, holds, identity, preview_of};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Flags of `apply`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The saved plan
    pub plan: PathBuf,
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Who approves, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Only this person of the plan (profile, login or name); may be given several times
    #[arg(long = "person", value_name = "PERSON")]
    pub people: Vec<String>,
    /// Do nothing at all if anybody has moved since the plan was made
    #[arg(long)]
    pub strict: bool,
    /// Wait until the service has done it, for so long at most
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What has become of one person of the plan since it was made.
enum Moved {
    No,
    /// What would be done now is something else.
    Otherwise(String),
}

/// Approves the plan, and waits for it where that is asked for.
pub async fn apply(options: &Options) -> anyhow::Result<ExitCode> {
    let plan = SavedPlan::read(&options.plan)?;
    let opened = open(&options.config)?;
    plan.check(&identity(&opened.store)?, &opened.config.rules, opened.now)?;
    let chosen = chosen(&plan, &options.people)?;
    let (mut still, mut moved): (Vec<&Preview>, Vec<(&Preview, String)>) = (Vec::new(), Vec::new());
    let mut directories = BTreeMap::new();
    for person in chosen {
        match has_moved(&opened, person, &mut directories)? {
            Moved::No => still.push(person),
            Moved::Otherwise(why) => moved.push((person, why)),
        }
    }
    let nothing = options.strict && !moved.is_empty();
    if !nothing {
        let approvals: Vec<Approval> =
            still.iter().map(|p| Approval { target: p.target, changes: p.changes.clone() }).collect();
        let expires = plan.expires_at.to_string();
        let body = json!({ "plan": plan.checksum[..12], "expires": expires, "people": approvals });
        let way = Way::find(&opened, options.by.as_ref())?;
        way.ask(Ask::ApprovePlan, &[], body).await?;
    }
    let jointly = if nothing { Vec::new() } else { jointly(&opened, &still)? };
    let done = match options.wait {
        Some(seconds) if !nothing => Some(wait(&opened, &still, Duration::from_secs(seconds))?),
        _ => None,
    };
    report(options, &still, &moved, nothing, done)?;
    if !options.json {
        jointly.iter().for_each(|told| println!("{told}"));
    }
    let failed = nothing || done.is_some_and(|done| done < still.len());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(
    options: &Options,
    still: &[&Preview],
    moved: &[(&Preview, String)],
    nothing: bool,
    done: Option<usize>,
) -> anyhow::Result<()> {
    if options.json {
        let moved: Vec<_> =
            moved.iter().map(|(p, why)| json!({ "profile": p.profile, "name": p.name, "why": why })).collect();
        let approved = if nothing { 0 } else { still.len() };
        println!("{}", serde_json::to_string_pretty(&json!({ "approved": approved, "moved": moved, "done": done }))?);
        return Ok(());
    }
    if !moved.is_empty() {
        println!("moved since the plan was made, and left out:");
        let mut rows = table(&["who", "login", "why"]);
        for (person, why) in moved {
            rows.add_row([&person.name, &person.login, why]);
        }
        println!("{rows}");
    }
    match (nothing, done) {
        (true, _) => println!("nothing was approved (--strict): make the plan anew"),
        (false, Some(done)) => println!("{done} of {} people are as the plan says", still.len()),
        (false, None) => println!("{} people approved; a running service does it in some seconds", still.len()),
    }
    Ok(())
}

/// What an approval of one person does not let through.
fn jointly(opened: &Opened, people: &[&Preview]) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    for hold in holds(&opened.store, false)?.into_iter().filter(|hold| hold.needs > 1) {
        let held = held_people(&opened.store, hold.id)?;
        let waits = held.iter().filter(|held| people.iter().any(|person| person.target == held.target));
        told.extend(waits.map(|held| {
            let (change, needs, id) = (&hold.change, hold.needs, hold.id);
            format!("{}: {change} needs {needs} people; each decides with `holds approve {id}`", held.name)
        }));
    }
    Ok(told)
}

/// The people of the plan who can be done and are meant.
fn chosen<'a>(plan: &'a SavedPlan, words: &[String]) -> anyhow::Result<Vec<&'a Preview>> {
    let can = |person: &&Preview| person.obstacle.is_none();
    if words.is_empty() {
        return Ok(plan.people.iter().filter(can).collect());
    }
    let mut found = Vec::new();
    for word in words {
        let is_meant = |p: &&Preview| {
            p.profile == *word || p.login.eq_ignore_ascii_case(word) || p.name.eq_ignore_ascii_case(word)
        };
        let meant: Vec<&Preview> = plan.people.iter().filter(is_meant).collect();
        match meant.as_slice() {
            [] => bail!("{word} is not in the plan"),
            [one] if !can(one) => bail!("{word}: {}", one.obstacle.clone().unwrap_or_default()),
            [one] => found.push(*one),
            _ => bail!("{word} is several people of the plan; name them by profile"),
        }
    }
    Ok(found)
}

fn has_moved(
    opened: &Opened,
    person: &Preview,
    directories: &mut BTreeMap<String, Cow<'static, crate::identity::Directory>>,
) -> anyhow::Result<Moved> {
    if !directories.contains_key(&person.org) {
        let Some(known) = directory(&opened.store, &person.org)? else {
            bail!("the groups of {} are not known any more; start the service", person.org);
        };
        directories.insert(person.org.clone(), Cow::Owned(known));
    }
    let Some(known) = directories.get_mut(&person.org) else { bail!("{} is not known", person.org) };
    let now = preview_of(&opened.store, &opened.config.rulebook, person.target, known, opened.now)?;
    Ok(match now {
        None => Moved::Otherwise("is not known any more".into()),
        Some(now) if now.basis == person.basis => Moved::No,
        Some(now) if now.changes.is_empty() => Moved::Otherwise("is as they should be already".into()),
        Some(now) if now.changes == person.changes => {
            Moved::Otherwise("their profile or their account has changed, although the same would be done".into())
        }
        Some(now) => Moved::Otherwise(format!(
            "now it would be: {}",
            now.changes.values().flatten().cloned().collect::<Vec<_>>().join("; ")
        )),
    })
}

/// Waits until nobody of them is left to do; returns how many were done.
fn wait(opened: &Opened, people: &[&Preview], most: Duration) -> anyhow::Result<usize> {
    let bar = ProgressBar::new(people.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} people done").unwrap_or(ProgressStyle::default_bar()),
    );
    let clock = Clock::system();
    let start = clock.monotonic();
    let mut select = opened.store.prepare("SELECT dirty_rev = done_rev FROM work WHERE target = ?1")?;
    loop {
        let mut done = 0;
        for person in people {
            done += usize::from(select.query_row([person.target], |row| row.get(0)).unwrap_or(false));
        }
        bar.set_position(done as u64);
        if done == people.len() || clock.monotonic().since(start) >= most {
            bar.finish_and_clear();
            return Ok(done);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
