//! `status`: is it safe, is it keeping up, when will it be done, who is waiting; once, or as it changes.

use super::backend::Asking;
use super::table::colours;
use super::table::table;
use crate::admin::concerns::{Weight, span, with_access};
use crate::admin::routes::Ask;
use crate::admin::state::State;
use anyhow::Context;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// From here on it is said how much of a safeguard is used.
const REMARKABLE: f64 = 0.5;

/// Flags of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Look again and again until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows it. The exit code is 1 if no service answers, or somebody must decide or mend something now: something is missing,
/// held or paused, or somebody who has left still has access.
pub async fn status(options: &Options) -> anyhow::Result<ExitCode> {
    if !options.watch {
        let state = read(&options.asking).await?;
        match options.asking.json {
            true => println!("{}", serde_json::to_string_pretty(&state)?),
            false => println!("{}", text(&state)),
        }
        return Ok(if state.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    loop {
        // A service that is about to be started again is waited for.
        let text = read(&options.asking).await.map_or_else(|e| format!("{e:#}"), |state| text(&state));
        if std::io::stdout().is_terminal() {
            print!("\x1b[H\x1b[2J");
        }
        println!("{text}");
        std::io::stdout().flush()?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(options.every)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn read(asking: &Asking) -> anyhow::Result<State> {
    let message = asking.at.to_read()?.read(Ask::Status, &[], json!({})).await?;
    serde_json::from_value(message).context("the service says it otherwise than this version knows: is it the same?")
}

fn text(state: &State) -> String {
    let paint = |code: &str, text: &str| {
        if colours() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let decided: Vec<_> = state.leavers_with_access.iter().filter(|leaver| !leaver.why.pages()).collect();
    let concerns = state.concerns();
    let code = |weight| if weight == Weight::Bad { "31;1" } else { "33;1" };
    let mut lines: Vec<String> = concerns.iter().map(|concern| paint(code(concern.weight), &concern.message)).collect();
    match &state.missing {
        Some(missing) if concerns.is_empty() && missing.is_empty() => {
            lines.push(paint("32;1", "running, and nothing is missing"));
        }
        Some(missing) if missing.is_empty() => lines.push("running".to_owned()),
        _ => {}
    }
    lines.extend(with_access(&decided, "access by decision", &state.at).map(|line| paint("33", &line)));
    let mut rows = table(&[
        "org",
        "waiting",
        "of them leavers",
        "oldest",
        "done in",
        "held",
        "quarantined",
        "left of this minute",
    ]);
    for (name, org) in &state.orgs {
        let waits = org.waiting > 0;
        let seconds = |seconds: f64| span(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        let budget = org.budget.iter().map(|of| format!("{} {}/{}", of.bucket, of.left, of.limit));
        rows.add_row([
            name.clone(),
            org.waiting.to_string(),
            org.terminations_waiting.to_string(),
            if waits { seconds(org.oldest_seconds) } else { String::new() },
            org.eta_seconds.filter(|_| waits).map(seconds).unwrap_or_default(),
            org.held.to_string(),
            org.quarantined.to_string(),
            budget.collect::<Vec<_>>().join("  "),
        ]);
    }
    lines.push(rows.to_string());
    for (tenant, count) in &state.unreadable {
        lines.push(format!("{count} profiles of {tenant} cannot be read; see `attention`"));
    }
    for (tenant, count) in state.missing_people.iter().filter(|(_, count)| **count > 0) {
        let message = match count {
            1 => "1 person".to_owned(),
            people => format!("{people} people"),
        };
        lines.push(paint("33", &format!("Namely does not show {message} of {tenant} any more; see `missing list`")));
    }
    lines.extend(state.approvers.lacking.iter().map(|message| paint("33", message)));
    for limit in state.safeguards.iter().filter(|limit| limit.used >= REMARKABLE) {
        let used = limit.used * 100.0;
        lines.push(format!("{used:.0} % of what may {} per {} in {} is used", limit.change, limit.per, limit.tenant));
    }
    for (sink, rows) in state.audit.undelivered.iter().filter(|(_, rows)| **rows > 0) {
        lines.push(format!("{rows} audit rows wait for {sink}"));
    }
    let (rows, open) = (state.audit.rows, state.audit.rows - state.audit.sealed);
    lines.push(format!("audit: {rows} rows, {open} not sealed yet"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::state::{Approvers, AuditState};
    use crate::store::Pause;
    use std::collections::BTreeMap;

    fn well() -> State {
        State {
            version: String::new(),
            at: "2026-11-26T04:00:00Z".into(),
            running: true,
            ready: true,
            missing: Some(BTreeMap::new()),
            leavers_with_access: Vec::new(),
            orgs: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            missing_people: BTreeMap::new(),
            holds: Vec::new(),
            pauses: Vec::new(),
            safeguards: Vec::new(),
            approvers: Approvers::default(),
            audit: AuditState { rows: 0, sealed: 0, broken: None, undelivered: BTreeMap::new() },
        }
    }

    fn first(state: &State) -> String {
        state.concerns().first().map(|concern| concern.message.clone()).unwrap_or_default()
    }

    fn pause(change: Option<&str>) -> Pause {
        let (why, by) = ("night".to_owned(), "Ann".to_owned());
        Pause { id: 1, org: None, change: change.map(str::to_owned), why, by, at: 0 }
    }

    #[test]
    fn nothing_is_missing_only_where_nobody_has_anything_to_do() {
        assert!(well().concerns().is_empty() && well().is_well());
        let paused = State { pauses: vec![pause(Some("deactivate"))], ..well() };
        assert_eq!(first(&paused), "every deactivate in every org is paused by Ann: night; see `pause --list`");
        assert!(!paused.is_well() && !text(&paused).contains("nothing is missing"));
        let missing = BTreeMap::from([("adopt main".to_owned(), "look at `adopt`".to_owned())]);
        let waits = State { ready: false, missing: Some(missing), ..paused };
        assert!(first(&waits).contains("not ready") && first(&waits).contains("`adopt`"), "{}", first(&waits));
        let broken = State { audit: AuditState { broken: Some(true), ..well().audit }, ..waits };
        assert!(first(&broken).contains("audit verify"), "the worst stands first");
        assert!(!State { audit: broken.audit, ..well() }.is_well());
    }
}
