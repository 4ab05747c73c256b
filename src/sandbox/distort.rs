//! What a fault makes of a request before it is carried out, and of its answer: the same for both simulators.

use super::faults::{Fault, Kind, Next};
use super::http::{Request, Response};
use flate2::{Compress, Compression, Crc, FlushCompress};
use serde_json::{Value, json};

/// The request as it is carried out.
pub fn before(fault: &Fault, request: &Request) -> Request {
    let mut request = request.clone();
    match &fault.kind {
        Kind::IgnoreAttributes(names) => {
            let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            if let Some(profile) = body.get_mut("profile").and_then(Value::as_object_mut) {
                profile.retain(|name, _| !names.contains(name));
                request.body = body.to_string().into_bytes();
            }
        }
        Kind::EndlessPages => request.query = without(&request.query, "after"),
        Kind::IgnorePage => request.query = without(&request.query, "page"),
        _ => {}
    }
    request
}

/// The answer as it leaves; `asked` is the request as it came.
pub fn after(fault: &Fault, asked: &Request, mut response: Response) -> Response {
    if !(200..300).contains(&response.status) {
        return response;
    }
    match &fault.kind {
        Kind::BrokenJson => response.body.truncate(response.body.len() / 2),
        Kind::Hide(names) => rewrite(&mut response, |body| {
            let hidden = |item: &Value| names_of(item).any(|name| names.iter().any(|n| n.eq_ignore_ascii_case(name)));
            if let Some(items) = items(body) {
                items.retain(|item| !hidden(item));
            }
        }),
        Kind::EmptyPage => rewrite(&mut response, |body| {
            if let Some(items) = items(body) {
                items.clear();
            }
        }),
        Kind::CutPage(keep) => rewrite(&mut response, |body| {
            if let Some(items) = items(body) {
                items.truncate(*keep);
            }
        }),
        Kind::NoNext => set_next(&mut response, None),
        Kind::Next(next) if next_of(&response).is_some() => {
            let was = next_of(&response).unwrap_or_default();
            let leads = match next {
                Next::Origin(origin) => was.replacen(&asked.base, origin, 1),
                Next::Itself => format!("{}{}", asked.base, asked.target()),
                Next::First => format!("{}{}?{}", asked.base, asked.path, without(&asked.query, "after")),
                Next::Text(text) => text.clone(),
            };
            set_next(&mut response, Some(leads));
        }
        Kind::EndlessPages => {
            let page = asked.param("after").and_then(|a| a.strip_prefix("endless")?.parse::<u64>().ok()).unwrap_or(0);
            let rest = without(&asked.query, "after");
            let more = if rest.is_empty() { "" } else { "&" };
            let next = format!("{}{}?{rest}{more}after=endless{}", asked.base, asked.path, page + 1);
            set_next(&mut response, Some(next));
        }
        Kind::EndlessBody => {
            response.body = b"[{\"id\":\"".to_vec();
            response.endless = true;
        }
        Kind::GzipBomb(size) => {
            response.body = bomb(*size);
            response = response.with("content-encoding", "gzip");
        }
        Kind::TotalCount(count) => rewrite(&mut response, |body| body["meta"]["total_count"] = json!(count)),
        Kind::Field { key, value } => rewrite(&mut response, |body| {
            let person = fault.person.as_deref();
            for item in items(body).into_iter().flatten() {
                if person.is_none_or(|person| names_of(item).any(|name| name.eq_ignore_ascii_case(person))) {
                    item[key] = value.clone();
                }
            }
        }),
        _ => {}
    }
    response
}

/// A query without one of its parameters.
fn without(query: &str, name: &str) -> String {
    let kept = query.split('&').filter(|pair| pair.split('=').next() != Some(name));
    kept.collect::<Vec<_>>().join("&")
}

fn rewrite(response: &mut Response, change: impl FnOnce(&mut Value)) {
    if let Ok(mut body) = serde_json::from_slice(&response.body) {
        change(&mut body);
        response.body = body.to_string().into_bytes();
    }
}

/// What a list shows: Okta's lists are arrays or have them in `value`, Namely's have them in `profiles`.
fn items(body: &mut Value) -> Option<&mut Vec<Value>> {
    match body {
        Value::Array(items) => Some(items),
        Value::Object(fields) => ["value", "profiles"]
            .iter()
            .find(|key| fields.contains_key(**key))
            .copied()
            .and_then(|key| fields.get_mut(key)?.as_array_mut()),
        _ => None,
    }
}

/// By what somebody or something in a list may be named.
fn names_of(item: &Value) -> impl Iterator<Item = &str> {
    let own = ["id", "email", "name", "label"].map(|key| &item[key]);
    let profile = ["login", "email", "namelyId", "name"].map(|key| &item["profile"][key]);
    own.into_iter().chain(profile).filter_map(Value::as_str)
}

