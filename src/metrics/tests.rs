//! What is counted stands in the text, in both forms, and what clients say does not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

/// Series with their values; panics where the text breaks the format.
fn parse(text: &str, form: Form) -> BTreeMap<String, f64> {
    let (mut types, mut found) = (BTreeMap::new(), BTreeMap::new());
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        if *line == "# EOF" {
            assert!(form == Form::OpenMetrics && number + 1 == lines.len(), "an end in the middle");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(
                name.starts_with("zegel_")
                    && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
            );
            let ends = ["", "_total", "_bucket", "_sum", "_count"];
            let kind = ends.iter().find_map(|end| types.get(name.strip_suffix(end)?)).copied();
            let kind = kind.unwrap_or_else(|| panic!("{name} has no type"));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            if form == Form::Prometheus && kind == "counter" {
                assert!(types.contains_key(name), "{name}: the older form names the type as the sample");
            }
            assert!(found.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} stands twice");
        }
    }
    assert_eq!(lines.last() == Some(&"# EOF"), form == Form::OpenMetrics);
    found
}

fn moved(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeSet<String> {
    let differs = |series: &&String| before.get(*series).copied().unwrap_or(0.0) < after[*series];
    after.keys().filter(differs).filter(|series| !series.contains("_bucket")).cloned().collect()
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one event of each kind, one after the other")]
async fn what_is_counted_stands_in_the_text() {
    let metrics = Metrics::default();
    let (listener, hop, commits) = (metrics.smtp.listener("front"), metrics.hops.hop("behind"), Commits::default());
    let exposition = metrics.exposition(&commits);
    let before = parse(&exposition.text(Form::OpenMetrics).unwrap(), Form::OpenMetrics);

    let open = listener.begin();
    listener.received(10);
    listener.sent(b"250-one\r\n250 two\r\n550 5.7.1 no\r\n421 bye\r\n");
    listener.refused(Refusal::Full);
    listener.accept_failed();
    assert!(!metrics.smtp.accepts());
    metrics.mails.ended(Outcome::Sealed, 100, Duration::from_secs(2));
    metrics.mails.judged(1, 2, 3);
    hop.connected(true);
    hop.leased(Duration::from_millis(3));
    hop.replied(Step::Dot, Some(4), Duration::from_secs(1));
    hop.sent(7);
    hop.replied(Step::Dot, None, Duration::ZERO);
    hop.replied(Step::Command, None, Duration::ZERO);
    hop.holds(2, 1);
    metrics.page.answered(Some("/b/{token}"), "GET", 200, Duration::ZERO);
    metrics.page.answered(None, "BREW", 404, Duration::ZERO);
    metrics.page.tried(Try::Wrong);
    metrics.page.turned_away(Crowded::Requests);
    drop(commits.begin());
    commits.written(3, Duration::from_millis(1));
    metrics.standing.set(Amount::Free, 9);
    metrics.standing.queue("notice", QueueKind { jobs: 4, oldest: 60 });

    let after = parse(&exposition.text(Form::OpenMetrics).unwrap(), Form::OpenMetrics);
    let expected = [
        "zegel_smtp_sessions_open{listener=\"front\"}",
        "zegel_smtp_sessions_total{listener=\"front\"}",
        "zegel_smtp_received_bytes_total{listener=\"front\"}",
        "zegel_smtp_sent_bytes_total{listener=\"front\"}",
        "zegel_smtp_replies_total{listener=\"front\",class=\"2\"}",
        "zegel_smtp_replies_total{listener=\"front\",class=\"4\"}",
        "zegel_smtp_replies_total{listener=\"front\",class=\"5\"}",
        "zegel_smtp_sessions_refused_total{listener=\"front\",reason=\"full\"}",
        "zegel_smtp_accept_errors_total{listener=\"front\"}",
        "zegel_mails_total{outcome=\"sealed\"}",
        "zegel_mail_bytes_total{outcome=\"sealed\"}",
        "zegel_mail_seconds_sum{outcome=\"sealed\"}",
        "zegel_mail_seconds_count{outcome=\"sealed\"}",
        "zegel_recipients_total{verdict=\"pass\"}",
        "zegel_recipients_total{verdict=\"seal\"}",
        "zegel_recipients_total{verdict=\"refuse\"}",
        "zegel_nexthop_up{hop=\"behind\"}",
        "zegel_nexthop_connects_total{hop=\"behind\",result=\"ok\"}",
        "zegel_nexthop_connections{hop=\"behind\",state=\"leased\"}",
        "zegel_nexthop_connections{hop=\"behind\",state=\"idle\"}",
        "zegel_nexthop_lease_seconds_sum{hop=\"behind\"}",
        "zegel_nexthop_lease_seconds_count{hop=\"behind\"}",
        "zegel_nexthop_replies_total{hop=\"behind\",class=\"4\"}",
        "zegel_nexthop_reply_seconds_sum{hop=\"behind\",step=\"dot\"}",
        "zegel_nexthop_reply_seconds_count{hop=\"behind\",step=\"dot\"}",
        "zegel_nexthop_sent_bytes_total{hop=\"behind\"}",
        "zegel_nexthop_lost_replies_total{hop=\"behind\"}",
        "zegel_page_requests_total{route=\"/b/{token}\",method=\"GET\",status=\"2xx\"}",
        "zegel_page_requests_total{route=\"none\",method=\"other\",status=\"4xx\"}",
        "zegel_page_request_seconds_count",
        "zegel_page_turned_away_total{reason=\"requests\"}",
        "zegel_code_tries_total{result=\"wrong\"}",
        "zegel_store_commit_seconds_count",
        "zegel_store_append_seconds_sum",
        "zegel_store_append_seconds_count",
        "zegel_store_group_commits_sum",
        "zegel_store_group_commits_count",
        "zegel_store_free_bytes",
        "zegel_queue_jobs{kind=\"notice\"}",
        "zegel_queue_oldest_seconds{kind=\"notice\"}",
    ];
    assert_eq!(moved(&before, &after), expected.iter().map(|series| (*series).to_owned()).collect());
    drop(open);
    let closed = parse(&exposition.text(Form::Prometheus).unwrap(), Form::Prometheus);
    assert!(closed["zegel_smtp_sessions_open{listener=\"front\"}"].abs() < 0.5);
    let names = |found: &BTreeMap<String, f64>| found.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&closed), names(&after), "both forms have the same series");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(metrics.smtp.accepts(), "deaf for ever");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_seen_and_one_that_is_busy_is_not() {
    let (commits, limit) = (Commits::default(), Duration::from_secs(15));
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(!commits.stalled(limit), "nobody waits");
    let waits = commits.begin();
    for _ in 0..4 {
        // Others come to their end.
        let other = commits.begin();
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(other);
        assert!(!commits.stalled(limit));
    }
    tokio::time::advance(Duration::from_secs(15)).await;
    assert!(commits.stalled(limit));
    drop(waits);
    assert!(!commits.stalled(limit));
}

#[test]
fn readers_get_the_form_that_they_ask_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    assert_eq!(Form::asked(prometheus), Form::OpenMetrics);
    for other in ["", "*/*", "text/plain;version=0.0.4"] {
        assert_eq!(Form::asked(other), Form::Prometheus);
    }
}
