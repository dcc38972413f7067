//! The session cookie: set when a code was right, read on every page of the message, gone at log-out.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;

use crate::seal::token::SessionToken;
use crate::store::proof::OpenSession;
use crate::store::strict::SessionKey;

use super::answer::Problem;
use super::app::App;
use super::headers::SESSION_SECONDS;

/// Over plain HTTP, which only the demo speaks, browsers take no `__Host-` cookie.
const fn name(demo: bool) -> &'static str {
    if demo { "zegel" } else { "__Host-zegel" }
}

const fn flags(demo: bool) -> &'static str {
    if demo { "Path=/; HttpOnly; SameSite=Strict" } else { "Path=/; Secure; HttpOnly; SameSite=Strict" }
}

/// `Set-Cookie` for a new session. It ends with the browser; the store ends it earlier.
pub(super) fn cookie(token: &SessionToken, demo: bool) -> Option<HeaderValue> {
    let text = format!("{}={}; {}", name(demo), token.to_text().expose_secret(), flags(demo));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` that takes it away.
pub(super) fn no_cookie(demo: bool) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}=; Max-Age=0; {}", name(demo), flags(demo))).ok()
}

/// The token in the request's cookies.
pub(super) fn token(headers: &HeaderMap, demo: bool) -> Option<SessionToken> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name(demo)).and_then(|(_, value)| SessionToken::parse(value))
}

/// The answer to a script that asked for something and shows no page.
pub(super) fn kept(app: &App, open: &OpenSession) -> Response {
    let left = open.left(&app.settings.sessions, app.clock.now());
    (StatusCode::NO_CONTENT, [(SESSION_SECONDS, HeaderValue::from(left.as_secs()))]).into_response()
}

/// The open session of this request.
pub(super) async fn current(app: &App, headers: &HeaderMap) -> Result<OpenSession, Problem> {
    let token = token(headers, app.settings.demo).ok_or(Problem::Ended)?;
    let open = app.store.session(&token, &app.settings.sessions).await?.ok_or(Problem::Ended)?;
    if open.key == SessionKey::Lost { Err(Problem::Restarted) } else { Ok(open) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OsEntropy;

    #[test]
    fn what_is_set_is_read() {
        for demo in [false, true] {
            let made = SessionToken::generate(&OsEntropy);
            let set = cookie(&made, demo).unwrap();
            assert!(set.is_sensitive());
            let text = set.to_str().unwrap().to_owned();
            let expected = if demo { "zegel=" } else { "__Host-zegel=" };
            assert!(
                text.starts_with(expected)
                    && text.contains("; HttpOnly; SameSite=Strict")
                    && text.contains("; Path=/;")
            );
            assert_eq!(text.contains("; Secure"), !demo);
            let pair = text.split(';').next().unwrap();
            let mut headers = HeaderMap::new();
            headers.append("cookie", format!("a=b; {pair}; zegel2=x").parse().unwrap());
            let read = token(&headers, demo).unwrap();
            assert_eq!(read.to_text().expose_secret(), made.to_text().expose_secret());
            assert!(token(&headers, !demo).is_none());
        }
    }
}
