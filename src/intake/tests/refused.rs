//! What is not taken, and that it leaves nothing.

use super::*;

#[tokio::test]
async fn a_mail_over_the_limit_leaves_nothing() {
    let size = u64::try_from(stored(HEADER).len() + BODY.len()).unwrap();
    let exact = gateway(size);
    exact.take(HEADER, BODY, &["p@else.example"]).await;
    let short = gateway(size - 1);
    let mut sealing = short.begin(HEADER, &["p@else.example"]).await.unwrap();
    let (first, rest) = BODY.split_at(10);
    sealing.write(first.as_bytes()).await.unwrap();
    for _ in 0..2 {
        let error = sealing.write(rest.as_bytes()).await.unwrap_err();
        assert!(matches!(error, IntakeError::TooLarge(limit) if limit == size - 1));
    }
    assert!(matches!(sealing.take().await.unwrap_err(), IntakeError::TooLarge(_)));
    assert_eq!((short.due().await.len(), short.messages().await.len()), (0, 0));
    let tiny = gateway(10);
    assert!(matches!(tiny.begin(HEADER, &["p@else.example"]).await.unwrap_err(), IntakeError::TooLarge(10)));
}

#[tokio::test]
async fn a_mail_with_bytes_missing_is_never_taken() {
    let gateway = gateway(1 << 20);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    // What a cancelled or failed write leaves behind.
    sealing.body = None;
    assert!(sealing.write(BODY.as_bytes()).await.is_err());
    assert_eq!(sealing.take().await.unwrap_err().reply().code(), 451);
    assert!(gateway.messages().await.is_empty());
}

#[tokio::test]
async fn a_code_that_cannot_be_made_is_a_451_and_takes_nothing() {
    let mut gateway = gateway(1 << 20);
    let cost = Cost { memory_kib: u32::MAX, passes: 1, lanes: 1 };
    let settings =
        Settings { max_size: 1 << 20, cost, strict_cost: cost, hashers: 1, language: "nl".into(), numbers: None };
    let entropy = Arc::new(SeededEntropy::new(2));
    gateway.intake = Intake::new(settings, gateway.store.clone(), gateway.clock.clone(), entropy);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    assert_eq!(sealing.take().await.unwrap_err().reply().code(), 451);
    assert!(gateway.messages().await.is_empty());
}

#[test]
fn replies_tell_what_to_do_and_nothing_inside() {
    let store = |make: fn(String) -> StoreError| IntakeError::Store(make("/var/lib secret".into()));
    let cases = [
        (store(StoreError::Full), 452, "4.3.1"),
        (store(StoreError::TooLarge), 552, "5.3.4"),
        (store(StoreError::NotReady), 451, "4.3.0"),
        (store(StoreError::Damaged), 451, "4.3.0"),
        (store(StoreError::Uncertain), 451, "4.3.0"),
        (IntakeError::Code, 451, "4.3.0"),
        (IntakeError::TooLarge(5), 552, "5.3.4"),
    ];
    for (error, code, status) in cases {
        let reply = error.reply();
        assert_eq!(reply.code(), code);
        assert!(reply.text()[0].starts_with(status) && !reply.to_string().contains("secret"), "{reply}");
    }
}
