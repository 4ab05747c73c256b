//! `plan`: exactly what would be done, and to whom. Nothing is asked and nothing is written: it is computed from what the
//! service has read and written down.

use super::backend::running;
use super::failure::{cannot_say, usage};
use super::place::ConfigFile;
use super::store::{Opened, moment, open, span};
use super::table::table;
use crate::admin::planned::{Windows, by_decision, name_managers, will_wait, windows};
use crate::admin::saved::SavedPlan;
use crate::admin::state::Running;
use crate::config::place::Place;
use crate::domain::ChangeKind;
use crate::domain::guard::outline::{Sort, Summary, Whom};
use crate::domain::guard::preview::Preview;
use crate::domain::record::lifecycle::LeaverGroups;
use crate::store::{Extent, directory, find, identity, preview_of, previews, vitals};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Departments, groups and attributes that are counted one by one; the rest is counted together.
const COUNTED: usize = 12;
/// People who are listed one by one unless all are asked for.
const LISTED: usize = 20;
/// What `--detailed-exitcode` says of changes.
const CHANGES: u8 = 2;

/// Flags of `plan`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration whose store is read, and whose rules plan
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Only this person: profile, email, login or full name
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// Only people of whom something has changed since: a time such as 2026-05-04T06:00:00Z, or how long ago: 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Look at everybody, not only at people of whom something has changed
    #[arg(long)]
    pub everybody: bool,
    /// Save the plan, to approve and apply exactly it
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How long a saved plan may be applied
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub valid: String,
    /// List everybody, one by one
    #[arg(long)]
    pub all: bool,
    /// End with 2 if there is anything to do, and with 0 if there is nothing
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Prints the plan, and saves it where that is asked for.
pub async fn plan(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let running = running(&Place::of(&opened.config)).await;
    planned(options, &opened, running.as_ref())
}

fn planned(options: &Options, opened: &Opened, running: Option<&Running>) -> anyhow::Result<ExitCode> {
    let valid = span(&options.valid).context("--valid")?;
    let mut people = read(opened, options)?;
    let rejected = by_decision(&people);
    if options.person.is_none() {
        people.retain(Preview::has_work);
    }
    if let Some(path) = &options.output {
        let store = identity(&opened.store)?;
        SavedPlan::new(people.clone(), store, opened.config.rules.clone(), opened.now, valid).write(path)?;
    }
    let share = |org: &str| {
        let shares = opened.config.okta.iter().find(|one| one.name == org).map(|one| one.shares);
        shares.map_or(1.0, |shares| shares.share)
    };
    let windows = running.map(|running| windows(&people, share, running));
    if options.json {
        let mut summary = Summary::of(&people).json();
        summary["windows"] = json!(windows);
        let all = json!({ "people": people, "summary": summary, "by_decision": rejected });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ended(options, &people));
    }
    name_managers(&opened.store, &mut people)?;
    let takes_all = opened.config.rulebook.policies.termination.groups == LeaverGroups::All;
    if people.is_empty() && !rejected.is_empty() {
        println!("nothing to do: everybody else who was looked at is as they should be");
    } else {
        show(&people, options.all, takes_all);
    }
    if !people.is_empty() {
        let (mode, used) =
            (opened.config.rulebook.safeguards.mode, vitals(&opened.store, &opened.config.rulebook, opened.now)?);
        will_wait(&people, mode, &used.safeguards).iter().for_each(|line| say!("{line}"));
        say!("{}", how_long(windows.as_deref()));
    }
    rejected.iter().for_each(|line| say!("{line}"));
    if let Some(path) = &options.output {
        say!("saved: apply exactly this with `apply {}{}`", path.display(), options.config.shown());
    }
    Ok(ended(options, &people))
}

