//! What the exit code of a command that has failed says: one table for all of them.

use crate::admin::decisions::Refusal;
use crate::store::{StoreError, Trouble};

/// It was refused, or nothing of that name is there; a person has to look.
const REFUSED: u8 = 1;
/// How things are cannot be said: the store or the service cannot be asked.
const CANNOT_SAY: u8 = 2;
/// The command cannot be understood (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// An error that knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failed {
    message: String,
    code: u8,
}

/// The command cannot be understood as it was given; `message` says how it is written.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Failed { message: message.into(), code: USAGE }.into()
}

/// It has failed with this exit code.
pub fn failed(code: u8, message: impl Into<String>) -> anyhow::Error {
    Failed { message: message.into(), code }.into()
}

/// How things are cannot be said.
pub fn cannot_say(message: impl Into<String>) -> anyhow::Error {
    Failed { message: message.into(), code: CANNOT_SAY }.into()
}

/// The exit code of an error: what the innermost cause that is known says, 1 without any.
pub fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(of).unwrap_or(REFUSED)
}

/// The exit code of an error of `status`, which is asked by monitors: unless the command is wrong, nothing can be said.
pub fn code_of_status(error: &anyhow::Error) -> u8 {
    if code(error) == USAGE { USAGE } else { CANNOT_SAY }
}

fn of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(failed) = cause.downcast_ref::<Failed>() {
        return Some(failed.code);
    }
    if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        return Some(match refusal {
            Refusal::Bad(_) => USAGE,
            Refusal::Forbidden(_) | Refusal::NotFound(_) | Refusal::Conflict(_) => REFUSED,
            Refusal::Failed(_) | Refusal::Ending(_) => CANNOT_SAY,
        });
    }
    cause.downcast_ref::<StoreError>().map(|e| match e {
        StoreError::NotThere(_) | StoreError::NotNow(_) => REFUSED,
        e if e.trouble() == Trouble::Locked => REFUSED, // nothing was done: try again
        _ => CANNOT_SAY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn an_exit_code_says_whether_the_command_was_wrong_refused_or_could_not_be_answered() {
        assert_eq!(code(&anyhow!("whatever")), 1);
        assert_eq!(code(&usage("write it otherwise")), 64);
        assert_eq!(code(&usage("write it otherwise").context("--since")), 64);
        assert_eq!(code(&Refusal::NotFound("nobody".into()).into()), 1);
        assert_eq!(code(&Refusal::Bad("why says nothing".into()).into()), 64);
        let empty = || StoreError::Empty { path: "s.db".into() };
        assert_eq!(code(&empty().into()), 2);
        assert_eq!(code(&Err::<(), _>(empty()).context("the store").expect_err("an error")), 2);
        assert_eq!(code(&Refusal::from(empty()).into()), 2);
        let busy = || StoreError::Busy { path: "s.db".into(), holder: "sqlite3".into(), seconds: 15 };
        assert_eq!((code(&busy().into()), code(&Refusal::from(busy()).into())), (1, 1));
        assert_eq!(code_of_status(&anyhow!("the configuration cannot be read")), 2);
        assert_eq!(code_of_status(&usage("say where to look")), 64);
    }
}
