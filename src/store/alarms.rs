//! Alarms that were raised and are not over: what people were told of, across restarts.
//!
//! **Invariant:** that an alarm is raised or over is written down once, in the transaction that says so.

use super::audit_log::append;
use super::rows::meta::{forget, meta, of_alarms, set_meta};
use super::{Store, StoreError, Tx};
use crate::audit::alarm::AlarmCleared;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::alarm::{Alarm, News};

fn key(alarm: &Alarm) -> String {
    format!("alarm {}", alarm.place)
}

/// All of them, in order of their places.
pub fn alarms(c: &Tx) -> Result<Vec<Alarm>, StoreError> {
    of_alarms(c)?.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

impl Store {
    /// Writes down what is to be told of alarms.
    pub async fn alarms_changed(&self, news: Vec<News>, now: Moment) -> Result<(), StoreError> {
        self.run(move |c| {
            for one in news {
                match one {
                    News::Raised(alarm) => {
                        set_meta(c, &key(&alarm), &serde_json::to_string(&alarm)?)?;
                        append(c, &record(&alarm, Event::AlarmRaised(alarm.clone()), now))?;
                    }
                    // It may have been said before: only once it is said that it is over.
                    News::Cleared(alarm) if meta(c, &key(&alarm))?.is_some() => {
                        forget(c, &key(&alarm))?;
                        let lasted_ms = u64::try_from(alarm.lasts(now).as_millis()).unwrap_or(u64::MAX);
                        let over = AlarmCleared { alarm: alarm.clone(), lasted_ms };
                        append(c, &record(&alarm, Event::AlarmCleared(over), now))?;
                    }
                    News::Cleared(_) => {}
                }
            }
            Ok(())
        })
        .await
    }
}

fn record(alarm: &Alarm, event: Event, now: Moment) -> Record {
    let (org, tenant) = (alarm.org().map(str::to_owned), alarm.tenant().map(str::to_owned));
    Record { target: alarm.target(), org, tenant, ..Record::general(now, event) }
}
