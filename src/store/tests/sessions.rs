//! How long a session lives, and what a request writes.

use super::bed::{Bed, LIMITS, net, on_each_engine};
use crate::seal::token::SessionToken;
use crate::store::engine::{Batch, Space, Write};
use crate::store::places;
use crate::store::proof::Cookies;

async fn open(bed: &Bed) -> SessionToken {
    let (_, token) = bed.taken("jan@example.nl").await;
    let view = bed.view(&token).await;
    let cookie = bed.cookie();
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &cookie).await.unwrap();
    cookie
}

async fn is_open(bed: &Bed, cookie: &SessionToken) -> bool {
    bed.store.session(cookie, &LIMITS).await.unwrap().is_some()
}

on_each_engine! {
    async fn a_new_session_ends_the_earlier_one_of_its_browser(mut bed) {
        let (first, other) = (open(&bed).await, open(&bed).await);
        let (_, token) = bed.taken("piet@example.nl").await;
        let view = bed.view(&token).await;
        let (second, third, foreign) = (bed.cookie(), bed.cookie(), bed.cookie());
        bed.try_from(&view, 1).await;
        let cookies = Cookies { new: &second, earlier: Some(&first) };
        bed.store.open_session(&view, net(1), cookies).await.unwrap();
        assert!(!is_open(&bed, &first).await && is_open(&bed, &second).await && is_open(&bed, &other).await);
        bed.try_from(&view, 1).await;
        let places = bed.places(Space::Session).await.len();
        let cookies = Cookies { new: &third, earlier: Some(&foreign) };
        bed.store.open_session(&view, net(1), cookies).await.unwrap();
        assert_eq!(bed.places(Space::Session).await.len(), places + 1, "a cookie of no session ends none");
        bed.restart().await;
        assert!(!is_open(&bed, &first).await && is_open(&bed, &second).await && is_open(&bed, &other).await);
    }

    async fn a_session_ends_when_idle(bed) {
        let cookie = open(&bed).await;
        for _ in 0..3 {
            bed.pass(899);
            assert!(is_open(&bed, &cookie).await);
        }
        bed.pass(900);
        assert!(!is_open(&bed, &cookie).await);
        assert!(bed.places(Space::Session).await.is_empty());
        assert!(!is_open(&bed, &cookie).await);
    }

    async fn a_request_counts_to_the_second_and_is_written_once_a_minute(bed) {
        let cookie = open(&bed).await;
        let before = bed.store.counts().commits;
        for _ in 0..59 {
            bed.pass(1);
            assert!(is_open(&bed, &cookie).await);
        }
        assert_eq!(bed.store.counts().commits, before);
        bed.pass(899);
        let opened = bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap();
        assert_eq!(bed.now().since(opened.session.seen).as_secs(), 899, "since the request before this one");
        assert_eq!(bed.store.counts().commits, before + 1);
    }

    async fn a_session_ends_at_its_longest(bed) {
        let cookie = open(&bed).await;
        for _ in 0..23 {
            bed.pass(600);
            assert!(is_open(&bed, &cookie).await);
        }
        bed.pass(600);
        assert!(!is_open(&bed, &cookie).await, "after four hours, busy or not");
    }

    async fn a_session_survives_a_restart_and_ends_with_log_out(mut bed) {
        let (cookie, other) = (open(&bed).await, open(&bed).await);
        bed.pass(60);
        assert!(is_open(&bed, &cookie).await);
        bed.restart().await;
        bed.pass(860);
        assert!(is_open(&bed, &cookie).await, "what was written holds");
        assert!(!is_open(&bed, &other).await);
        bed.store.close_session(&cookie).await.unwrap();
        assert!(!is_open(&bed, &cookie).await);
        let commits = bed.store.counts().commits;
        bed.store.close_session(&cookie).await.unwrap();
        assert_eq!(bed.store.counts().commits, commits, "to log out twice writes nothing");
    }

    async fn a_session_ends_with_its_link(bed) {
        let cookie = open(&bed).await;
        let batch = Batch { checks: Vec::new(), writes: bed.places(Space::Grant).await.into_iter().map(Write::Delete).collect() };
        bed.store.inner.engine.commit(batch).await.unwrap();
        assert!(!is_open(&bed, &cookie).await);
    }

    async fn a_session_ends_when_its_link_expires(bed) {
        let (mut mail, tokens) = bed.mail(&["jan@example.nl"], 100).await;
        mail.message.expires = bed.now() + std::time::Duration::from_mins(5);
        bed.store.take(mail).await.unwrap().unwrap();
        let view = bed.view(&tokens[0]).await;
        let cookie = bed.cookie();
        bed.store.open_session(&view, net(1), &cookie).await.unwrap();
        bed.pass(299);
        assert!(is_open(&bed, &cookie).await);
        bed.pass(1);
        assert!(!is_open(&bed, &cookie).await);
    }

    async fn a_request_and_a_log_out_at_once_leave_it_closed(bed) {
        let cookie = open(&bed).await;
        bed.pass(60);
        let (seen, closed) = tokio::join!(bed.store.session(&cookie, &LIMITS), bed.store.close_session(&cookie));
        seen.unwrap();
        closed.unwrap();
        assert!(bed.raw().await.remove(&places::session(&cookie.hash(bed.store.keys()))).is_none());
        assert!(!is_open(&bed, &cookie).await);
    }

    async fn an_unknown_cookie_opens_nothing_and_writes_nothing(bed) {
        open(&bed).await;
        let commits = bed.store.counts().commits;
        assert!(!is_open(&bed, &bed.cookie()).await);
        assert_eq!(bed.store.counts().commits, commits);
    }
}
