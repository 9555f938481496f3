//! The gate of the three programs' HTTP: which requests may come in at all, by their headers. Pure.
//!
//! A page of anybody's, in a browser on this machine or beside it, can send requests to every address that
//! the browser reaches. So a request must name its host by an address, or by a name that nobody else can
//! point here (DNS rebinding), and a page that sends it must be of the program's own origin or of one that is
//! allowed. Programs that are no browsers send no `Origin`, and are not affected by that part.
//!
//! gRPC calls come only as gRPC clients send them: `POST`, `application/grpc`, HTTP/2. No browser sends that
//! to a port without TLS, and behind a proxy that would carry it a browser adds `Origin`, which is judged as
//! above. The host of a call without a browser's marks is not judged: peers dial by names that a program need
//! not know.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, HeaderName, ORIGIN, VARY};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use shared::ErrorCode;

use super::HttpError;
use crate::ends::Ends;

/// The header in which browsers say whose page makes a request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The port at which webservers listen unless they are told another.
const WEBSERVER_PORT: u16 = 50051;

/// The parts of a request that the gate looks at.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The ends of the connection.
    pub ends: Option<Ends>,
    /// The authority of the request's target, which HTTP/2 has in place of `Host`.
    pub authority: Option<&'a Authority>,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// The form of a request, of which gRPC has one.
#[derive(Clone, Copy, Debug)]
struct Form<'a> {
    version: Version,
    method: &'a Method,
    content_type: &'a str,
}

impl Form<'_> {
    /// Returns why a request is no gRPC call, and the status that says so.
    fn fault(&self) -> Option<(StatusCode, &'static str)> {
        let parameters = self.content_type.strip_prefix("application/grpc");
        if self.version != Version::HTTP_2 {
            return Some((
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "gRPC calls are taken over HTTP/2 only",
            ));
        }
        if self.method != Method::POST {
            return Some((StatusCode::METHOD_NOT_ALLOWED, "gRPC calls use the method POST"));
        }
        match parameters.map(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' '])) {
            Some(true) => None,
            _ => Some((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "gRPC calls have the content type application/grpc",
            )),
        }
    }
}

impl<'a> From<&'a Request> for Asked<'a> {
    fn from(request: &'a Request) -> Self {
        Self {
            ends: request.extensions().get::<Ends>().copied(),
            authority: request.uri().authority(),
            headers: request.headers(),
        }
    }
}

impl Asked<'_> {
    /// Returns the text of a header; empty when it is no text, or comes several times with different texts.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        match values.all(|other| other == first) {
            true => Some(first.to_str().unwrap_or_default()),
            false => Some(""),
        }
    }

    fn host(&self) -> Option<Authority> {
        let named = || self.text(&HOST)?.parse().ok();
        self.authority.cloned().or_else(named)
    }
}

/// Addresses that a request may name as its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Loopback, and the one that was reached: the program is for its own machine.
    Own,
    /// Every one: other machines may reach the program at a translated address, and nobody can point an
    /// address elsewhere.
    Any,
}

/// An origin whose pages may read answers: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Text was not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin, such as http://10.0.0.1:50051")]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let rest = ["http://", "https://"]
            .iter()
            .find_map(|scheme| lower.strip_prefix(scheme));
        let authority = rest.and_then(|rest| rest.parse::<Authority>().ok());
        match authority {
            Some(authority) if !authority.as_str().contains('@') => Ok(Self(lower)),
            _ => Err(OriginError(text.chars().take(80).collect())),
        }
    }
}

/// The gate of one program.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    addresses: Addresses,
    /// Names of the program's machine, in lower case.
    names: Vec<String>,
    origins: Vec<Origin>,
    /// The port at which the page of a webserver on the same host may be, and read answers.
    webserver_port: Option<u16>,
}

