//! "Is mijn e-mail echt?": the reference of a notice is confirmed, with less than the notice says.

use std::time::Duration;

use axum::http::StatusCode;
use zegel::store::records::Grant;

use crate::ended;
use crate::site::{Link, Site, form, site};

/// The reference in the notice of a link.
async fn reference(site: &Site, link: &Link) -> String {
    grant(site, link).await.reference
}

async fn grant(site: &Site, link: &Link) -> Grant {
    let token = zegel::seal::token::LinkToken::parse(link.path.trim_start_matches("/b/")).unwrap();
    site.store.grant(&token).await.unwrap().unwrap().grant
}

#[tokio::test(start_paused = true)]
async fn a_reference_is_confirmed_while_its_message_can_be_read() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let other = site.seal_text("piet@else.example", "Dag").await;
    let reference = reference(&site, &link).await;
    assert_ne!(reference, self::reference(&site, &other).await);
    let ask = async |text: &str| site.ask(form("/echt", &format!("kenmerk={text}"))).await;

    for typed in [reference.clone(), reference.to_ascii_lowercase().replace('-', "+")] {
        let answer = ask(&typed).await;
        let text = answer.text();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(text.contains("Ja, deze e-mail is van ons.") && text.contains("21 november 2026"), "{text}");
        assert!(text.contains("j•••••@else.example"), "{text}");
        // Less than the notice says, and nothing of the message.
        for more in ["jan@", "Jansen", "Uitslag", "/b/", "piet", "p•"] {
            assert!(!text.contains(more), "{more} in {text}");
        }
    }
    for (typed, status, words) in [
        ("0000-0000", StatusCode::OK, "Dit kenmerk kennen wij niet."),
        ("", StatusCode::UNPROCESSABLE_ENTITY, "Dit is geen kenmerk."),
        ("%F0%9F%98%80", StatusCode::UNPROCESSABLE_ENTITY, "Dit is geen kenmerk."),
    ] {
        let answer = ask(typed).await;
        assert_eq!(answer.status, status, "{typed}");
        assert!(answer.text().contains(words), "{typed}: {}", answer.text());
    }

    site.clock.advance(Duration::from_hours(91 * 24));
    assert!(ask(&reference).await.text().contains("Dit kenmerk kennen wij niet."), "expired");
}

#[tokio::test(start_paused = true)]
async fn a_reference_goes_with_its_message() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let reference = reference(&site, &link).await;
    ended::recall(&site, "jan@else.example").await;
    let answer = site.ask(form("/echt", &format!("kenmerk={reference}"))).await;
    assert!(answer.text().contains("Dit kenmerk kennen wij niet."), "{}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn guessing_is_bounded() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let reference = reference(&site, &link).await;
    let ask = async |peer: [u8; 4], text: &str| site.ask_from(peer, form("/echt", &format!("kenmerk={text}"))).await;
    for _ in 0..10 {
        assert_eq!(ask([198, 51, 100, 7], "00000000").await.status, StatusCode::OK);
    }
    let refused = ask([198, 51, 100, 8], &reference).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "600"));
    assert!(!refused.text().contains("Ja, deze"));
    // Others go on, and so does this network later.
    assert!(ask([203, 0, 113, 1], &reference).await.text().contains("Ja, deze"));
    site.clock.advance(Duration::from_mins(10));
    assert!(ask([198, 51, 100, 7], &reference).await.text().contains("Ja, deze"));
}
