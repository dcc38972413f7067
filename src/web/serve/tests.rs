//! Connections over pipes, with a clock that stands still: clients that do not take what they asked for.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::*;
use crate::base::{ManualClock, SeededEntropy, Timestamp};
use crate::seal::keyring::RootKeyring;
use crate::store::Store;
use crate::web::{routes, tests};

/// Bytes of a large answer.
const LARGE: usize = 1 << 20;

/// A listener of the page, and what would stop its connections.
struct Rig {
    listener: Listener,
    graceful: GracefulShutdown,
}

fn rig(max_requests_per_network: usize) -> Rig {
    let settings = Arc::new(Settings { max_requests_per_network, ..tests::settings() });
    let entropy = Arc::new(SeededEntropy::new(1));
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_255_200)));
    let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy.clone());
    let router = routes::router(Arc::clone(&settings), store, clock, entropy).unwrap();
    let large = axum::routing::get(async || vec![b'x'; LARGE]);
    let listener = Listener {
        service: Service::Page(router.route("/groot", large)),
        tls: TlsConfig::default(),
        connections: Arc::new(Semaphore::new(10)),
        networks: Arc::default(),
        turned_away: Arc::new(TurnedAway::new(Page::default())),
        settings,
        pulse: Pulse::default(),
        stop: CancellationToken::new(),
    };
    Rig { listener, graceful: GracefulShutdown::new() }
}

/// A connection over a pipe.
fn connect(rig: &Rig) -> DuplexStream {
    let (near, far) = duplex(4096);
    let stream = Idle::new(near, SILENCE, PATIENCE);
    let peer = SocketAddr::from(([198, 51, 100, 7], 40_000));
    tokio::spawn(rig.listener.clone().converse(stream, peer, rig.graceful.watcher()));
    far
}

/// An HTTP/2 client that opens the windows of its streams this far, and further only as it reads.
async fn http2(rig: &Rig, window: u32) -> http2::SendRequest<Empty<Bytes>> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let pings = Duration::from_secs(10);
    builder.timer(TokioTimer::new()).keep_alive_interval(pings).keep_alive_while_idle(true);
    builder.initial_stream_window_size(window).initial_connection_window_size(1 << 24);
    let (client, connection) = builder.handshake(TokioIo::new(connect(rig))).await.unwrap();
    tokio::spawn(connection);
    client
}

fn ask(path: &str) -> hyper::Request<Empty<Bytes>> {
    let uri = format!("https://veilig.voorbeeld.nl{path}");
    hyper::Request::builder().uri(uri).body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_loses_its_place() {
    for window in [0, 1, 100] {
        let rig = rig(3);
        let mut deaf = http2(&rig, window).await;
        let mut unread = Vec::new();
        for _ in 0..3 {
            let answer = deaf.send_request(ask("/")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            unread.push(answer);
        }
        let mut other = http2(&rig, 1 << 16).await;
        assert_eq!(
            other.send_request(ask("/")).await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "window {window}"
        );
        sleep(PATIENCE).await;
        assert_eq!(
            other.send_request(ask("/")).await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "window {window}"
        );
        sleep(Duration::from_secs(31)).await;
        assert_eq!(other.send_request(ask("/")).await.unwrap().status(), StatusCode::OK, "window {window}");
        for answer in unread {
            assert!(answer.into_body().collect().await.is_err(), "it ended early, and says so");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stands_still_ends_no_other_of_its_connection() {
    let rig = rig(3);
    let mut client = http2(&rig, 80_000).await;
    let unread = client.send_request(ask("/groot")).await.unwrap();
    let mut slow = client.send_request(ask("/groot")).await.unwrap().into_body();
    let (mut got, mut since) = (0, 0);
    while let Some(frame) = slow.frame().await {
        let len = frame.unwrap().into_data().unwrap().len();
        (got, since) = (got + len, since + len);
        if since >= 70_000 {
            since = 0;
            sleep(Duration::from_secs(100)).await;
        }
    }
    assert_eq!(got, LARGE);
    assert!(unread.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_read_slowly_goes_on_and_one_read_by_the_drop_ends() {
    let rig = rig(1);
    let request = b"GET /groot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut slow = connect(&rig);
    slow.write_all(request).await.unwrap();
    let (mut all, mut piece) = (0, vec![0; 70_000]);
    while let Ok(len @ 1..) = slow.read_exact(&mut piece).await {
        all += len;
        sleep(Duration::from_secs(100)).await;
    }
    assert!(all > LARGE - piece.len(), "{all}");

    let mut drops = connect(&rig);
    let begun = Instant::now();
    drops.write_all(request).await.unwrap();
    let mut drop = [0; 1024];
    while drops.read(&mut drop).await.is_ok_and(|len| len > 0) {
        sleep(Duration::from_secs(10)).await;
    }
    let took = begun.elapsed();
    assert!((PATIENCE..PATIENCE * 2).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn pieces_are_the_whole() {
    use hyper::body::Body as _;
    for len in [0, 1, 2, 65_535, 65_536, 65_537, 65_538, 300_000] {
        let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
        let body = Pieces::new(Body::from(bytes.clone()));
        assert_eq!(body.size_hint().exact(), u64::try_from(len).ok());
        assert_eq!(body.is_end_stream(), len == 0);
        assert!(body.collect().await.unwrap().to_bytes() == bytes, "{len}");
    }
}
