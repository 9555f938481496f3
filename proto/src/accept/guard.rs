//! The guard of a program: asks the one decision about each request, before it is read.
//!
//! The program passes its role and its [`Gatekeeper`] to the door. Each request then has a [`Pass`] in its
//! extensions, by which handlers ask about the objects that they have read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use shared::Coded;
use shared::security::authorization::{Action, Audience, Call, Caller, Denial, Mode, Object, judge};
use shared::security::{ApiToken, ApiTokenError, Role, Scope};

use super::accounts::{Accounts, Resource};
use super::answer::Answer;
use super::places::Who;
use super::{Ends, is_grpc};
use crate::credentials::shown_token;
use crate::http::{HttpError, method_not_allowed};
use crate::status::to_status;
use crate::tls::Tls;

/// The scopes of a token that counts.
pub type Scopes = Arc<[Scope]>;

/// The part of a program that knows tokens, and hears of denials.
pub trait Gatekeeper: fmt::Debug + Send + Sync {
    /// Returns the scopes of a token; none when it does not count.
    fn scopes<'a>(&'a self, token: &'a ApiToken)
    -> Pin<Box<dyn Future<Output = Option<Scopes>> + Send + 'a>>;

    /// Hears that a caller may not make a call.
    fn denied(&self, caller: &Caller, ends: Option<Ends>, call: &str, why: Denial);
}

/// A program that knows no tokens, and keeps no record of denials.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nobody;

impl Gatekeeper for Nobody {
    fn scopes<'a>(&'a self, _: &'a ApiToken) -> Pin<Box<dyn Future<Output = Option<Scopes>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }

    fn denied(&self, _: &Caller, _: Option<Ends>, _: &str, _: Denial) {}
}

/// The guard of one program; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) program: Option<Role>,
    pub(super) tls: Tls,
    pub(super) keeper: Arc<dyn Gatekeeper>,
    pub(super) accounts: Accounts,
}

/// The right to make one call, about objects that are not known yet.
#[derive(Clone, Debug)]
pub struct Pass {
    mode: Mode,
    audience: Audience,
    caller: Caller,
}

impl Pass {
    /// Returns the pass of a request; one that nobody has guarded is of a network without security.
    #[must_use]
    pub fn of(extensions: &http::Extensions) -> Self {
        let passed = extensions.get().cloned();
        passed.unwrap_or(Self {
            mode: Mode::Off,
            audience: Audience::Network,
            caller: Caller::Anonymous,
        })
    }

    /// The caller.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Decides whether the caller may do something to an object.
    ///
    /// # Errors
    /// The reason for which it may not.
    pub fn may(&self, action: Action, object: Object<'_>) -> Result<(), Denial> {
        judge(self.mode, &self.caller, self.audience, action, object)
    }
}

/// Lets a request through, or answers with the reason why not.
pub(super) async fn admit(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let mode = guard.tls.mode();
    let (Some(program), true) = (guard.program, mode != Mode::Off) else {
        return guard.run(request, next).await;
    };
    // Nothing is served at an unknown path.
    let Some(pattern) = request.extensions().get::<MatchedPath>().cloned() else {
        return guard.run(request, next).await;
    };
    let path = request.uri().path().to_owned();
    let call = Call::of_rpc(program, &path)
        .or_else(|_| Call::of_route(program, request.method().as_str(), pattern.as_str()));
    let other_end = request.extensions().get::<Caller>().cloned();
    let other_end = other_end.unwrap_or(Caller::Anonymous);
    let token = shown_token(request.headers());
    // No token is asked for a call that is open to everybody: not every program knows tokens.
    let is_open = call.is_ok_and(|call| call.admit(Mode::Required, &Caller::Anonymous).is_ok());
    let token = token.filter(|_| !is_open);
    let caller = guard.caller(other_end, token).await;
    let admitted = caller.and_then(|caller| {
        let call = call.map_err(|why| (caller.clone(), why))?;
        match call.admit(mode, &caller) {
            Ok(()) => Ok((caller, call.audience)),
            Err(why) => Err((caller, why)),
        }
    });
    match admitted {
        Ok((caller, audience)) => {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(Pass {
                mode,
                audience,
                caller,
            });
            guard.run(request, next).await
        }
        Err((caller, why)) => {
            let ends = request.extensions().get::<Ends>().copied();
            guard.keeper.denied(&caller, ends, &path, why);
            match why {
                Denial::Method if !is_grpc(request.headers()) => method_not_allowed().into_response(),
                why => refused(&request, why),
            }
        }
    }
}

/// Returns whom to charge for a request; one that came through no door is the program's own.
#[must_use]
pub fn who(extensions: &http::Extensions) -> Who {
    let known = extensions.get::<Caller>();
    match (known, extensions.get::<Ends>()) {
        (Some(caller), Some(ends)) => Who::of(caller, *ends),
        _ => Who::Own,
    }
}

impl Guard {
    /// Has a request answered, if its caller may have one more under way.
    async fn run(&self, request: Request, next: Next) -> Response {
        let taken = self.accounts.take(who(request.extensions()), Resource::Request);
        match taken {
            Ok(held) => {
                let answer = next.run(request).await;
                answer.map(|body| axum::body::Body::new(Answer::new(body, held)))
            }
            Err(why) => refused(&request, why),
        }
    }

    /// Returns the caller: the owner of the token that the request shows, or the other end of its connection.
    async fn caller(
        &self,
        other_end: Caller,
        token: Option<Result<ApiToken, ApiTokenError>>,
    ) -> Result<Caller, (Caller, Denial)> {
        let token = match token {
            None => return Ok(other_end),
            Some(token) => token.map_err(|_| (other_end.clone(), Denial::NoToken))?,
        };
        match self.keeper.scopes(&token).await {
            Some(scopes) => Ok(Caller::Token { id: token.id, scopes }),
            None => Err((other_end, Denial::NoToken)),
        }
    }
}

fn refused(request: &Request, why: impl Coded) -> Response {
    if is_grpc(request.headers()) {
        return to_status(&why).into_http();
    }
    HttpError::from(why).into_response()
}
