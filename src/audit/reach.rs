//! What is written down of receivers of messages that take none, and take them again.

use serde::{Deserialize, Serialize};

/// A channel, or one recipient of its mail, takes no messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// By its name in the configuration.
    pub channel: String,
    /// Of mail: whom it is addressed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// What the receiver, or its server, said.
    pub said: String,
}

/// It takes messages again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// By its name in the configuration.
    pub channel: String,
    /// Of mail: whom it is addressed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

impl Unreached {
    /// Who it is, for people.
    pub fn who(&self) -> String {
        who(&self.channel, self.recipient.as_deref())
    }
}

/// A receiver, for people.
pub fn who(channel: &str, recipient: Option<&str>) -> String {
    match recipient {
        Some(recipient) => format!("{recipient}, who gets mail of the channel {channel:?},"),
        None => format!("the channel {channel:?}"),
    }
}
