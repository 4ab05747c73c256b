//! The reconciler of one org: reads it again as a whole, on a schedule or when somebody asks, notices what somebody else has
//! changed, and writes the report.
//!
//! **Invariant:** only reads, in the class that takes no call from people who wait. What is to be mended becomes dirty, and
//! goes the way of every other change.

use super::org::directory::SharedDirectory;
use super::org::lists::Lists;
use super::org::prime::{Listed, read_accounts, read_directory, read_last_event};
use super::wiring::supervisor::TaskError;
use crate::audit::details::Reconciled;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::config::Reconciling;
use crate::domain::Priority;
use crate::mailbox::Bell;
use crate::report::Reconciliation;
use crate::store::{Compared, Drifted, OperatorRequest, OrgRead, Request, Store, append, findings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How late a schedule or a request may be noticed.
const TICK: Duration = Duration::from_secs(5);
const SHORTEST_TICK: Duration = Duration::from_millis(200);
/// When an org is read again whose list was not believed.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// Accounts for which the system log is asked who did it.
const ASKED: usize = 50;

/// The reconciler.
#[derive(Clone)]
pub struct Reconciler {
    pub settings: Reconciling,
    pub directory: SharedDirectory,
    pub lists: Lists,
    /// Wakes the dispatcher.
    pub wake: Bell,
}

impl Reconciler {
    /// Works until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        let mut last = self.lists.org.shared.clock.now();
        let mut next = self.next(last);
        loop {
            tokio::time::sleep(self.lists.org.shared.clock.real(TICK).max(SHORTEST_TICK)).await;
            let mut asked = self.lists.org.shared.store.reconcile_requests(&self.lists.org.name).await.unwrap_or_else(|e| {
                tracing::error!(org = %self.lists.org.name, error = %e, "it cannot be looked up whether somebody wants the org read again");
                Vec::new()
            });
            self.decide(&mut asked).await;
            let now = self.lists.org.shared.clock.now();
            // A list that was not believed is read again: the role may have got its people back.
            let is_due = next.is_some_and(|at| at <= now) || !self.lists.are_believed() && last + AGAIN <= now;
            if asked.is_empty() && !is_due {
                continue;
            }
            (next, last) = (self.next(now), now);
            let outcome = match self.reconcile(now).await {
                Ok(outcome) => outcome,
                Err(why) => {
                    tracing::error!(org = %self.lists.org.name, %why, "the org could not be reconciled");
                    format!("failed: {why}")
                }
            };
            for request in asked {
                if let Err(e) = self.lists.org.shared.store.request_done(request.id, outcome.clone()).await {
                    tracing::error!(error = %e, "a request could not be closed; it is carried out again");
                }
            }
        }
    }

    /// Acts upon what was decided about groups that are gone; what else was asked for stays in `asked`.
    async fn decide(&self, asked: &mut Vec<Request>) {
        let org = &self.lists.org;
        let (groups, others) = std::mem::take(asked)
            .into_iter()
            .partition::<Vec<_>, _>(|request| matches!(request.asked, OperatorRequest::Group { .. }));
        *asked = others;
        for Request { id, asked, author, .. } in groups {
            let OperatorRequest::Group { name, again } = asked else { continue };
            let outcome = match self.directory.decide(org, &name, again, author).await {
                Ok(true) => "decided".to_owned(),
                Ok(false) => format!("refused: no group {name:?} of the mapping is gone; see `attention`"),
                Err(e) => {
                    tracing::error!(org = %org.name, error = %e, "a decision about a group could not be written down; it is tried again");
                    continue;
                }
            };
            if let Err(e) = org.shared.store.request_done(id, outcome).await {
                tracing::error!(error = %e, "a request could not be closed; it is carried out again");
            }
            self.wake.ring();
        }
    }

    /// The next time by the schedule.
    fn next(&self, now: Moment) -> Option<Moment> {
        self.settings.schedule.as_ref()?.next(now)
    }

    async fn reconcile(&self, started: Moment) -> Result<String, TaskError> {
        let rulebook = self.lists.org.shared.store.rules().load();
        let rules = rulebook.org(&self.lists.org.name).ok_or("the org is not configured")?;
        let directory = read_directory(
            &self.lists.org.writers,
            &rulebook.mapping,
            rules,
            self.directory.load().administrators(),
            Priority::Inspect,
        )
        .await?;
        let directory = self.directory.beside(&self.lists.org, directory).await;
        let Listed { accounts, read, lacks_some } =
            read_accounts(&self.lists.org.writers, &directory, &rulebook, &self.lists.org.mapped).await?;
        if lacks_some {
            self.lists.org.shared.store.distrust_lists(&self.lists.org.name).await?;
        }
        let now = self.lists.org.shared.clock.now();
        self.lists.org.shared.store.put_directory(&self.lists.org.name, &directory, now).await?;
        self.directory.replace(directory);
        let found = OrgRead {
            org: self.lists.org.name.to_string(),
            accounts,
            read,
            directory: self.directory.load(),
            started,
            now,
        };
        let Compared { mut drifted, new, known, missing } = self.lists.org.shared.store.reconcile(found).await?;
        drifted.extend(self.lists.prove(known, &missing).await?);
        if new > 0 {
            self.lists.org.shared.store.correlate_org(&self.lists.org.name, now).await?;
            self.wake.ring();
        }
        self.ask_who(&mut drifted).await;
        let changed =
            self.lists.org.shared.store.note_drift(&self.lists.org.name, drifted, self.settings.correct, now).await?;
        if changed > 0 {
            self.wake.ring();
        }
        let report = self.report(now).await?;
        let outcome = format!(
            "{}, {} disagreements, {changed} accounts changed by somebody else",
            report.agreement(),
            report.mismatches()
        );
        let mut event = Reconciled {
            people: report.people,
            in_agreement: report.in_agreement,
            counts: report.counts.iter().map(|(category, count)| (category.as_str().to_owned(), *count)).collect(),
            drifted: changed,
            read_at: report.read_at.clone(),
            report: None,
        };
        if let Some(folder) = self.settings.folder.clone() {
            let (stamp, org) = (now.to_string().replace(':', ""), self.lists.org.name.clone());
            let written = tokio::task::spawn_blocking(move || write(&folder, &org, &stamp, &report));
            match written.await? {
                Ok(page) => event.report = Some(page.display().to_string()),
                Err(why) => tracing::error!(org = %self.lists.org.name, %why, "the report could not be written"),
            }
        }
        let record =
            Record { org: Some(self.lists.org.name.to_string()), ..Record::general(now, Event::Reconciled(event)) };
        self.lists.org.shared.store.run(move |c| append(c, &record)).await?;
        tracing::info!(org = %self.lists.org.name, %outcome, "reconciled");
        Ok(outcome)
    }

    /// Who did it, where Okta's system log can be asked.
    async fn ask_who(&self, drifted: &mut [Drifted]) {
        for one in drifted.iter_mut().take(ASKED) {
            match read_last_event(&self.lists.org.writers, &one.okta_id, one.known_at).await {
                Ok(actor) => one.actor = actor,
                Err(why) => {
                    tracing::warn!(org = %self.lists.org.name, %why, "it cannot be told who has changed accounts; does the token see the system log?");
                    return;
                }
            }
        }
    }

    async fn report(&self, now: Moment) -> Result<Reconciliation, TaskError> {
        let (place, org, rulebook) = (
            self.lists.org.shared.store.place().clone(),
            self.lists.org.name.clone(),
            self.lists.org.shared.store.rules().load(),
        );
        let made = tokio::task::spawn_blocking(move || {
            let reader = Store::reader(&place)?;
            findings(&reader, &rulebook, &org, now, || {}).map(Reconciliation::new)
        });
        Ok(made.await??)
    }
}

/// Writes a report in every form; returns where its page is, or what to do about it.
pub fn write(folder: &Path, org: &str, stamp: &str, report: &Reconciliation) -> Result<PathBuf, TaskError> {
    let error = |e: std::io::Error| format!("{}: {e}; make the folder writable", folder.display());
    std::fs::create_dir_all(folder).map_err(error)?;
    let path = |kind: &str| folder.join(format!("reconciliation-{org}-{stamp}.{kind}"));
    std::fs::write(path("html"), report.html()?).map_err(error)?;
    std::fs::write(path("csv"), report.csv()?).map_err(error)?;
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(path("json"), text).map_err(error)?;
    Ok(path("html"))
}
