//! Readers who all come at the same time, each with a message and a code of their own.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::spread;
use super::support::browser::Browser;
use super::support::client::Client;
use super::support::gateway::Site;
use super::support::reader::{ANNA, code_for, letter, links_for};
use super::support::sink::Sink;

/// How long somebody looks at page 1 and types a code: an answer that comes sooner is held back by the page.
const TYPING: Duration = Duration::from_secs(3);

/// Milliseconds of each page.
#[derive(Default)]
struct Waits {
    first: Vec<f64>,
    unlock: Vec<f64>,
    message: Vec<f64>,
}

/// `count` readers open page 1, type, open the message and look at it, `rounds` times.
pub fn measure(count: usize, rounds: usize) {
    let sink = Sink::start();
    // Contacts come quicker here than an organisation writes to new people.
    let site = Site::new(sink.address, "");
    site.change("level = \"trace\"", "level = \"info\"");
    let gateway = site.start();
    let recipients: Vec<String> = (0..count).map(|number| format!("lezer{number}@example.nl")).collect();
    let mut client = Client::connect(gateway.smtp).unwrap();
    for (number, recipient) in recipients.iter().enumerate() {
        let mail = letter(&format!("m{number}"), "[veilig] Uitslag", "De uitslag is goed.");
        assert_eq!(client.send(ANNA, &[recipient], &mail).unwrap().1.code, 250);
    }
    let open: Vec<(String, String)> = recipients
        .iter()
        .map(|recipient| (links_for(&sink, recipient, 1).remove(0), code_for(&sink, ANNA, recipient)))
        .collect();
    let begin = Barrier::new(count);
    let waits = std::thread::scope(|scope| {
        let readers: Vec<_> = open
            .iter()
            .enumerate()
            .map(|(number, (link, code))| {
                let (begin, page) = (&begin, gateway.page);
                // People at home: each in a network of their own.
                let from = format!("198.{}.{}.7", 18 + number / 250, number % 250);
                std::thread::Builder::new()
                    .stack_size(512 * 1024)
                    .spawn_scoped(scope, move || {
                        begin.wait();
                        read(&mut Browser::new(page, &from), link, code, rounds)
                    })
                    .unwrap()
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).fold(Waits::default(), |mut all, one| {
            all.first.extend(one.first);
            all.unlock.extend(one.unlock);
            all.message.extend(one.message);
            all
        })
    });
    println!("{count} readers at the same time, {rounds} rounds, each types for {} s", TYPING.as_secs());
    for (page, millis) in [("page 1", waits.first), ("code, POST", waits.unlock), ("message", waits.message)] {
        let (middle, high) = spread(millis);
        println!("  {page:12} median {middle:7.0} ms   p99 {high:7.0} ms");
    }
    assert!(gateway.stop().success());
}

fn read(browser: &mut Browser, link: &str, code: &str, rounds: usize) -> Waits {
    let mut waits = Waits::default();
    let timed = |waits: &mut Vec<f64>, begin: Instant| waits.push(begin.elapsed().as_secs_f64() * 1e3);
    for _ in 0..rounds {
        let begin = Instant::now();
        let token = browser.form(link);
        timed(&mut waits.first, begin);
        std::thread::sleep(TYPING);
        let begin = Instant::now();
        let opened = browser.post(link, &[("pagina", &token), ("code", code)]);
        timed(&mut waits.unlock, begin);
        assert_eq!(opened.status, 303, "not opened: {}", opened.text());
        let begin = Instant::now();
        let message = browser.get("/bericht");
        timed(&mut waits.message, begin);
        assert!(message.text().contains("De uitslag is goed."), "not the message: {}", message.status);
    }
    waits
}
