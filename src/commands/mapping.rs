//! `mapping test` and `mapping diff`: what the mapping says of one person, and what a changed one would change for all.

use super::place::ConfigFile;
use super::store::open;
use super::table::table;
use crate::admin::mapping::{compare, tested, unseen};
use crate::config::Config;
use crate::domain::guard::difference::Difference;
use crate::domain::mapping::explain::Explanation;
use crate::store::{directory, find, population, whole};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Values of an attribute that are shown.
const PAIRS: usize = 5;

/// What to do.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Every attribute and group of one person, with the rule and the inputs that gave it, or why not
    Test {
        /// Profile, email, login or full name
        person: String,
        /// Configuration, org and form of the answer
        #[command(flatten)]
        common: Common,
    },
    /// What another configuration would change for everybody; nothing is asked or written
    Diff {
        /// The changed configuration
        new: PathBuf,
        /// Configuration, org and form of the answer
        #[command(flatten)]
        common: Common,
    },
}

/// What every action is told.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// The configuration whose store is read, and whose mapping is tested or compared with the changed one
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only this org
    #[arg(long)]
    pub org: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Tests or compares.
pub fn mapping(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Test { person, common } => test(person, common),
        Action::Diff { new, common } => diff(new, common),
    }
}

fn test(person: &str, common: &Common) -> anyhow::Result<ExitCode> {
    let opened = open(&common.config)?;
    let mut found = Vec::new();
    for org in opened.orgs(common.org.as_ref())? {
        for target in find(&opened.store, &org, person)? {
            found.extend(whole(&opened.store, &opened.config.rulebook, target, opened.now)?);
        }
    }
    if found.is_empty() {
        bail!("nobody is called {person:?}; give a profile UUID, an email, a login or a full name");
    }
    let rules = &opened.config.rulebook;
    let mut message = Vec::new();
    for case in &found {
        message.push((case, rules.explain(case, opened.now)));
    }
    if common.json {
        let people: Vec<_> = found.iter().map(|case| tested(rules, case, opened.now)).collect();
        println!("{}", serde_json::to_string_pretty(&people)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (case, explanation) in &message {
        let lifecycle = rules.lifecycle(case, opened.now);
        say!("{} in {}: {}", case.person.display(), case.org, lifecycle.entitlement.as_str());
        lifecycle.remarks.iter().for_each(|remark| say!("  {remark}"));
        match &case.login {
            Ok(chosen) => say!("  login {}", chosen.login),
            Err(why) => say!("  login: {why}"),
        }
        print(explanation);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(inputs: &BTreeMap<String, serde_json::Value>) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    inputs.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect::<Vec<_>>().join("\n")
}

fn print(explanation: &Explanation) {
    let mut rows = table(&["attribute", "value", "from", "inputs", "note"]);
    for a in &explanation.attributes {
        let value = a.value.as_str().map_or_else(|| a.value.to_string(), str::to_owned);
        let value = if a.value.is_null() { String::new() } else { value };
        let note = a.note.clone().unwrap_or_default();
        rows.add_row([a.attribute.clone(), value, a.expression.clone(), list(&a.inputs), note]);
    }
    println!("{rows}");
    let mut rows = table(&["group rule", "gives", "condition", "inputs", "why not"]);
    for g in &explanation.groups {
        let groups = g.groups.iter().cloned().collect::<Vec<_>>().join("\n");
        let (when, not) = (g.when.clone().unwrap_or_default(), g.not.clone().unwrap_or_default());
        rows.add_row([g.rule.clone(), groups, when, list(&g.inputs), not]);
    }
    println!("{rows}");
    if !explanation.apps.is_empty() {
        let mut rows = table(&["app rule", "app", "assigned", "why not"]);
        for a in &explanation.apps {
            let assigned = if a.assigned { "yes" } else { "no" };
            rows.add_row([a.rule.clone(), a.app.clone(), assigned.to_owned(), a.not.clone().unwrap_or_default()]);
        }
        println!("{rows}");
    }
}

fn diff(new: &std::path::Path, common: &Common) -> anyhow::Result<ExitCode> {
    let opened = open(&common.config)?;
    let changed = Config::without_secrets(new)?;
    let unseen = unseen(&opened.config.rulebook, &changed.rulebook);
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} people compared")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut all = Difference::default();
    for org in opened.orgs(common.org.as_ref())? {
        let known_org = directory(&opened.store, &org)?.unwrap_or_default();
        population(&opened.store, &org, |stored_people| {
            bar.inc(stored_people.len() as u64);
            let rules = (&*opened.config.rulebook, &*changed.rulebook);
            all.merge(compare(rules, &known_org, &org, (&stored_people, cores), opened.now)?);
            Ok(())
        })?;
    }
    bar.finish_and_clear();
    if common.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        show(&all);
    }
    if !unseen.is_empty() {
        let names = unseen.join(", ");
        eprintln!(
            "note: the service does not read {names} yet, so they are empty here; `run` with the new file reads them"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show(all: &Difference) {
    say!("{} of {} people would change", all.changed, all.people);
    if !all.attributes.is_empty() {
        let mut rows = table(&["attribute", "people", "what becomes of it", "for example"]);
        for (name, change) in &all.attributes {
            let mut pairs: Vec<(&String, &usize)> = change.values.iter().collect();
            pairs.sort_by_key(|(pair, n)| (std::cmp::Reverse(**n), (*pair).clone()));
            let mut lines: Vec<String> = pairs.iter().take(PAIRS).map(|(pair, n)| format!("{n} x {pair}")).collect();
            if pairs.len() > PAIRS {
                lines.push(format!("and {} other pairs", pairs.len() - PAIRS));
            }
            rows.add_row([name.clone(), change.people.to_string(), lines.join("\n"), change.examples.join(", ")]);
        }
        println!("{rows}");
    }
    for (what, changes) in [("group", &all.groups), ("app", &all.apps)] {
        if !changes.is_empty() {
            let mut rows = table(&[what, "added", "removed", "for example"]);
            for (name, change) in changes {
                let (added, removed) = (change.added.to_string(), change.removed.to_string());
                rows.add_row([name.clone(), added, removed, change.examples.join(", ")]);
            }
            println!("{rows}");
        }
    }
    all.user_types.iter().for_each(|(pair, n)| say!("user type {pair}: {n} people"));
    if !all.broken.is_empty() {
        let mut rows = table(&["people", "quarantined, because", "for example"]);
        for (why, failure) in &all.broken {
            rows.add_row([failure.people.to_string(), why.clone(), failure.examples.join(", ")]);
        }
        println!("{rows}");
    }
    if !all.waits.is_empty() {
        let mut rows = table(&["people", "done but for what they wait for", "for example"]);
        for (why, failure) in &all.waits {
            rows.add_row([failure.people.to_string(), why.clone(), failure.examples.join(", ")]);
        }
        println!("{rows}");
    }
    if all.mended > 0 {
        say!("{} people who are quarantined now could be worked on", all.mended);
    }
}
