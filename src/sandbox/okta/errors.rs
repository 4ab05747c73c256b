//! Okta's error envelope and the errors this org can give (`okta-api.md §5`).

use super::super::http::Response;
use serde_json::json;
use std::borrow::Cow;

/// An error as Okta reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Of HTTP.
    pub status: u16,
    /// Okta's `errorCode`.
    pub code: Cow<'static, str>,
    /// Okta's `errorSummary`.
    pub summary: String,
    /// Okta's `errorCauses`, each with one `errorSummary`.
    pub causes: Vec<String>,
}

impl Problem {
    /// Its answer.
    pub fn response(&self) -> Response {
        let causes: Vec<_> = self.causes.iter().map(|c| json!({ "errorSummary": c })).collect();
        Response::json(
            self.status,
            &json!({
                "errorCode": self.code, "errorSummary": self.summary, "errorLink": self.code,
                "errorId": format!("oae{:0>20}", self.code), "errorCauses": causes
            }),
        )
    }
}

/// The errors by name.
pub mod problem {
    use super::Problem;

    fn plain(status: u16, code: &'static str, summary: &str) -> Problem {
        Problem { status, code: code.into(), summary: summary.into(), causes: Vec::new() }
    }

    /// Any refusal, with the words that Okta has for the code as far as they are known here.
    pub fn by_code(status: u16, code: &str) -> Problem {
        let summary = match code {
            "E0000006" => "You do not have permission to perform the requested action",
            "E0000007" => "Not found: Resource not found: (User)",
            "E0000023" => "Operation failed because user profile is mastered under another system",
            "E0000038" => "This operation is not allowed in the user's current status.",
            "E0000047" => "API call exceeded rate limit due to too many requests.",
            "E0000001" => "Api validation failed",
            "E0000239" => "Policy priorities are being reconciled. Please try again later.",
            "E0000249" => "Group rules are still being set up. Please try again later.",
            _ => "Refused.",
        };
        Problem { code: code.to_owned().into(), ..plain(status, "", summary) }
    }

    pub fn invalid_token() -> Problem {
        plain(401, "E0000011", "Invalid token provided")
    }

    pub fn too_many_requests() -> Problem {
        plain(429, "E0000047", "API call exceeded rate limit due to too many requests.")
    }

    pub fn no_such_path() -> Problem {
        plain(404, "E0000008", "The requested path was not found")
    }

    pub fn wrong_method() -> Problem {
        plain(405, "E0000022", "The endpoint does not support the provided HTTP method")
    }

    pub fn bad_body() -> Problem {
        plain(400, "E0000003", "The request body was not well-formed.")
    }

    pub fn not_found(what: &str, kind: &str) -> Problem {
        plain(404, "E0000007", &format!("Not found: Resource not found: {what} ({kind})"))
    }

    pub fn validation(of: &str, causes: &[String]) -> Problem {
        Problem {
            status: 400,
            code: "E0000001".into(),
            summary: format!("Api validation failed: {of}"),
            causes: causes.to_vec(),
        }
    }

    pub fn taken(field: &str) -> Problem {
        validation(field, &[format!("{field}: An object with this field already exists in the current organization")])
    }

    pub fn wrong_status() -> Problem {
        plain(403, "E0000038", "This operation is not allowed in the user's current status.")
    }

    pub fn already_active() -> Problem {
        plain(403, "E0000016", "Activation failed because the user is already active")
    }

    pub fn unlock_not_allowed() -> Problem {
        let causes = vec!["The user is not locked out.".to_owned()];
        Problem { causes, ..plain(403, "E0000032", "Unlock is not allowed for this user.") }
    }

    pub fn bad_search() -> Problem {
        plain(400, "E0000031", "Invalid search criteria.")
    }

    pub fn bad_cursor() -> Problem {
        plain(400, "E0000029", "Invalid paging request.")
    }

    pub fn internal() -> Problem {
        plain(500, "E0000009", "Internal Server Error")
    }

    /// What older orgs say where nobody can be put into a group.
    pub fn not_implemented() -> Problem {
        plain(501, "E0000060", "Unsupported operation.")
    }

    pub fn no_permission() -> Problem {
        plain(403, "E0000006", "You do not have permission to perform the requested action")
    }

    pub fn active_app() -> Problem {
        let causes = vec!["The application must be deactivated before it can be deleted.".to_owned()];
        Problem { causes, ..plain(403, "E0000056", "Delete application forbidden.") }
    }

    pub fn inactive_user() -> Problem {
        plain(403, "E0000117", "Cannot assign apps or update app profiles for an inactive user.")
    }

    pub fn already_assigned() -> Problem {
        plain(409, "E0000062", "The specified user is already assigned to the application.")
    }

    pub fn held_by_group() -> Problem {
        let cause =
            "The application cannot be unassigned from the user while their group memberships grant them access.";
        Problem {
            causes: vec![cause.to_owned()],
            ..plain(403, "E0000046", "Deactivate application for user forbidden.")
        }
    }

    pub fn duplicate_link() -> Problem {
        plain(409, "E0000127", "A linked object definition with this name already exists.")
    }

    pub fn still_activating() -> Problem {
        let summary =
            "Cannot update this user because they are still being activated. Please try again in a few minutes.";
        plain(409, "E0000112", summary)
    }

    pub fn read_only() -> Problem {
        plain(503, "E0000010", "Service is in read only mode.")
    }

    pub fn bad_media_type() -> Problem {
        plain(400, "E0000021", "Bad request. Accept and/or Content-Type headers likely do not match supported values.")
    }

    pub fn etag_mismatch() -> Problem {
        plain(412, "E0000231", "ETag value doesn't match.")
    }
}