impl Gate {
    /// Makes a gate that knows a machine by these names, beside `localhost`.
    #[must_use]
    pub fn new(addresses: Addresses, names: impl IntoIterator<Item = String>, origins: Vec<Origin>) -> Self {
        let names = names.into_iter().chain(["localhost".to_owned()]);
        Self(Arc::new(Rules {
            addresses,
            names: names.map(|name| name.to_ascii_lowercase()).collect(),
            origins,
            webserver_port: None,
        }))
    }

    /// Makes a tracker's gate, which the page of a webserver on the same host passes as well.
    #[must_use]
    pub fn of_a_tracker(names: impl IntoIterator<Item = String>, origins: Vec<Origin>) -> Self {
        let Self(mut rules) = Self::new(Addresses::Any, names, origins);
        if let Some(rules) = Arc::get_mut(&mut rules) {
            rules.webserver_port = Some(WEBSERVER_PORT);
        }
        Self(rules)
    }

    /// Lets a request in; returns the origin whose page may read the answer, if it is another than the
    /// program's own.
    ///
    /// # Errors
    /// When the request is for another host, or was sent by a page of others.
    pub fn judge(&self, asked: &Asked<'_>) -> Result<Option<HeaderValue>, HttpError> {
        let Some(host) = asked.host() else {
            return denied("the request does not say which host it is for".to_owned());
        };
        if !self.0.is_host(host.host(), asked.ends) {
            let host = host.host();
            return denied(match self.0.addresses {
                Addresses::Own => {
                    format!("the request is for {host:?}; use 127.0.0.1, localhost or the node's address")
                }
                Addresses::Any => {
                    format!("the request is for {host:?}; use an address, or name it in allowed_hosts")
                }
            });
        }
        let foreign = || {
            denied(
                "a page of another origin may not read this; allowed_origins names those that may".to_owned(),
            )
        };
        match (asked.text(&ORIGIN), asked.text(&FETCH_SITE)) {
            (None, None | Some("same-origin" | "none")) => Ok(None),
            (None, Some(_)) => foreign(),
            (Some(origin), site) => {
                let is_own = authority_of(origin).is_some_and(|own| own.eq_ignore_ascii_case(host.as_str()));
                if is_own && matches!(site, None | Some("same-origin" | "none")) {
                    return Ok(None);
                }
                match self.0.is_allowed(origin, &host) {
                    true => Ok(HeaderValue::from_str(origin).ok()),
                    false => foreign(),
                }
            }
        }
    }
}

impl Gate {
    /// Lets a gRPC call in.
    ///
    /// # Errors
    /// When the request does not have the form of a call, or was sent by a page of others.
    fn judge_call(&self, form: Form<'_>, asked: &Asked<'_>) -> Result<(), HttpError> {
        let is_marked = asked.headers.contains_key(ORIGIN) || asked.headers.contains_key(FETCH_SITE);
        if is_marked {
            self.judge(asked)?;
        }
        match form.fault() {
            Some((status, why)) => Err(HttpError::invalid(why).with_status(status)),
            None => Ok(()),
        }
    }
}

impl Rules {
    fn is_host(&self, host: &str, ends: Option<Ends>) -> bool {
        match address(host) {
            Some(_) if self.addresses == Addresses::Any => true,
            Some(ip) => ip.is_loopback() || ends.is_some_and(|ends| ends.local == ip),
            // The dot of an absolute name is no part of it.
            None => {
                let name = host.strip_suffix('.').unwrap_or(host);
                self.names.iter().any(|own| name.eq_ignore_ascii_case(own))
            }
        }
    }

    fn is_allowed(&self, origin: &str, host: &Authority) -> bool {
        let is_named = self
            .origins
            .iter()
            .any(|Origin(allowed)| origin.eq_ignore_ascii_case(allowed));
        let is_the_page = || {
            let page = authority_of(origin)?.parse::<Authority>().ok()?;
            let is_beside = page.host().eq_ignore_ascii_case(host.host())
                || (is_local(page.host()) && is_local(host.host()));
            Some(self.webserver_port.is_some() && page.port_u16() == self.webserver_port && is_beside)
        };
        is_named || is_the_page().unwrap_or_default()
    }
}