/// How long it takes at the limits that Okta grants this service.
fn how_long(windows: Option<&[Windows]>) -> String {
    let line = |one: &Windows| {
        let Windows { org, bucket, calls, per_minute, minutes } = one;
        let long = match minutes {
            1 => "within a minute".to_owned(),
            minutes => format!("about {}", count(*minutes, "minute", "minutes")),
        };
        format!("{long} in {org}: {} of {bucket}, {per_minute} a minute", count(*calls, "call", "calls"))
    };
    match windows {
        None => "how long it takes is known while the service runs: Okta tells it the limits".to_owned(),
        Some([]) => "how long it takes is not known: Okta has told no limit of what is needed yet".to_owned(),
        Some(all) => all.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

/// How it ends.
fn ended(options: &Options, people: &[Preview]) -> ExitCode {
    let changes = people.iter().any(Preview::has_work);
    if options.detailed_exitcode && changes { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS }
}

fn read(opened: &Opened, options: &Options) -> anyhow::Result<Vec<Preview>> {
    let rules = &opened.config.rulebook;
    let extent = match (&options.since, options.everybody) {
        (Some(_), true) => return Err(usage("--since and --everybody do not go together")),
        (Some(text), false) => Extent::Since(moment("--since", text, opened.now)?),
        (None, true) => Extent::Everybody,
        (None, false) => Extent::Dirty,
    };
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} planned").unwrap_or(ProgressStyle::default_spinner()),
    );
    let mut people = Vec::new();
    for org in opened.orgs(options.org.as_ref())? {
        let Some(known) = directory(&opened.store, &org)? else {
            return Err(cannot_say(format!(
                "the groups of {org} were not read yet: start the service (`run --dry-run` writes nothing), then plan"
            )));
        };
        match &options.person {
            None => people.extend(previews(&opened.store, rules, &org, extent, opened.now, || bar.inc(1))?),
            Some(person) => {
                let mut known = Cow::Owned(known);
                for target in find(&opened.store, &org, person)? {
                    people.extend(preview_of(&opened.store, rules, target, &mut known, opened.now)?);
                }
            }
        }
    }
    bar.finish_and_clear();
    if let (Some(person), true) = (&options.person, people.is_empty()) {
        bail!("nobody is called {person:?}; give a profile UUID, an email, a login or a full name");
    }
    Ok(people)
}

