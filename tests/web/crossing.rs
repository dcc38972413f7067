//! Nothing of one recipient's message comes out for another, whatever is asked: every route with every method, without a session and
//! with the session of each of two people.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use crate::routes::table;
use crate::site::{Answer, Link, Site, form, request, site};

/// Somebody with a message and an open session.
struct Person {
    link: Link,
    cookie: String,
    /// What stands in their message alone: subject, text, name and content of a file.
    words: [String; 4],
}

impl Person {
    async fn new(site: &Site, address: &str) -> Self {
        let words = ["onderwerp", "tekst", "bestand", "inhoud"].map(|word| {
            let name = address.split('@').next().unwrap();
            format!("{word}{name}7Qx")
        });
        let [subject, text, file, content] = &words;
        let header = format!(
            "From: Anna Jansen <a.jansen@zorg.example>\r\nSubject: [veilig] {subject}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n"
        );
        let body = format!(
            "--b\r\nContent-Type: text/html\r\n\r\n<p>{text}</p>\r\n--b\r\nContent-Type: text/plain\r\n\
             Content-Disposition: attachment; filename=\"{file}.txt\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let link = site.seal(address, &header, body.as_bytes()).await;
        let cookie = site.unlock(&link).await;
        Self { link, cookie, words }
    }

    fn in_answer(&self, answer: &Answer) -> Vec<&String> {
        let all = format!("{:?}{}", answer.headers, answer.text());
        self.words.iter().filter(|word| all.contains(word.as_str())).collect()
    }
}

async fn ask(site: &Site, method: &Method, path: &str, cookie: Option<&str>) -> Answer {
    let mut asked = match *method {
        Method::POST => form(path, ""),
        _ => request(method.clone(), path).body(Body::empty()).unwrap(),
    };
    if let Some(cookie) = cookie {
        asked.headers_mut().insert("cookie", cookie.parse().unwrap());
    }
    site.ask(asked).await
}

#[tokio::test(start_paused = true)]
async fn nothing_of_one_message_comes_out_for_another() {
    let site = site();
    let people = [Person::new(&site, "jan@else.example").await, Person::new(&site, "piet@else.example").await];
    for person in &people {
        let read = async |path: &str| site.read(path, &person.cookie).await;
        let own = [read("/bericht").await, read("/bericht/html").await, read("/bericht/bijlage/2").await];
        let shown: Vec<_> = own.iter().flat_map(|answer| person.in_answer(answer)).collect();
        assert!(person.words.iter().all(|word| shown.contains(&word)), "each reads their own: {shown:?}");
    }
    let mut paths: Vec<String> = people.iter().flat_map(|person| table(&person.link.path)).map(|row| row.0).collect();
    paths.extend(["/sms/een/geheim", "/bericht/bijlage/2", "/bericht/bijlage/2/bekijken"].map(str::to_owned));
    paths.sort();
    paths.dedup();
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ];
    for path in &paths {
        for method in &methods {
            for who in [None, Some(0), Some(1)] {
                let leaves = path == "/uitloggen" && method == Method::POST;
                let cookie = match who {
                    // The session that ends is not needed any more.
                    Some(who) if leaves => Some(site.unlock(&people[who].link).await),
                    who => who.map(|who| people[who].cookie.clone()),
                };
                let answer = ask(&site, method, path, cookie.as_deref()).await;
                for (n, person) in people.iter().enumerate().filter(|(n, _)| Some(*n) != who) {
                    let shown = person.in_answer(&answer);
                    assert!(shown.is_empty(), "{method} {path} as {who:?} shows {shown:?} of {n}");
                }
                assert!(leaves || answer.header("set-cookie").is_empty(), "{method} {path} as {who:?}");
            }
        }
    }
    for person in &people {
        assert_eq!(site.read("/bericht", &person.cookie).await.status, StatusCode::OK, "and nobody was logged out");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_one_message_opens_no_other() {
    let site = site();
    let people = [Person::new(&site, "jan@else.example").await, Person::new(&site, "piet@else.example").await];
    let [jan, piet] = &people;
    let token = site.get(&jan.link.path).await.page_token();
    let foreign = site.get(&piet.link.path).await.page_token();
    site.clock.advance(std::time::Duration::from_secs(5));
    // The page token of one link with the other, its code with the other, and all that with the other's session.
    for (token, code, status) in [
        (&foreign, &jan.link.code, StatusCode::BAD_REQUEST),
        (&foreign, &piet.link.code, StatusCode::BAD_REQUEST),
        (&token, &piet.link.code, StatusCode::FORBIDDEN),
    ] {
        let mut post = form(&jan.link.path, &format!("pagina={token}&code={code}"));
        post.headers_mut().insert("cookie", piet.cookie.parse().unwrap());
        let answer = site.ask(post).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (status, ""));
        assert!(jan.in_answer(&answer).is_empty() && piet.in_answer(&answer).is_empty());
    }
    // Somebody who reads one message opens another: that one is shown from now on, in a session of its own.
    let mut post = form(&jan.link.path, &format!("pagina={token}&code={}", jan.link.code));
    post.headers_mut().insert("cookie", piet.cookie.parse().unwrap());
    let opened = site.ask(post).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER);
    let cookie = opened.cookie();
    assert!(cookie != piet.cookie && cookie != jan.cookie, "no session is given out twice");
    let shown = site.read("/bericht", &cookie).await;
    assert!(piet.in_answer(&shown).is_empty() && !jan.in_answer(&shown).is_empty());
}
