//! Two gateways pointed at each other: a mail ends, and is refused.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;
use zegel::base::{Pulse, SystemClock};
use zegel::receive::{Served, Services, bind};

use crate::gateway::{Client, PATIENCE, relay_to, settings};

#[tokio::test]
async fn two_gateways_that_send_to_each_other_stop() {
    let bound = [bind(&settings()).await.unwrap(), bind(&settings()).await.unwrap()];
    let addresses = [bound[0].addresses()[0], bound[1].addresses()[0]];
    let stop = CancellationToken::new();
    let mut serving = Vec::new();
    for (index, bound) in bound.into_iter().enumerate() {
        let relay = relay_to(addresses[1 - index], Duration::from_millis(300));
        let (tls, metrics) = (Arc::new(ArcSwapOption::empty()), zegel::metrics::Smtp::default());
        let services =
            Services { relay, tls, users: None, clock: Arc::new(SystemClock), metrics, pulse: Pulse::default() };
        serving.push(tokio::spawn(bound.serve(Served::new(settings(), services), stop.clone())));
    }
    let circle = async {
        let mut client = Client::to(addresses[0]).await;
        client.exchange(&[("", "220"), ("EHLO client.example", "250"), ("MAIL FROM:<a@b.example>", "250")]).await;
        client.exchange(&[("RCPT TO:<c@d.example>", "250"), ("DATA", "354")]).await;
        client.send(b"Message-ID: <1@b.example>\r\nFrom: a@b.example\r\n\r\ntext\r\n.\r\n").await;
        client.reply().await
    };
    let reply = tokio::time::timeout(PATIENCE, circle).await.unwrap();
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    stop.cancel();
    for serving in serving {
        tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    }
}
