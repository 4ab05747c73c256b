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
    /// A group of the mapping that somebody else has deleted in Okta is made again, and its members of before are put into it
    MakeGroup(GroupOptions),
    /// A group of the mapping that somebody else has deleted in Okta is done without, until somebody makes it
    LeaveGroup(GroupOptions),
}

/// Flags of `org accept-list`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The org
    #[arg(value_name = "ORG")]
    pub org: String,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Flags of `org make-group` and `org leave-group`.
#[derive(clap::Args, Clone, Debug)]
pub struct GroupOptions {
    /// The org
    #[arg(value_name = "ORG")]
    pub org: String,
    /// The group, by its name
    #[arg(value_name = "GROUP")]
    pub group: String,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Carries it out.
pub async fn org(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::AcceptList(options) => accept_list(options).await,
        Action::MakeGroup(options) => decide(options, Ask::MakeGroup, "it is made and filled again").await,
        Action::LeaveGroup(options) => decide(options, Ask::LeaveGroup, "everybody goes on without it").await,
    }
}

async fn accept_list(options: &Options) -> anyhow::Result<ExitCode> {
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let message = backend.ask(Ask::AcceptList, &[&options.org], json!({})).await?;
    if options.asking.json {
        println!("{message}");
    } else {
        say!(
            "{}: the list was accepted by {}; it is read again, and each account that it lacks is asked for",
            options.org,
            by(&message)
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(options: &GroupOptions, ask: Ask, what: &str) -> anyhow::Result<ExitCode> {
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let message = backend.ask(ask, &[&options.org], json!({ "group": options.group })).await?;
    if options.asking.json {
        println!("{message}");
    } else {
        say!("{}: decided by {} about the group {:?}: {what}", options.org, by(&message), options.group);
    }
    Ok(ExitCode::SUCCESS)
}