/// Returns the part of an origin after its scheme: a port of ours is one program, with TLS and without.
fn authority_of(origin: &str) -> Option<&str> {
    let schemes = ["http://", "https://"];
    schemes.iter().find_map(|scheme| origin.strip_prefix(scheme))
}

/// Returns the address that a host is, if it is none by name.
fn address(host: &str) -> Option<IpAddr> {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = inside.unwrap_or(host).parse().ok()?;
    Some(ip.to_canonical())
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|ip| ip.is_loopback())
}

fn denied<T>(why: String) -> Result<T, HttpError> {
    Err(HttpError::new(ErrorCode::PermissionDenied, why))
}

/// Lets gRPC calls through the gate. A client reads the status of a refusal as a code of gRPC.
pub(super) async fn guard_calls(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let asked = Asked::from(&request);
    let form = Form {
        version: request.version(),
        method: request.method(),
        content_type: asked.text(&CONTENT_TYPE).unwrap_or_default(),
    };
    match gate.judge_call(form, &asked) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Lets requests through the gate, and says in the answer which page may read it.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let origin = match gate.judge(&Asked::from(&request)) {
        Ok(origin) => origin,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges a request from 10.0.0.9 to 10.0.0.7; none when it is refused.
    fn judge(gate: &Gate, headers: &[(&str, &str)]) -> Option<Option<String>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let ip = |text: &str| text.parse().expect("an address");
        let asked = Asked {
            ends: Some(Ends::new(ip("10.0.0.9"), ip("10.0.0.7"))),
            authority: None,
            headers: &map,
        };
        let text = |origin: HeaderValue| origin.to_str().expect("text").to_owned();
        gate.judge(&asked).ok().map(|origin| origin.map(text))
    }

    fn tracker() -> Gate {
        let allowed = "https://Console.example".parse().expect("an origin");
        Gate::of_a_tracker(["Tracker.LAN".to_owned()], vec![allowed])
    }

    #[test]
    fn programs_ask_by_an_address_or_a_name_of_the_machine() {
        let node = Gate::new(Addresses::Own, ["node.lan".to_owned()], Vec::new());
        for host in [
            "127.0.0.1:50053",
            "LocalHost",
            "[::1]:50053",
            "10.0.0.7",
            "NODE.lan:50053",
            "localhost.:50053",
            "node.lan.",
        ] {
            assert_eq!(judge(&node, &[("host", host)]), Some(None), "{host}");
        }
        for host in [
            "10.0.0.8",
            "[2001:db8::8]",
            "evil.example",
            "localhost.evil.example",
            "localhost..",
            "",
            "a b",
        ] {
            assert_eq!(judge(&node, &[("host", host)]), None, "{host}");
        }
        for host in [
            "10.0.0.7:50052",
            "192.0.2.1",
            "[2001:db8::8]:50052",
            "tracker.lan",
            "localhost:1",
        ] {
            assert_eq!(judge(&tracker(), &[("host", host)]), Some(None), "{host}");
        }
        for host in [
            "evil.example:50052",
            "tracker.lan.evil.example",
            "10.0.0.7.evil.example",
        ] {
            assert_eq!(judge(&tracker(), &[("host", host)]), None, "{host}");
        }
        assert_eq!(judge(&tracker(), &[]), None);
        let two = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert_eq!(judge(&tracker(), &two), None);
    }

    #[test]
    fn pages_of_others_get_nothing() {
        let host = ("host", "127.0.0.1:50052");
        for page in [
            ("origin", "http://evil.example"),
            ("origin", "http://evil.example:50051"),
            ("origin", "http://127.0.0.1:3000"),
            ("origin", "ftp://127.0.0.1:50051"),
            ("origin", "http://10.0.0.8:50051"),
            ("origin", "http://console.example"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(judge(&tracker(), &[host, page]), None, "{page:?}");
        }
        for own in [
            ("origin", "http://127.0.0.1:50052"),
            ("origin", "https://127.0.0.1:50052"),
            ("sec-fetch-site", "same-origin"),
        ] {
            assert_eq!(judge(&tracker(), &[host, own]), Some(None), "{own:?}");
        }
        let lying = [
            host,
            ("origin", "http://127.0.0.1:50052"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(judge(&tracker(), &lying), None);
    }

    #[test]
    fn the_webserver_s_page_reads_the_tracker_beside_it() {
        for (host, page) in [
            ("127.0.0.1:50052", "http://127.0.0.1:50051"),
            ("127.0.0.1:50052", "http://localhost:50051"),
            ("[::1]:50052", "http://127.0.0.1:50051"),
            ("10.0.0.7:50052", "http://10.0.0.7:50051"),
            ("tracker.lan:50052", "http://tracker.lan:50051"),
            ("10.0.0.7:50052", "https://console.example"),
        ] {
            let asked = [("host", host), ("origin", page), ("sec-fetch-site", "same-site")];
            assert_eq!(
                judge(&tracker(), &asked),
                Some(Some(page.to_owned())),
                "{host} {page}"
            );
        }
        let node = Gate::new(Addresses::Own, [], Vec::new());
        let asked = [("host", "127.0.0.1:50053"), ("origin", "http://127.0.0.1:50051")];
        assert_eq!(judge(&node, &asked), None, "a node has nothing for that page");
    }

    #[test]
    fn calls_have_the_form_that_no_page_can_send() {
        let fault = |version, method: &Method, content_type| {
            let form = Form {
                version,
                method,
                content_type,
            };
            form.fault().map(|(status, _)| status.as_u16())
        };
        let (two, post) = (Version::HTTP_2, Method::POST);
        for good in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;a=b",
        ] {
            assert_eq!(fault(two, &post, good), None, "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/grpc-web",
            "application/json",
            "application/grpcx",
        ] {
            assert_eq!(fault(two, &post, bad), Some(415), "{bad}");
        }
        for old in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(fault(old, &post, "application/grpc"), Some(505), "{old:?}");
        }
        assert_eq!(fault(two, &Method::GET, "application/grpc"), Some(405));
    }

    #[test]
    fn calls_of_pages_are_judged_and_those_of_programs_are_not() {
        let may_call = |gate: &Gate, headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name: HeaderName = name.parse().expect("a name");
                map.append(name, value.parse().expect("a value"));
            }
            let asked = Asked {
                ends: None,
                authority: None,
                headers: &map,
            };
            let form = Form {
                version: Version::HTTP_2,
                method: &Method::POST,
                content_type: "application/grpc",
            };
            gate.judge_call(form, &asked).is_ok()
        };
        let node = Gate::new(Addresses::Own, [], Vec::new());
        for gate in [&tracker(), &node] {
            for program in ["127.0.0.1:50052", "192.0.2.1:50052", "an-alias.example:50052"] {
                assert!(may_call(gate, &[("host", program)]), "{program}");
            }
            for (host, page) in [
                ("127.0.0.1:50052", ("origin", "http://evil.example")),
                ("127.0.0.1:50052", ("origin", "null")),
                ("127.0.0.1:50052", ("sec-fetch-site", "cross-site")),
                ("evil.example:50052", ("origin", "http://evil.example:50052")),
                ("evil.example:50052", ("sec-fetch-site", "same-origin")),
            ] {
                assert!(!may_call(gate, &[("host", host), page]), "{host} {page:?}");
            }
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in [
            "http://10.0.0.1:50051",
            "https://a.example",
            "http://[::1]:50051/",
        ] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "10.0.0.1:50051",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u@a",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
