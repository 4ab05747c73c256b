//! `init`: a first configuration, and what to do with it.

use super::failure::usage;
use crate::config::Config;
use crate::config::files::{HERE, MACHINE};
use crate::http::address::{self, Shape};
use anyhow::{Context, bail};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is written, but for the addresses and the zone.
const FIRST: &str = include_str!("../../config/examples/one-company.toml");

/// What the example says of the file that lists every key, which stands beside it in the source.
const BESIDE: &str = "example.toml,\n# one folder up, lists every key.";

/// Flags of `init`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where to; ./namely-okta-sync.toml without it, which every command finds by itself
    pub file: Option<PathBuf>,
    /// The address of Namely: `https://acme.namely.com`
    #[arg(long, value_name = "URL")]
    pub namely: Option<String>,
    /// The address of the Okta org: `https://acme.okta.com`
    #[arg(long, value_name = "URL")]
    pub okta: Option<String>,
    /// The zone in which start and departure dates are meant: America/New_York
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
}

/// Writes it. What is there already is never written over.
pub fn init(options: &Options) -> anyhow::Result<ExitCode> {
    let path = options.file.clone().unwrap_or_else(|| HERE.into());
    let text = text(options)?;
    // Whatever was given must come to something sound, but for the secrets, which are elsewhere.
    let secret = |_: &str| Some("https://hooks.example.com/a-secret-of-24-letters".to_owned());
    Config::parse(&path, &text, &secret)?;
    if path.exists() {
        bail!("{} is there already: it is never written over; name another file, or remove it", path.display());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let made = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    made.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let found = path == Path::new(HERE) || path == Path::new(MACHINE);
    let flag = if found { String::new() } else { format!(" --config {}", path.display()) };
    println!(
        "{} is written: one Namely company, one Okta org. Read it, then:\n\n\
         \x20 export NAMELY_TOKEN=… OKTA_TOKEN=…     the two tokens; they never stand in the file\n\
         \x20 namely-okta-sync check{flag}           is it sound, do both sides answer\n\
         \x20 namely-okta-sync run{flag}             reads both sides; writes nothing before the next two\n\
         \x20 namely-okta-sync adopt{flag}           whom it would match, make and leave alone\n\
         \x20 namely-okta-sync adopt{flag} --accept ORG --code CODE",
        path.display()
    );
    println!(
        "\nTwo people must agree before an administrator of Okta loses access: give two of them [[admin.tokens]] with role = \
         \"approver\"."
    );
    Ok(ExitCode::SUCCESS)
}

fn text(options: &Options) -> anyhow::Result<String> {
    // The other examples are not beside it.
    let mut text = FIRST.replace(BESIDE, "`config explain KEY` says what each key means.");
    if let Some(url) = &options.namely {
        let url = url.trim_end_matches('/').trim_end_matches("/api/v1");
        let read = address::read(url, Shape::Origin).map_err(|why| usage(format!("--namely: {why}")))?;
        text = text.replace("https://acme.namely.com", &address::base(&read));
    }
    if let Some(url) = &options.okta {
        let read = address::read(url, Shape::Origin).map_err(|why| usage(format!("--okta: {why}")))?;
        text = text.replace("https://acme.okta.com", &address::base(&read));
    }
    if let Some(zone) = &options.time_zone {
        jiff::tz::TimeZone::get(zone)
            .map_err(|_| usage(format!("--time-zone: {zone:?} is no zone; write America/New_York")))?;
        text = text.replace("America/New_York", zone);
    }
    Ok(text)
}
