//! Keeps Okta true to Namely.

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use namely_okta_sync::commands::failure;
use namely_okta_sync::{commands, telemetry};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Profiles and rows are many small allocations that live for a page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    version,
    about = "Keeps Okta true to Namely: hires, moves and terminations follow in order, at the pace Okta allows, with proof."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try it: both sides simulated on this machine, a scenario, and a judgement
    Sandbox(commands::sandbox::Options),
    /// Simulate one side alone, for any client
    Simulate {
        #[command(subcommand)]
        side: Side,
    },
    /// Write a company and its org as a file for `--data` in which nobody is named; both are only read
    ExportTwin(commands::export_twin::Options),
    /// Write a first configuration, and say what to do with it
    Init(commands::init::Options),
    /// Run the service
    Run {
        #[command(flatten)]
        config: commands::place::ConfigFile,
        /// Write nothing to Okta; the audit says what would have been done
        #[arg(long)]
        dry_run: bool,
        /// An org or a tenant has another name in the configuration now: what is known of it goes with it
        #[arg(long, value_name = "OLD=NEW")]
        renamed: Vec<String>,
    },
    /// Copy the store while the service goes on
    Backup(commands::backup::BackupOptions),
    /// Put a copy in the place of the store; the present one is kept beside it
    Restore(commands::backup::RestoreOptions),
    /// Move the store into a database of a server, or back into a file, while the service is stopped
    MigrateStore(commands::migrate_store::Options),
    /// Check the configuration and probe both APIs; nothing is written
    Check(commands::check::Options),
    /// What can be configured: for people, and as a schema for editors
    Config {
        #[command(subcommand)]
        action: commands::config::Action,
    },
    /// First contact with an org: who would be matched, made and left alone; nothing is written before it is accepted
    Adopt(commands::adopt::Options),
    /// What is decided about an org as a whole: a list with fewer accounts than are known
    Org {
        #[command(subcommand)]
        action: commands::org::Action,
    },
    /// Matches that a person decides about
    Review {
        #[command(subcommand)]
        action: commands::review::Action,
    },
    /// Which account is whose, by which rule and evidence; and taking a wrong match apart
    Links {
        #[command(subcommand)]
        action: commands::links::Action,
    },
    /// Exactly what would be done, and to whom; nothing is written. Can be saved, approved and applied
    Plan(commands::plan::Options),
    /// Do what a saved plan says, and nothing else
    Apply(commands::apply::Options),
    /// Why somebody has what they have, and why not something else
    Explain(commands::explain::Options),
    /// What was done, by whom and why: list, export, verify, prune
    Audit {
        #[command(subcommand)]
        action: commands::audit::Action,
    },
    /// Everything about one person in the order of time, from what HR said to the proof
    Timeline(commands::timeline::Options),
    /// A pack for auditors: every leaver with the time to revoke, every change with its cause; verifiable without us
    Evidence(commands::evidence::Options),
    /// Where Okta is not what Namely says: a report for people and machines, and the way to mend it
    Reconcile(commands::reconcile::Options),
    /// Take back what was done in a run, to a person, or in a span of time
    Undo(commands::undo::Options),
    /// What the safeguards hold, and decisions about it
    Holds {
        #[command(subcommand)]
        action: commands::holds::Action,
    },
    /// Whom Namely does not show any more, since when, and what is decided about them
    Missing {
        #[command(subcommand)]
        action: commands::missing::Action,
    },
    /// Who was quarantined, why, and another try
    Quarantine {
        #[command(subcommand)]
        action: commands::quarantine::Action,
    },
    /// End somebody's access now, before HR has said so; no edit in Namely lifts it
    EndAccess(commands::end_access::EndOptions),
    /// Take back the end of access that somebody has asked for
    RestoreAccess(commands::end_access::RestoreOptions),
    /// Stop writes: everywhere, to one org, or of one kind
    Pause(commands::pause::PauseOptions),
    /// Let writes go on
    Resume(commands::pause::ResumeOptions),
    /// Is it safe, is it keeping up, when will it be done, who is waiting
    Status(commands::status::Options),
    /// Everything that waits for a person: who is quarantined and why, matches to decide about, what is remarkable
    Attention(commands::backend::Asking),
    /// Which node serves a store on a server, and which would; handing over to another one
    Nodes(commands::nodes::Options),
    /// Who starts soon, and what stands in their way
    Starters(commands::starters::Options),
    /// Completions for a shell, on standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Manual pages, one for each command
    Man {
        /// Where to
        folder: PathBuf,
    },
    /// Try the mapping on one person, or compare it with a changed one for everybody
    Mapping {
        #[command(subcommand)]
        action: commands::mapping::Action,
    },
}

