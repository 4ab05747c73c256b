//! What every answer of the console says to the browser besides its content: nothing runs, frames, or is fetched but what is ours.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// An answer with the headers that all have.
pub fn strict(status: StatusCode, encrypted: bool) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("x-frame-options", "DENY"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header(("permissions-policy", "camera=(), geolocation=(), microphone=()"))
        .insert_header(("cache-control", "no-store"));
    if encrypted {
        answer.insert_header(("strict-transport-security", "max-age=31536000"));
    }
    answer
}

/// A page.
pub fn html(status: StatusCode, encrypted: bool, page: String) -> HttpResponse {
    strict(status, encrypted).insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).body(page)
}

/// A file that is compiled in.
pub fn file(encrypted: bool, kind: &'static str, content: &'static str) -> HttpResponse {
    strict(StatusCode::OK, encrypted).insert_header((CONTENT_TYPE, kind)).body(content)
}

/// A document to be kept under this name.
pub fn download(encrypted: bool, kind: &str, name: &str, content: Vec<u8>) -> HttpResponse {
    strict(StatusCode::OK, encrypted)
        .insert_header((CONTENT_TYPE, kind))
        .insert_header(("content-disposition", format!("attachment; filename=\"{name}\"")))
        .body(content)
}

/// The browser is to look at another page.
pub fn redirect(encrypted: bool, to: &str, cookie: Option<String>) -> HttpResponse {
    let mut answer = strict(StatusCode::SEE_OTHER, encrypted);
    answer.insert_header((LOCATION, to));
    if let Some(cookie) = cookie {
        answer.insert_header((SET_COOKIE, cookie));
    }
    answer.finish()
}
