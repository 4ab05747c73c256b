//! `explain`: what Namely says of somebody, which rule gave each attribute and group, what Okta has, what would change;
//! and why somebody is not in a group.

use super::place::ConfigFile;
use super::store::open;
use super::table::table;
use crate::admin::explained::{Explained, explained};
use crate::store::find;
use anyhow::bail;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Flags of `explain`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Profile, email, login or full name
    pub person: String,
    /// The configuration whose store is read, and whose rules explain
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Why (not) this group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Explains.
pub fn explain(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let mut all = Vec::new();
    for org in opened.orgs(options.org.as_ref())? {
        for target in find(&opened.store, &org, &options.person)? {
            all.extend(explained(&opened.store, &opened.config.rulebook, &org, target, opened.now)?);
        }
    }
    if all.is_empty() {
        bail!("nobody is called {:?}; give a profile UUID, an email, a login or a full name", options.person);
    }
    let verdicts: Vec<Option<Vec<String>>> =
        all.iter().map(|message| options.group.as_ref().map(|group| why(message, group))).collect();
    if options.json {
        let people: Vec<Value> =
            all.iter().zip(&verdicts).map(|(message, group)| json(message, group.as_ref())).collect();
        println!("{}", serde_json::to_string_pretty(&people)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (message, verdict) in all.iter().zip(&verdicts) {
        header(message);
        match verdict {
            Some(reasons) => reasons.iter().for_each(|reason| say!("  {reason}")),
            None => tables(message),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How far the work on somebody is, and why.
fn state(known: &Explained) -> String {
    match &known.state {
        (word, None) => (*word).to_owned(),
        ("done", Some(remark)) => format!("done; {remark}"),
        (word, Some(why)) => format!("{word}: {why}"),
    }
}

fn header(known: &Explained) {
    let p = &known.preview;
    say!("{} in {}: {} in Namely; {}", p.name, p.org, p.entitlement, state(known));
    say!("  profile {} of {}", p.profile, p.tenant);
    match &known.case.account {
        Some(account) => say!("  account {} ({}), {}", account.id, account.login, account.status.as_str()),
        None => println!("  no account in Okta"),
    }
    if let Some(decided) = &known.decided {
        say!("  by decision: {}; `{}` lets Namely decide", decided.message, decided.command);
    }
    known.unanswered.iter().for_each(|message| say!("  {message}"));
    p.remarks.iter().for_each(|remark| say!("  {remark}"));
    if let Some(why) = &p.obstacle {
        say!("  cannot be done: {why}");
    }
    p.rejected.values().for_each(|why| say!("  by decision: {why}"));
    if p.changes.is_empty() && p.rejected.is_empty() {
        println!("  nothing would change");
    }
    for (change, words) in &p.changes {
        say!("  would {}: {}", change.as_str(), words.join("; "));
    }
    p.by_okta.iter().for_each(|message| say!("  {message}"));
}

fn tables(known: &Explained) {
    let profile = known.case.account.as_ref().map(|account| &account.profile);
    let mut rows = table(&["attribute", "Namely gives", "Okta has", "from", "inputs", "note"]);
    for a in &known.mapping.attributes {
        let has = profile.and_then(|profile| profile.get(&a.attribute)).map(text).unwrap_or_default();
        let note = a.note.clone().unwrap_or_default();
        rows.add_row([a.attribute.clone(), text(&a.value), has, a.expression.clone(), list(&a.inputs), note]);
    }
    println!("{rows}");
    let mut rows = table(&["group rule", "gives", "condition", "inputs", "why not"]);
    for g in &known.mapping.groups {
        let groups = g.groups.iter().cloned().collect::<Vec<_>>().join("\n");
        let (when, not) = (g.when.clone().unwrap_or_default(), g.not.clone().unwrap_or_default());
        rows.add_row([g.rule.clone(), groups, when, list(&g.inputs), not]);
    }
    println!("{rows}");
    say!("groups in Okta, as far as they matter here: {}", known.groups().join(", "));
}

fn json(known: &Explained, group: Option<&Vec<String>>) -> Value {
    json!({
        "plan": known.preview,
        "state": state(known),
        "decided": known.decided,
        "account": known.account(),
        "mapping": known.mapping,
        "group": group,
    })
}

/// Why somebody is in a group, or why not.
fn why(message: &Explained, word: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    let found = message.directory.find(word);
    let name = found.map_or(word, |group| group.name.as_str());
    let is_in = found.is_some_and(|group| message.case.account.as_ref().is_some_and(|a| a.groups.contains(&group.id)));
    match found {
        None => reasons.push(format!("Okta has no group {word:?}")),
        Some(group) if message.directory.is_rule_owned(&group.id) => {
            reasons.push(format!("{name:?} is filled by one of Okta's own group rules: never written from here"));
        }
        Some(group) if !group.writable => {
            reasons.push(format!(
                "Okta does not let anybody write memberships of {name:?}: it comes from an app or is built in"
            ));
        }
        Some(_) => reasons.push(format!("{} of {name:?} in Okta", if is_in { "a member" } else { "no member" })),
    }
    let gives = message.mapping.groups.iter().filter(|g| g.groups.iter().any(|given| given == word || given == name));
    let gives: Vec<String> =
        gives.map(|g| format!("the rule {:?} gives it ({})", g.rule, list(&g.inputs).replace('\n', ", "))).collect();
    if gives.is_empty() {
        reasons.push("no rule of the mapping gives it:".to_owned());
        for g in &message.mapping.groups {
            let not = match (&g.not, g.groups.is_empty()) {
                (Some(not), _) => not.clone(),
                (None, true) => "gives nothing".to_owned(),
                (None, false) => format!("gives {}", g.groups.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            let inputs = list(&g.inputs).replace('\n', ", ");
            reasons.push(format!(
                "  {}: {not}{}",
                g.rule,
                if inputs.is_empty() { inputs } else { format!(" ({inputs})") }
            ));
        }
    } else {
        reasons.extend(gives);
        if message.holds != "entitled" {
            reasons
                .push(format!("what the mapping gives holds while they are entitled; they are {} now", message.holds));
        }
    }
    reasons
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(inputs: &BTreeMap<String, Value>) -> String {
    inputs.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect::<Vec<_>>().join("\n")
}
