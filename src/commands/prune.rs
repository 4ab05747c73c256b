//! `audit prune`: shows which rows would go, and removes them when somebody has said so.

use super::assessment::assess;
use super::failure::usage;
use super::place::ConfigFile;
use super::store::{Found, decider, moment, open_store};
use crate::report::evidence::Collector;
use crate::store::{Filter, Prunable, Store, filter_audit, prunable, prune_audit};
use anyhow::bail;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Removes rows from before a moment that is old enough.
pub(super) fn prune(config: &ConfigFile, before: &str, by: Option<&String>, yes: bool) -> anyhow::Result<ExitCode> {
    let opened = open_store(config)?;
    let before = moment("--before", before, opened.now)?;
    let retention = opened.place.retention;
    let latest = opened.now - retention;
    if before > latest {
        return Err(usage(format!(
            "rows of the audit are kept for {} (audit.retention): --before may be {latest} at the latest",
            length(retention)
        )));
    }
    let by = decider(by)?;
    if !assess(&opened, None, None, &[])?.verdict.is_good() {
        bail!("the audit is not as it was written (see `audit verify`): nothing is removed from it");
    }
    let Some(which) = prunable(&opened.store, before)? else {
        println!(
            "nothing was removed: no checkpoint that every sink has passed is that old, or an open hold needs the rows"
        );
        return Ok(ExitCode::SUCCESS);
    };
    let leavers = leavers(&opened, &which)?;
    println!("{}", shown(&which, leavers));
    if !yes && !agreed()? {
        return Err(usage("nothing was removed: say --yes, and exactly these rows go"));
    }
    prune_audit(&Store::operator(&opened.place.store)?, &which, leavers, &by, opened.now)?;
    println!("{} rows are gone, up to row {}; the chain goes on from there", which.rows, which.to);
    Ok(ExitCode::SUCCESS)
}

/// What would go.
fn shown(which: &Prunable, leavers: usize) -> String {
    let Prunable { rows, from, to, since, until, people, .. } = which;
    format!(
        "{rows} rows go, {from} to {to}, written from {since} to {until}: about {people} people, {leavers} of them leavers. What they \
         prove (`evidence`), and what could be taken back by them (`undo`), goes with them; `audit export` keeps them elsewhere"
    )
}

/// How many people left according to the rows that would go.
fn leavers(opened: &Found, which: &Prunable) -> anyhow::Result<usize> {
    let mut collector = Collector::new(&which.since.to_string(), &which.until.to_string());
    filter_audit(&opened.store, &Filter::default(), |row| {
        if row.seq <= which.to {
            collector.row(&serde_json::from_str(&row.text)?, |_| String::new());
        }
        Ok(())
    })?;
    Ok(collector.end().leavers.len())
}

/// Asks where somebody can answer.
fn agreed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Ok(false);
    }
    print!("remove them for good? yes or no: ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn length(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 86_400 => format!("{} days", seconds / 86_400),
        seconds => format!("{seconds} s"),
    }
}
