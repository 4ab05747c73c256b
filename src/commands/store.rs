//! What the commands that look at a running or stopped service have in common: its configuration and its store.

use super::failure::{cannot_say, usage};
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::domain::Decider;
use crate::domain::guard::decider::caller;
use crate::store::{Reader, Store, find, location};
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A configuration and the store that the service of it keeps, for reading.
pub struct Opened {
    pub config: Config,
    pub store: Reader,
    pub path: PathBuf,
    pub now: Moment,
}

/// Opens both.
pub fn open(path: &Path) -> anyhow::Result<Opened> {
    opened(Config::load(path)?)
}

/// Opens the store of a configuration. What is found damaged is not answered from.
pub fn opened(config: Config) -> anyhow::Result<Opened> {
    let store = config.service.store.clone();
    if !location::is_there(&store)? {
        let message =
            format!("there is no store {} yet: start the service first (`run`), it reads both sides", store.display());
        return Err(cannot_say(message));
    }
    let reader = Store::reader(&store)?;
    reader.verify_quickly(&store)?;
    Ok(Opened { config, store: reader, path: store, now: Clock::system().now() })
}

/// Who decides: the user of this machine, whatever name is given for the audit.
pub fn decider(by: Option<&String>) -> anyhow::Result<Decider> {
    let uid = caller(rustix::process::getuid().as_raw(), std::env::var("SUDO_UID").ok().as_deref());
    match by.cloned().or_else(|| std::env::var("USER").ok()).filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(Decider::of_user(uid, &name)),
        None => Err(usage("say who decides with --by NAME: it stands in the audit")),
    }
}

impl Opened {
    /// The orgs to look at: the one that is named, or all.
    pub fn orgs(&self, only: Option<&String>) -> anyhow::Result<Vec<String>> {
        let known: Vec<String> = self.config.okta.iter().map(|org| org.name.clone()).collect();
        match only {
            None => Ok(known),
            Some(name) if known.contains(name) => Ok(vec![name.clone()]),
            Some(name) => bail!("there is no org {name:?}; there are {}", known.join(", ")),
        }
    }
}

/// The moment of a flag: a time, or how long ago.
pub fn moment(flag: &str, text: &str, now: Moment) -> anyhow::Result<Moment> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment::from(timestamp));
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return Ok(Moment::from(jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0))?));
    }
    let how = "write 2026-05-04, 2026-05-04T06:00:00Z, or how long ago: 2h";
    let ago = span(text).map_err(|_| usage(format!("{flag} {text:?} is no time: {how}")))?;
    Ok(now - ago)
}

/// A length of time; days are 24 hours.
pub fn span(text: &str) -> anyhow::Result<Duration> {
    let no = || usage(format!("{text:?} is not a length of time; write 24h or 7d"));
    let span: jiff::Span = text.parse().map_err(|_| no())?;
    let seconds = span.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours()))?;
    if seconds <= 0.0 {
        return Err(no());
    }
    Ok(Duration::from_secs_f64(seconds))
}

impl Opened {
    /// The targets that a person has, in all orgs or in one.
    pub fn targets(&self, org: Option<&String>, person: &str) -> anyhow::Result<Vec<i64>> {
        let mut targets = Vec::new();
        for org in self.orgs(org)? {
            targets.extend(find(&self.store, &org, person)?);
        }
        if targets.is_empty() {
            bail!("nobody is called {person:?}; give a profile UUID, an email, a login or a full name");
        }
        Ok(targets)
    }
}
