//! What the commands that look at a running or stopped service have in common: its configuration and its store.

use super::failure::{cannot_say, usage};
use super::place::ConfigFile;
use crate::clock::{Clock, Moment};
use crate::config::place::{Known, Place};
use crate::config::{Config, Problems};
use crate::domain::Decider;
use crate::domain::guard::decider::caller;
use crate::store::{Location, Reader, Store, find, location};
use anyhow::bail;
use std::time::Duration;

/// A configuration and the store that the service of it keeps, for reading.
pub struct Opened {
    pub config: Config,
    pub store: Reader,
    pub path: Location,
    pub now: Moment,
}

/// A store that was found through its configuration, whatever else is wrong with the file; and the moment of looking.
pub struct Found {
    pub place: Place,
    pub store: Reader,
    pub now: Moment,
}

/// Opens both, without the secrets that the configuration names.
pub fn open(file: &ConfigFile) -> anyhow::Result<Opened> {
    let config = Config::without_secrets(&file.path()?)?;
    let path = config.service.store.clone();
    Ok(Opened { config, store: reader(&path)?, path, now: Clock::system().now() })
}

/// Opens the store alone.
pub fn open_store(file: &ConfigFile) -> anyhow::Result<Found> {
    let Known { place, config } = Known::read(&file.path()?)?;
    if let Err(problems) = &config {
        remark(problems);
    }
    Ok(Found { store: reader(&place.store)?, place, now: Clock::system().now() })
}

/// Says that the configuration was read in part, beside the answer.
pub fn remark(problems: &Problems) {
    let (n, first) = (problems.0.len(), problems.0.first().map(ToString::to_string).unwrap_or_default());
    let more = if n > 1 { format!(" and {} more (`check --offline` lists them)", n - 1) } else { String::new() };
    eprintln!("warning: the configuration is not sound, only where its store is was taken from it: {first}{more}");
}

/// Opens a store for reading. What is found damaged is not answered from.
pub fn reader(store: &Location) -> anyhow::Result<Reader> {
    if let Some(file) = store.file()
        && !location::is_there(file)?
    {
        let message = format!("there is no store {store} yet: start the service first (`run`), it reads both sides");
        return Err(cannot_say(message));
    }
    let reader = Store::reader(store)?;
    reader.verify_quickly(store.shown())?;
    Ok(reader)
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

/// A moment that is to come: a time, or in how long.
pub fn to_come(flag: &str, text: &str, now: Moment) -> anyhow::Result<Moment> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment::from(timestamp));
    }
    let how = "write 2026-05-04T06:00:00Z, or in how long: 2h";
    let ahead = span(text).map_err(|_| usage(format!("{flag} {text:?} is no time: {how}")))?;
    Ok(now + ahead)
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

impl Found {
    /// The targets that a person has, in all orgs.
    pub fn targets(&self, person: &str) -> anyhow::Result<Vec<i64>> {
        let mut targets = Vec::new();
        for org in &self.place.orgs {
            targets.extend(find(&self.store, org, person)?);
        }
        if targets.is_empty() {
            bail!("nobody is called {person:?}; give a profile UUID, an email, a login or a full name");
        }
        Ok(targets)
    }
}
