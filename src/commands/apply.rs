//! `apply`: a saved plan is done as it was shown, for whoever has not moved since. The service does it, in any mode: what
//! was approved is let through, and nothing else.

use super::backend::{Asking, part};
use super::failure::usage;
use super::store::{Opened, open};
use super::table::table;
use crate::admin::routes::Ask;
use crate::admin::saved::SavedPlan;
use crate::clock::Clock;
use crate::domain::guard::preview::Preview;
use crate::store::{Approval, Refused, nothing_is_left};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What is said of a plan in which nothing stands to be done.
const NOTHING: &str = "nothing to approve: the plan holds nobody of whom anything can be done";

/// Flags of `apply`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The saved plan
    pub plan: PathBuf,
    /// Who approves, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Only this person of the plan (profile, login or name); may be given several times
    #[arg(long = "person", value_name = "PERSON")]
    pub people: Vec<String>,
    /// Only this kind of change of what the plan says of them (add_group, deactivate …); may be given several times
    #[arg(long = "change", value_name = "KIND")]
    pub changes: Vec<String>,
    /// Do nothing at all if anything of it is refused: somebody has moved since the plan was made, or a change was rejected
    #[arg(long)]
    pub strict: bool,
    /// Wait until the service has done it, for so long at most; needs --config
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Approves the plan, and waits for it where that is asked for. The service plans everybody again: what it would not do as
/// the plan says is refused, and listed.
pub async fn apply(options: &Options) -> anyhow::Result<ExitCode> {
    let plan = SavedPlan::read(&options.plan)?;
    let opened = options.asking.at.file().map(|file| open(&file)).transpose()?;
    if options.wait.is_some() && opened.is_none() {
        return Err(usage("--wait looks into the store: leave --service out, or say which with --config FILE"));
    }
    plan.check(opened.as_ref().map_or_else(|| Clock::system().now(), |opened| opened.now))?;
    if opened.as_ref().is_some_and(|opened| opened.config.rules != plan.rules) {
        bail!("the rules of the configuration have changed since the plan was made; make it anew");
    }
    let chosen = chosen(&plan, &options.people)?;
    if chosen.is_empty() {
        println!("{}", if options.asking.json { r#"{"approved":0,"refused":[],"done":null}"# } else { NOTHING });
        return Ok(ExitCode::SUCCESS);
    }
    let approvals: Vec<Approval> = chosen
        .iter()
        .map(|p| Approval { target: p.target, basis: p.basis.clone(), changes: p.changes.clone() })
        .collect();
    let mut body = json!({
        "plan": plan.code(), "rules": plan.rules, "store": plan.store,
        "expires": plan.expires_at.to_string(), "strict": options.strict, "people": approvals,
    });
    if !options.changes.is_empty() {
        body["changes"] = json!(options.changes);
    }
    let message = options.asking.at.to_decide(options.by.as_ref())?.ask(Ask::ApprovePlan, &[], body).await?;
    let (approved, refused): (Vec<i64>, Vec<Refused>) =
        (part(message.clone(), "targets")?, part(message.clone(), "refused")?);
    let waits: Vec<String> = part(message, "waits")?;
    let nothing = options.strict && approved.is_empty() && !refused.is_empty();
    let done = match (options.wait, &opened) {
        (Some(seconds), Some(opened)) if !nothing => Some(wait(opened, &approved, Duration::from_secs(seconds))?),
        _ => None,
    };
    report(options, approved.len(), &refused, nothing, done)?;
    if !options.asking.json {
        waits.iter().for_each(|message| println!("{message}"));
    }
    let failed = nothing || done.is_some_and(|done| done < approved.len());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(
    options: &Options,
    approved: usize,
    refused: &[Refused],
    nothing: bool,
    done: Option<usize>,
) -> anyhow::Result<()> {
    if options.asking.json {
        let document = json!({ "approved": approved, "refused": refused, "done": done });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    if !refused.is_empty() {
        println!("refused by the service, and left out:");
        let mut rows = table(&["who", "why"]);
        for one in refused {
            rows.add_row([&one.name, &one.why]);
        }
        println!("{rows}");
    }
    match (nothing, done) {
        (true, _) => println!("nothing was approved (--strict): make the plan anew"),
        (false, Some(done)) => say!("{done} of {approved} people are as the plan says"),
        (false, None) => say!("{approved} people approved; a running service does it in some seconds"),
    }
    Ok(())
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

/// Waits until nobody of them is left to do; returns how many were done.
fn wait(opened: &Opened, people: &[i64], most: Duration) -> anyhow::Result<usize> {
    let bar = ProgressBar::new(people.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} people done").unwrap_or(ProgressStyle::default_bar()),
    );
    let clock = Clock::system();
    let start = clock.monotonic();
    loop {
        let mut done = 0;
        for target in people {
            done += usize::from(nothing_is_left(&opened.store, *target).context("the store cannot be read")?);
        }
        bar.set_position(done as u64);
        if done == people.len() || clock.monotonic().since(start) >= most {
            bar.finish_and_clear();
            return Ok(done);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