#[derive(Subcommand)]
enum Side {
    /// Namely's API
    Namely(commands::simulate::Options),
    /// Okta's API
    Okta(commands::simulate::OktaOptions),
}

/// The commands as the help lists them, by what a person wants.
const GROUPS: [(&str, &[&str]); 9] = [
    ("Try it", &["sandbox", "simulate", "export-twin"]),
    ("Set it up", &["init", "check", "config", "mapping"]),
    ("Run it", &["run", "nodes", "backup", "restore", "migrate-store"]),
    ("Begin with an org", &["adopt", "review", "links", "org"]),
    ("See how things are", &["status", "attention", "starters", "plan", "explain", "timeline"]),
    ("Decide", &["holds", "apply", "quarantine", "missing", "undo"]),
    ("Stop, and end access", &["pause", "resume", "end-access", "restore-access"]),
    ("Prove", &["audit", "evidence", "reconcile"]),
    ("For the shell", &["completions", "man"]),
];

const AFTER: &str = "\
Examples:
  $ namely-okta-sync sandbox               both sides simulated, and a judgement
  $ namely-okta-sync check                 is the configuration sound
  $ namely-okta-sync status                is it safe, who waits, what to do
  $ namely-okta-sync explain ada@acme.com  why somebody has what they have
  $ namely-okta-sync end-access ada@acme.com --why \"stolen laptop\"

Exit codes: 0 it is so, or was done; 1 refused, or somebody must act;
  2 nothing can be said; 64 not understood.
Environment: NAMELY_OKTA_SYNC_CONFIG names the configuration,
  NAMELY_OKTA_SYNC_SERVICE a running service, asked with NAMELY_OKTA_SYNC_TOKEN,
  trusted by NAMELY_OKTA_SYNC_CA; NO_COLOR. Each command says more with --help.";

/// A line of the help in lines that fit the terminal, all but the first begun by `indent` blanks.
fn fitting(line: String, indent: usize) -> String {
    match commands::columns() {
        Some(columns) => commands::wrapped(&line, columns, indent),
        None => line,
    }
}

/// The command line, with its commands in groups.
fn command() -> clap::Command {
    let command = Cli::command();
    let about = |name: &&str| {
        let found = command.find_subcommand(name).and_then(|sub| sub.get_about()).map(ToString::to_string);
        fitting(format!("  {name:<15} {}", found.unwrap_or_default()), 18)
    };
    let group = |(title, names): &(&str, &[&str])| {
        format!("{title}:\n{}", names.iter().map(about).collect::<Vec<_>>().join("\n"))
    };
    let commands = GROUPS.iter().map(group).collect::<Vec<_>>().join("\n\n");
    let help = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{commands}\n\nOptions:\n{{options}}\n\n{AFTER}\n");
    let about = fitting(command.get_about().map(ToString::to_string).unwrap_or_default(), 0);
    let command = command.about(about).help_template(help);
    match commands::columns() {
        Some(columns) => command.mut_subcommands(|sub| with_fitted_help(sub, columns, 0)),
        None => command,
    }
}

/// The same with the help of each option in lines that fit the terminal beside the widest option. What it is about stands in a list
/// too, where `taken` columns before it are taken.
fn with_fitted_help(command: clap::Command, columns: usize, taken: usize) -> clap::Command {
    const FEWEST: usize = 24;
    let width = |arg: &clap::Arg| {
        let long = arg.get_long().map_or(0, |long| long.len() + 2);
        let values = arg.get_value_names().filter(|_| arg.get_action().takes_values()).unwrap_or_default();
        6 + long + values.iter().map(|name| name.len() + 3).sum::<usize>()
    };
    let room = columns.saturating_sub(command.get_arguments().map(width).max().unwrap_or_default() + 3).max(FEWEST);
    let fit = |text: String, columns| commands::wrapped(&text, columns, 0);
    let about = command.get_about().map(|about| fit(about.to_string(), columns - taken.min(columns / 2)));
    let names = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or_default();
    let command = command.mut_args(|arg| match arg.get_help().map(ToString::to_string) {
        Some(help) => arg.help(fit(help, room)),
        None => arg,
    });
    let command = command.mut_subcommands(|sub| with_fitted_help(sub, columns, names + 4));
    about.map_or(command.clone(), |about| command.about(about))
}

/// What a shell says of a program whose reader has gone.
const NOBODY_READS: u8 = 128 + 13;

