//! What is served, as somebody who is signed in may see it.

use crate::admin::Served;
use crate::admin::asker::Asker;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use serde_json::Value;
use std::cell::RefCell;
use std::ops::Deref;

/// What is served to one visitor: everything that is read goes by what their role may see, and what it hides is collected.
pub struct Seen {
    served: Served,
    asker: Asker,
    hidden: RefCell<Vec<String>>,
}

impl Seen {
    pub fn new(served: Served, asker: Asker) -> Self {
        Self { served, asker, hidden: RefCell::default() }
    }

    /// Answers what was asked to be seen, as this visitor sees it.
    pub fn read(&self, ask: Ask, parts: &[String], query: &Value) -> Result<Option<Value>, Refusal> {
        let mut seen = self.served.read(&self.asker, ask, parts, query)?;
        let hidden = seen.as_mut().and_then(|seen| seen.get_mut("hidden")).map(Value::take);
        let hidden: Vec<String> = hidden.map(serde_json::from_value).transpose()?.unwrap_or_default();
        self.hidden.borrow_mut().extend(hidden);
        Ok(seen)
    }

    /// What was hidden from them so far, a sentence each.
    pub fn hidden(&self) -> Vec<String> {
        self.hidden.borrow().clone()
    }
}

impl Deref for Seen {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}
