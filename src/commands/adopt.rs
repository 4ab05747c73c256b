//! `adopt`: what first contact with an org would do, and the acceptance without which nothing is written.

use super::backend::{Asking, by, part, say_what_is_next};
use super::table::table;
use crate::admin::routes::Ask;
use crate::store::{Adoption, AdoptionEntry as Entry};
use serde_json::json;
use std::process::ExitCode;

/// People who are shown of each kind, unless all are asked for.
const SHOWN: usize = 10;

/// Flags of `adopt`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Accept the report of this org: from then on it is written to
    #[arg(long, value_name = "ORG", requires = "code")]
    pub accept: Option<String>,
    /// The code that the report printed: it names exactly what was shown
    #[arg(long, value_name = "CODE", requires = "accept")]
    pub code: Option<String>,
    /// Who accepts, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// List everybody
    #[arg(long)]
    pub all: bool,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows the reports, or accepts one.
pub async fn adopt(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(org) = &options.accept {
        let backend = options.asking.at.to_decide(options.by.as_ref())?;
        let message = backend.ask(Ask::Adopt, &[org], json!({ "code": options.code })).await?;
        if options.asking.json {
            println!("{message}");
        } else if message["new"] == true {
            match message["next"].as_array().is_none_or(Vec::is_empty) {
                true => say!("{org}: accepted by {}; writing begins in some seconds", by(&message)),
                false => {
                    say!("{org}: accepted by {}", by(&message));
                    say_what_is_next(&message);
                }
            }
        } else {
            say!("{org}: was accepted before");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let message = options.asking.at.to_read()?.read(Ask::Adoptions, &[], json!({})).await?;
    let reports: Vec<Adoption> = part(message, "orgs")?;
    if options.asking.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
        return Ok(ExitCode::SUCCESS);
    }
    for report in &reports {
        show(report, options.all);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(report: &Adoption, all: bool) {
    match report.waiting.as_slice() {
        [] => say!("{}: first contact", report.org),
        waiting => say!("{}: first contact of {}", report.org, waiting.join(", ")),
    }
    let missing = report.missing();
    if !missing.is_empty() {
        say!("  not complete yet: {}", missing.join(", "));
    }
    let mut counts = table(&["what", "people", "meaning"]);
    for (rule, entries) in &report.matched {
        let differ = entries.iter().filter(|entry| !entry.differs.is_empty()).count();
        let differ = if differ == 0 { String::new() } else { format!("; {differ} differ, see below") };
        let meaning = format!("their account is known, by rule {rule:?}{differ}");
        counts.add_row(["matched", &entries.len().to_string(), &meaning]);
    }
    for (what, entries, meaning) in [
        ("ended", &report.ended, "left in Namely, and their account is in use: it will be closed"),
        ("created", &report.created, "no account yet: one will be made, now or before the start"),
        ("review", &report.review, "a match that you decide about: see `review list`"),
        ("alone", &report.alone, "accounts that no profile belongs to: never touched"),
    ] {
        counts.add_row([what, &entries.len().to_string(), meaning]);
    }
    counts.add_row(["nothing", &report.nothing.to_string(), "left in Namely or not due yet, and without an account"]);
    println!("{counts}");
    for (rule, entries) in &report.matched {
        differing(rule, entries, all);
    }
    let lists =
        [("ended", &report.ended), ("created", &report.created), ("review", &report.review), ("alone", &report.alone)];
    for (what, entries) in lists {
        if entries.is_empty() {
            continue;
        }
        let mut rows = table(&[what, "login", "profile", "why"]);
        for entry in entries.iter().take(if all { usize::MAX } else { SHOWN }) {
            let cell = |text: &Option<String>| text.clone().unwrap_or_default();
            rows.add_row([entry.name.clone(), cell(&entry.login), cell(&entry.profile), entry.why.clone()]);
        }
        println!("{rows}");
        if !all && entries.len() > SHOWN {
            say!("  and {} more; --all lists them", entries.len() - SHOWN);
        }
    }
    say!("{}", verdict(report));
}

/// Whether it was accepted, and what accepts exactly what is shown: nothing before all of it is known.
fn verdict(report: &Adoption) -> String {
    let missing = report.missing();
    match &report.accepted_by {
        Some(by) => format!("accepted by {by}"),
        None if !missing.is_empty() => format!(
            "not accepted, and nothing is written. It cannot be accepted yet: {}; look again when that is done",
            missing.join(", ")
        ),
        None => format!(
            "not accepted: nothing is written. To accept exactly this: adopt --accept {} --code {} --by YOUR-NAME",
            report.org, report.code
        ),
    }
}

/// Matches in which both sides say something else, the weightiest first.
fn differing(rule: &str, entries: &[Entry], all: bool) {
    let differing: Vec<&Entry> = entries.iter().filter(|entry| !entry.differs.is_empty()).collect();
    if differing.is_empty() {
        return;
    }
    let mut rows = table(&[&format!("matched by {rule:?}"), "login", "profile", "what differs"]);
    for entry in differing.iter().take(if all { usize::MAX } else { SHOWN }) {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        rows.add_row([entry.name.clone(), cell(&entry.login), cell(&entry.profile), entry.differs.join(", ")]);
    }
    println!("{rows}");
    if !all && differing.len() > SHOWN {
        say!("  and {} more; --all lists them", differing.len() - SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_as_a_whole_is_not_offered_for_acceptance() {
        let whole = Adoption { org: "main".into(), code: "1a2b".into(), primed: true, ..Adoption::default() };
        assert!(verdict(&whole).contains("--accept main --code 1a2b"));
        for half in
            [Adoption { primed: false, ..whole.clone() }, Adoption { not_walked: vec!["acme".into()], ..whole.clone() }]
        {
            let message = verdict(&half);
            assert!(!message.contains("--code") && message.contains(&half.missing()[0]), "{message}");
        }
        let accepted = Adoption { accepted_by: Some("Ann".into()), ..whole };
        assert_eq!(verdict(&accepted), "accepted by Ann");
    }
}