/// Where the link to the next page leads: a header line, and for some lists a field of the body.
fn next_of(response: &Response) -> Option<String> {
    let line = response.headers.iter().find(|(name, link)| name == "link" && link.ends_with("rel=\"next\""));
    if let Some((_, line)) = line {
        return line.split(['<', '>']).nth(1).map(str::to_owned);
    }
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    body["_links"]["next"]["href"].as_str().map(str::to_owned)
}

fn set_next(response: &mut Response, next: Option<String>) {
    let had_line = response.headers.iter().any(|(name, _)| name == "link");
    response.headers.retain(|(name, link)| name != "link" || !link.ends_with("rel=\"next\""));
    rewrite(response, |body| {
        if let Some(links) = body.get_mut("_links").and_then(Value::as_object_mut) {
            links.remove("next");
            if let Some(next) = &next {
                links.insert("next".into(), json!({ "href": next }));
            }
        }
    });
    if let Some(next) = next.filter(|_| had_line) {
        response.headers.push(("link".into(), format!("<{next}>; rel=\"next\"")));
    }
}

/// A gzip stream that unpacks to `size` blanks, made without ever holding them: one compressed block again and again.
fn bomb(size: u64) -> Vec<u8> {
    const BLOCK: usize = 1 << 20;
    let blanks = vec![b' '; BLOCK];
    let mut compress = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(BLOCK);
    let _ = compress.compress_vec(&blanks, &mut block, FlushCompress::Full);
    let (mut whole, mut one) = (Crc::new(), Crc::new());
    one.update(&blanks);
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    for _ in 0..size.div_ceil(BLOCK as u64).max(1) {
        stream.extend(&block);
        whole.combine(&one);
    }
    // An empty last block, then checksum and length.
    stream.extend([3, 0]);
    stream.extend(whole.sum().to_le_bytes());
    stream.extend(whole.amount().to_le_bytes());
    stream
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn asked(query: &str) -> Request {
        Request {
            method: "GET".into(),
            path: "/api/v1/users".into(),
            query: query.into(),
            headers: vec![],
            body: vec![],
            base: "http://org".into(),
        }
    }

    fn list() -> Response {
        let users = json!([{ "id": "00u1", "profile": { "login": "ada@example.com" } }, { "id": "00u2", "profile": { "login": "bo@example.com" } }]);
        Response::json(200, &users)
            .with("link", "<http://org/api/v1/users?limit=2>; rel=\"self\"")
            .with("link", "<http://org/api/v1/users?limit=2&after=00u2>; rel=\"next\"")
    }

    fn struck(kind: Kind) -> Response {
        after(&Fault::always("", "", kind), &asked("limit=2&after=00u0"), list())
    }

    fn ids(response: &Response) -> Vec<String> {
        let body: Value = serde_json::from_slice(&response.body).expect("JSON");
        body.as_array().into_iter().flatten().map(|u| u["id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn whoever_is_hidden_is_missing_and_the_links_stay() {
        let response = struck(Kind::hide(&["ADA@example.com"]));
        assert_eq!((ids(&response), next_of(&response).is_some()), (vec!["00u2".to_owned()], true));
        let response = struck(Kind::EmptyPage);
        assert_eq!((ids(&response).len(), next_of(&response).is_some()), (0, true));
        assert_eq!(next_of(&struck(Kind::NoNext)), None);
    }

    #[test]
    fn the_next_page_is_elsewhere() {
        let leads = |next| next_of(&struck(Kind::Next(next))).unwrap_or_default();
        assert_eq!(leads(Next::Origin("https://evil".into())), "https://evil/api/v1/users?limit=2&after=00u2");
        assert_eq!(leads(Next::Itself), "http://org/api/v1/users?limit=2&after=00u0");
        assert_eq!(leads(Next::First), "http://org/api/v1/users?limit=2");
        assert_eq!(leads(Next::Text("::".into())), "::");
        assert_eq!(
            next_of(&struck(Kind::EndlessPages)).as_deref(),
            Some("http://org/api/v1/users?limit=2&after=endless1")
        );
    }

    #[test]
    fn a_bomb_is_small_and_unpacks_to_what_was_asked() {
        let packed = bomb(8 << 20);
        assert!(packed.len() < 20_000, "{}", packed.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).expect("a whole gzip stream");
        assert_eq!(unpacked.len(), 8 << 20);
    }

    #[test]
    fn a_value_of_a_profile_is_another_for_one_person() {
        let profiles = json!({ "profiles": [{ "id": "a", "start_date": "x" }, { "id": "b", "start_date": "y" }], "meta": { "total_count": 2 } });
        let fault = Fault::always("", "", Kind::Field { key: "start_date".into(), value: json!(31) }).about("b");
        let body = after(&fault, &asked(""), Response::json(200, &profiles)).body;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((&body["profiles"][0]["start_date"], &body["profiles"][1]["start_date"]), (&json!("x"), &json!(31)));
    }
}
