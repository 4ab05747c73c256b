//! `timeline`: one person, from what HR said to the proof.

use super::backend::{Asking, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Moment;
use crate::domain::text::visible;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Flags of `timeline`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Profile, email, login or full name
    pub person: String,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// One person in one org.
#[derive(Deserialize)]
struct Remark {
    timeline: Vec<Event>,
}

/// One audit row.
#[derive(Deserialize)]
struct Event {
    seq: i64,
    at: String,
    message: String,
    row: Value,
}

/// Prints it.
pub async fn timeline(options: &Options) -> anyhow::Result<ExitCode> {
    let backend = options.asking.at.to_read()?;
    let mut query = json!({ "all": true });
    if let Some(only) = &options.org {
        query["org"] = only.as_str().into();
    }
    let answer = backend.read(Ask::Person, &[&options.person], query).await?;
    if let Some(gap) = answer["pruned"].as_str() {
        eprintln!("incomplete: {}", visible(gap));
    }
    let people: Vec<Remark> = part(answer, "people")?;
    let mut events: Vec<Event> = people.into_iter().flat_map(|one| one.timeline).collect();
    events.sort_by_key(|event| event.seq);
    if options.asking.json {
        let message: Vec<Value> =
            events.iter().map(|event| json!({ "message": event.message, "row": event.row })).collect();
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["at (UTC)", "after", "org", "what"]);
    let mut before: Option<Moment> = None;
    for event in events {
        let moment = event.at.parse::<jiff::Timestamp>().ok().map(Moment::from);
        let after = match (before, moment) {
            (Some(before), Some(now)) => format!("{:.1} s", now.since(before).as_secs_f64()),
            _ => String::new(),
        };
        before = moment.or(before);
        rows.add_row([event.at, after, event.row["org"].as_str().unwrap_or_default().to_owned(), event.message]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}