/// Whom it is about and what of, who loses something first; the numbers last.
fn show(people: &[Preview], all: bool, takes_all: bool) {
    if people.is_empty() {
        println!("nothing to do: everybody who was looked at is as they should be");
        return;
    }
    let summary = Summary::of(people);
    let one_by_one = all || people.len() <= LISTED;
    let risky: Vec<&Preview> = people.iter().filter(|p| p.obstacle.is_none() && p.is_risky()).collect();
    let others: Vec<&Preview> = people.iter().filter(|p| p.obstacle.is_none() && !p.is_risky()).collect();
    if one_by_one {
        list("takes something from somebody, one by one:", &risky, all);
        list("everything else:", &others, all);
    }
    let (takes, gives): (Vec<_>, Vec<_>) =
        summary.sorted().into_iter().partition(|((change, ..), _)| change.is_risky());
    grouped("what is taken, and from whom:", &takes);
    grouped("what else is done:", &gives);
    let obstacles: Vec<&Preview> = people.iter().filter(|p| p.obstacle.is_some()).collect();
    list("cannot be done until somebody changes something:", &obstacles, all);
    if !one_by_one {
        println!("\neverybody, one by one, with --all; one of them with --person");
    }
    let departments = largest(summary.departments.iter().map(|(name, n)| (name.clone(), *n)).collect());
    let named = |(name, n): &(String, usize)| match name.is_empty() {
        true => format!("no department {n}"),
        false => format!("{name} {n}"),
    };
    say!("\nby department: {}", departments.iter().map(named).collect::<Vec<_>>().join(", "));
    let kinds: Vec<String> = summary.kinds.iter().map(|(change, n)| format!("{} {n}", change.as_str())).collect();
    say!("by kind: {}", if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") });
    say!("{}", how_many_calls(&summary, people, takes_all));
}

/// Changes of one sort, each with how many it is about and who of them comes first.
fn grouped(title: &str, what: &[(&Sort, &Whom)]) {
    if what.is_empty() {
        return;
    }
    println!("\n{title}");
    let mut rows = table(&["change", "what", "by the rule", "people", "who"]);
    for ((change, what, rule), Whom { people, named }) in what.iter().take(2 * COUNTED) {
        let more = if *people > named.len() { format!(" and {} more", people - named.len()) } else { String::new() };
        let who = named.join(", ") + &more;
        rows.add_row([change.as_str().to_owned(), what.clone(), rule.clone(), people.to_string(), who]);
    }
    println!("{rows}");
    if what.len() > 2 * COUNTED {
        println!("and {} more kinds of that; all of them with --json", what.len() - 2 * COUNTED);
    }
}

/// How many calls it takes. Where leavers are taken out of every group, those that no rule manages are known once Okta lists them.
fn how_many_calls(summary: &Summary, people: &[Preview], takes_all: bool) -> String {
    let ends = |person: &&Preview| person.obstacle.is_none() && person.changes.contains_key(&ChangeKind::Deactivate);
    let leavers = people.iter().filter(ends).count();
    let further = match leavers {
        leavers if leavers > 0 && takes_all => format!(
            ", and one for each further group of {}: groups that no rule manages are listed by Okta only then",
            count(leavers, "leaver", "leavers")
        ),
        _ => String::new(),
    };
    let calls = count(summary.calls, "call to Okta", "calls to Okta");
    format!("{calls} for {}{further}", count(people.len() - summary.obstacles, "person", "people"))
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn largest(mut counts: Vec<(String, usize)>) -> Vec<(String, usize)> {
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let rest: usize = counts.iter().skip(COUNTED).map(|(_, n)| n).sum();
    counts.truncate(COUNTED);
    if rest > 0 {
        counts.push(("all others".to_owned(), rest));
    }
    counts
}

fn list(title: &str, people: &[&Preview], all: bool) {
    if people.is_empty() {
        return;
    }
    say!("\n{title}");
    let limit = if all { usize::MAX } else { LISTED };
    let mut rows = table(&["who", "login", "department", "in Namely", "what"]);
    for person in people.iter().take(limit) {
        let what = match &person.obstacle {
            Some(why) => why.clone(),
            None => person.changes.values().flatten().chain(&person.by_okta).cloned().collect::<Vec<_>>().join("\n"),
        };
        rows.add_row([&person.name, &person.login, &person.department, &person.entitlement, &what]);
    }
    println!("{rows}");
    if people.len() > limit {
        println!("and {} more; all of them with --all or --json", people.len() - limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::guard::outline;
    use std::collections::BTreeMap;

    fn person(n: i64, change: ChangeKind) -> Preview {
        Preview { steps: BTreeMap::from([("remove_group", 1)]), ..outline::tests::person(n, change, &["x"]) }
    }

    #[test]
    fn groups_of_leavers_that_are_not_known_yet_are_announced_beside_the_calls() {
        let people = [person(1, ChangeKind::Deactivate), person(2, ChangeKind::AddGroup)];
        let said = |takes_all| how_many_calls(&Summary::of(&people), &people, takes_all);
        assert_eq!(said(false), "2 calls to Okta for 2 people");
        assert!(said(true).starts_with("2 calls to Okta for 2 people, and one for each further group of 1 leaver"));
        assert!(!how_many_calls(&Summary::of(&people[1..]), &people[1..], true).contains("further"));
    }

    #[test]
    fn a_plan_says_how_long_the_busiest_counter_needs_and_that_it_cannot_where_no_limit_is_known() {
        let people: Vec<Preview> = (0..1200).map(|n| person(n, ChangeKind::RemoveGroup)).collect();
        let asked = |metrics: &str| {
            let running = Running::new(BTreeMap::new(), BTreeMap::new(), metrics);
            how_long(Some(&windows(&people, |_| 1.0, &running)))
        };
        let metrics = "namely_okta_sync_okta_rate_limit{bucket=\"groups\",org=\"main\"} 500\n";
        assert_eq!(asked(metrics), "about 3 minutes in main: 1200 calls of groups, 500 a minute");
        assert!(asked("").contains("not known") && how_long(None).contains("while the service runs"));
    }
}