/// That nobody reads our output any more is no defect: `explain … | head` ends quietly.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if message.starts_with("failed printing to std") && message.contains("Broken pipe") {
            std::process::exit(NOBODY_READS.into());
        }
        usual(panic);
    }));
}

/// Whether a command has failed because nobody reads its output any more.
fn nobody_reads(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(broken))
}

/// A command of before that is called otherwise now.
fn now_called(e: &clap::Error) -> Option<&'static str> {
    match e.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if word == "readiness" => Some("`readiness` is called `starters` now"),
        _ => None,
    }
}

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    let cli = match command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            if let Some(now) = now_called(&e) {
                eprintln!("error: {now}; CHANGELOG.md has all words that have changed");
                return ExitCode::from(failure::USAGE);
            }
            // Help and version are asked for; whatever else is here was written wrongly.
            let code = if e.use_stderr() { ExitCode::from(failure::USAGE) } else { ExitCode::SUCCESS };
            // Where nobody reads it there is nobody to tell.
            let _ = e.print();
            return code;
        }
    };
    // What is written is about people: for our user alone, whatever the umask. Manual pages are for everybody.
    if !matches!(cli.command, Command::Man { .. }) {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    // One TLS provider, installed before anything could choose another.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The service starts its own, as the configuration says.
    if !matches!(cli.command, Command::Run { .. }) {
        telemetry::quiet();
    }
    let code: fn(&anyhow::Error) -> u8 = match cli.command {
        Command::Run { .. } => |_| 1,
        Command::Status(_) => failure::code_of_status,
        _ => failure::code,
    };
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    let ended = actix::System::with_tokio_rt(runtime).block_on(async {
        match cli.command {
            Command::Sandbox(options) => commands::sandbox::sandbox(options).await,
            Command::Simulate { side: Side::Namely(options) } => {
                commands::simulate::namely(options).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Simulate { side: Side::Okta(options) } => {
                commands::simulate::okta(options).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Init(options) => commands::init::init(&options),
            Command::Run { config, dry_run, renamed } => {
                commands::run::run(&config.path()?, dry_run, &renamed).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Backup(options) => commands::backup::backup(&options),
            Command::Restore(options) => commands::backup::restore(&options).await,
            Command::MigrateStore(options) => commands::migrate_store::migrate_store(&options).await,
            Command::Completions { shell } => completions(shell),
            Command::Man { folder } => manual(&folder),
            Command::Config { action } => commands::config::config(&action),
            Command::ExportTwin(options) => {
                commands::export_twin::export_twin(options).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Check(options) => commands::check::check(options).await,
            Command::Adopt(options) => commands::adopt::adopt(&options).await,
            Command::Org { action } => commands::org::org(&action).await,
            Command::Review { action } => commands::review::review(&action).await,
            Command::Links { action } => commands::links::links(&action).await,
            Command::Plan(options) => commands::plan::plan(&options).await,
            Command::Apply(options) => commands::apply::apply(&options).await,
            Command::Explain(options) => commands::explain::explain(&options),
            Command::Audit { action } => commands::audit::audit(&action),
            Command::Timeline(options) => commands::timeline::timeline(&options).await,
            Command::Evidence(options) => commands::evidence::evidence(&options),
            Command::Reconcile(options) => commands::reconcile::reconcile(&options).await,
            Command::Undo(options) => commands::undo::undo(&options).await,
            Command::Holds { action } => commands::holds::holds(&action).await,
            Command::Missing { action } => commands::missing::missing(&action).await,
            Command::Quarantine { action } => commands::quarantine::quarantine(&action).await,
            Command::EndAccess(options) => commands::end_access::end(&options).await,
            Command::RestoreAccess(options) => commands::end_access::restore(&options).await,
            Command::Pause(options) => commands::pause::pause(&options).await,
            Command::Resume(options) => commands::pause::resume(&options).await,
            Command::Status(options) => commands::status::status(&options).await,
            Command::Attention(options) => commands::attention::attention(&options).await,
            Command::Nodes(options) => commands::nodes::nodes(&options).await,
            Command::Starters(options) => commands::starters::starters(&options).await,
            Command::Mapping { action } => commands::mapping::mapping(&action),
        }
    });
    ended.unwrap_or_else(|error| {
        if nobody_reads(&error) {
            return ExitCode::from(NOBODY_READS);
        }
        eprintln!("error: {error:#}");
        ExitCode::from(code(&error))
    })
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn manual(folder: &std::path::Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    println!("the manual is in {}: man -l {0}/namely-okta-sync.1", folder.display());
    Ok(ExitCode::SUCCESS)
}
