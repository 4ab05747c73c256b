//! What a reply to a page of profiles, or to one of them, means.

use super::client::Reply;
use super::walk::Failure;
use super::wire::ProfilesPage;

/// What is said of a profile that Namely does not have.
pub const NOT_THERE: &str = "HTTP 404";

/// What a reply to `GET /profiles` means. 406 is Namely's throttle (`namely-api.md §6.1`).
pub fn read_page(reply: Reply) -> Result<ProfilesPage, Failure> {
    match reply {
        Reply::Answered { status: 200, body, .. } => {
            ProfilesPage::read(&body).map_err(|e| Failure::Failed(e.to_string()))
        }
        Reply::Answered { status: 406 | 429, .. } => Err(Failure::Throttled),
        Reply::Answered { status: 401, .. } => Err(Failure::Failed(
            "HTTP 401: Namely refuses the token; it dies with the profile of whoever made it, or after two years"
                .into(),
        )),
        Reply::Answered { status: 403, .. } => {
            Err(Failure::Failed("HTTP 403: Namely does not let the token read profiles".into()))
        }
        Reply::Answered { status: 404, .. } => Err(Failure::Failed(NOT_THERE.to_owned())),
        Reply::Answered { status, .. } => Err(Failure::Failed(format!("HTTP {status}"))),
        Reply::Failed(why) => Err(Failure::Failed(why)),
    }
}
