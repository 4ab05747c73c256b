//! What is written down of alarms: that one was raised is the alarm itself, and that it is over, how long it lasted.

use crate::domain::guard::alarm::Alarm;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An alarm is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmCleared {
    /// As it was raised.
    pub alarm: Alarm,
    /// For how long it has lasted.
    pub lasted_ms: u64,
}

impl AlarmCleared {
    /// In one sentence.
    pub fn message(&self) -> String {
        self.alarm.cleared(Duration::from_millis(self.lasted_ms))
    }
}
