//! `starters`: who starts soon, and what stands in their way.

use super::backend::{Asking, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::store::Starter;
use serde_json::json;
use std::process::ExitCode;

/// Flags of `starters`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Days to look ahead
    #[arg(long, default_value_t = 14)]
    pub days: u16,
    /// Only this org
    #[arg(long)]
    pub org: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Prints who starts in the next days. The exit code is 1 if anybody is blocked.
pub async fn starters(options: &Options) -> anyhow::Result<ExitCode> {
    let mut query = json!({ "days": options.days });
    if let Some(org) = &options.org {
        query["org"] = json!(org);
    }
    let message = options.asking.at.to_read()?.read(Ask::Starters, &[], query).await?;
    let blocked: usize = part(message.clone(), "blocked")?;
    if options.asking.json {
        println!("{}", serde_json::to_string_pretty(&message)?);
    } else {
        show(&part::<Vec<Starter>>(message, "starters")?, blocked, options.days);
    }
    Ok(if blocked == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(starters: &[Starter], blocked: usize, days: u16) {
    if starters.is_empty() {
        return say!("nobody starts in the next {days} days");
    }
    let mut rows = table(&["start", "who", "login", "org", "state", "can sign in", "note"]);
    for s in starters {
        let signs_in = match (s.can_sign_in, s.since.as_str()) {
            (false, _) => "no".to_owned(),
            (true, "") => "yes".to_owned(),
            (true, since) => format!("yes, since {since} UTC"),
        };
        rows.add_row([s.start.as_str(), &s.name, &s.login, &s.org, s.state.as_str(), &signs_in, &s.note]);
    }
    println!("{rows}\n{} start in the next {days} days, {blocked} of them blocked", starters.len());
}
