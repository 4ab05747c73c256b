//! What calls are authorised by, exchanged while the service runs.
//!
//! **Invariant:** every call that begins after an exchange uses the new value, in every client that was made with this one.

use arc_swap::ArcSwap;
use secrecy::SecretString;
use std::sync::Arc;

/// A value that all its copies share.
#[derive(Debug)]
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }
}

impl From<&str> for Live<SecretString> {
    fn from(text: &str) -> Self {
        SecretString::from(text).into()
    }
}

impl<T: Clone> Live<T> {
    /// The value as it is now.
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// All copies have the value of `other` from here on.
    pub fn exchange(&self, other: &Self) {
        self.0.store(other.current());
    }
}
