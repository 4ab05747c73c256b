//! `org`: what is decided about an org as a whole.

use super::backend::{Asking, by};
use crate::admin::routes::Ask;
use serde_json::json;
use std::process::ExitCode;

/// What to do.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Accounts that Okta's lists lack were deleted: from the next list on each is asked for, and forgotten if it is gone
    AcceptList(Options),
}

/// Flags of `org accept-list`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The org
    #[arg(value_name = "ORG")]
    pub org: String,
    /// Who accepts, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Carries it out.
pub async fn org(action: &Action) -> anyhow::Result<ExitCode> {
    let Action::AcceptList(options) = action;
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let message = backend.ask(Ask::AcceptList, &[&options.org], json!({})).await?;
    if options.asking.json {
        println!("{message}");
    } else {
        println!(
            "{}: the list was accepted by {}; it is read again, and each account that it lacks is asked for",
            options.org,
            by(&message)
        );
    }
    Ok(ExitCode::SUCCESS)
}
