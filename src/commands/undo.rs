//! `undo`: takes back what was done in a run, to a person, in rows of the audit, or in a span of time: shows what that comes to
//! and what cannot come back, and has the service do exactly that through the safeguards.

use super::backend::{Asking, by, part, say_what_is_next};
use super::failure::usage;
use super::store::moment;
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Clock;
use crate::domain::guard::preview::Preview;
use crate::store::Restores;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// People who are listed one by one unless all are asked for.
const LISTED: usize = 100;

/// Flags of `undo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// What was done in this run of the service
    #[arg(long, value_name = "NUMBER")]
    pub run: Option<i64>,
    /// What was done to this person: profile, email, login or full name
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// What this row of the audit has done, as `timeline` numbers it; may be given several times
    #[arg(long = "row", value_name = "NUMBER")]
    pub rows: Vec<i64>,
    /// What was done from then on: a day, a time, or how long ago (2h)
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// What was done until then
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Let go of what an earlier undo has pinned of --person, instead of undoing something
    #[arg(long, conflicts_with_all = ["apply", "run", "rows", "from", "to"])]
    pub release: bool,
    /// Do exactly what was shown with this code: without it it is only shown
    #[arg(long, value_name = "CODE")]
    pub apply: Option<String>,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// List everybody
    #[arg(long)]
    pub all: bool,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows it, or asks the service for it.
pub async fn undo(options: &Options) -> anyhow::Result<ExitCode> {
    if options.release {
        return release(options).await;
    }
    if options.run.is_none() && options.person.is_none() && options.from.is_none() && options.rows.is_empty() {
        return Err(usage("say what to take back: --run, --person, --row, or --from (and --to)"));
    }
    let scope = scope(options)?;
    if let Some(code) = &options.apply {
        return apply(options, scope, code).await;
    }
    let mut query = scope.clone();
    if !options.rows.is_empty() {
        let rows: Vec<String> = options.rows.iter().map(i64::to_string).collect();
        query.insert("rows".into(), rows.join(",").into());
    }
    let message = options.asking.at.to_read()?.read(Ask::UndoPreview, &[], Value::Object(query)).await?;
    if options.asking.json {
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (code, restores): (String, Vec<Restores>) =
        (part(message.clone(), "code")?, part(message.clone(), "restores")?);
    let (people, lost): (Vec<Preview>, Vec<String>) =
        (part(message.clone(), "people")?, part(message, "cannot_come_back")?);
    show(&restores, &people, options);
    if !lost.is_empty() {
        println!("what cannot come back:");
        lost.iter().for_each(|lost| say!("  {lost}"));
    }
    if !restores.is_empty() {
        say!("nothing was done: exactly this is done by undo{} --apply {code} --by NAME", again(&scope, options));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is taken back, as it is asked for. Times are fixed here: a span that moves on would be another one when it is done.
fn scope(options: &Options) -> anyhow::Result<Map<String, Value>> {
    let now = Clock::system().now();
    let mut scope = Map::new();
    for (key, flag, text) in [("from", "--from", &options.from), ("to", "--to", &options.to)] {
        if let Some(text) = text {
            scope.insert(key.into(), moment(flag, text, now)?.timestamp().to_string().into());
        }
    }
    scope.extend(options.run.map(|run| ("run".to_owned(), run.into())));
    for (key, text) in [("org", &options.org), ("person", &options.person)] {
        scope.extend(text.as_ref().map(|text| (key.to_owned(), text.as_str().into())));
    }
    Ok(scope)
}

/// The flags that name the same once more.
fn again(scope: &Map<String, Value>, options: &Options) -> String {
    let flag = |(key, value): (&String, &Value)| match value {
        Value::String(text) if text.contains(' ') => format!(" --{key} {text:?}"),
        Value::String(text) => format!(" --{key} {text}"),
        other => format!(" --{key} {other}"),
    };
    let rows: String = options.rows.iter().map(|row| format!(" --row {row}")).collect();
    scope.iter().map(flag).collect::<String>() + &rows + &options.asking.at.shown()
}

async fn apply(options: &Options, mut body: Map<String, Value>, code: &str) -> anyhow::Result<ExitCode> {
    body.insert("code".into(), code.into());
    if !options.rows.is_empty() {
        body.insert("rows".into(), json!(options.rows));
    }
    let message = options.asking.at.to_decide(options.by.as_ref())?.ask(Ask::Undo, &[], Value::Object(body)).await?;
    if options.asking.json {
        println!("{message}");
    } else {
        say!(
            "asked for by {}: what was shown of {} is restored, through the safeguards; it stays until Namely or the mapping \
             says something new",
            by(&message),
            match message["people"].as_u64() {
                Some(1) => "1 person".to_owned(),
                _ => format!("{} people", message["people"]),
            }
        );
        say_what_is_next(&message);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(restores: &[Restores], people: &[Preview], options: &Options) {
    if restores.is_empty() {
        println!("nothing to take back: what was done is not there any more, or was nothing");
        return;
    }
    let limit = if options.all { usize::MAX } else { LISTED };
    let previews: BTreeMap<i64, &Preview> = people.iter().map(|person| (person.target, person)).collect();
    let mut rows = table(&["who", "login", "in Namely", "what is restored", "what would be done"]);
    for person in restores.iter().take(limit) {
        let found = previews.get(&person.target);
        let (login, lifecycle) = found.map_or(("", ""), |found| (found.login.as_str(), found.entitlement.as_str()));
        let what = match found {
            None => "nothing: it is so already".to_owned(),
            Some(Preview { obstacle: Some(why), .. }) => why.clone(),
            Some(found) => {
                found.changes.values().flatten().chain(&found.by_okta).cloned().collect::<Vec<_>>().join("\n")
            }
        };
        rows.add_row([&person.name, login, lifecycle, &person.restores.join("\n"), &what]);
    }
    println!("{rows}");
    if restores.len() > limit {
        println!("and {} more; all of them with --all or --json", restores.len() - limit);
    }
}

async fn release(options: &Options) -> anyhow::Result<ExitCode> {
    let Some(person) = &options.person else {
        return Err(usage("say of whom: --release --person PERSON"));
    };
    let mut body = json!({ "person": person });
    if let Some(org) = &options.org {
        body["org"] = json!(org);
    }
    options.asking.at.to_decide(options.by.as_ref())?.ask(Ask::Release, &[], body).await?;
    say!("asked for: what was pinned of {person} follows Namely again in some seconds");
    Ok(ExitCode::SUCCESS)
}
