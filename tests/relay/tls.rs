//! Whom we believe over TLS, and what we show: authorities, pins, names, client certificates. Where anything does not fit, no word
//! of a mail is said.

use std::time::Duration;

use zegel::nexthop::{HopError, Host, Identity, NextHop, Pin, Settings, Tls, Trust, Waits};

use crate::gateway::{from, hop_settings, to};
use crate::hop::{Authority, authority, server_side};
use crate::next_hop::{Act, FakeHop};

async fn server(side: &Authority) -> FakeHop {
    FakeHop::start(Box::new(|_, _| Act::Polite), &["STARTTLS"], Some(side.acceptor.clone())).await
}

fn trusting(server: &FakeHop, trust: Trust) -> Settings {
    let hosts = vec![Host { name: "localhost".to_owned(), port: server.address.port() }];
    let settings = hop_settings(&[]);
    let waits = Waits { hello: Duration::from_secs(5), ..settings.waits };
    Settings { hosts, waits, tls: Tls::Verified(trust), ..settings }
}

/// Whether a mail goes; where it does not, the server heard nothing of it.
async fn goes(server: &FakeHop, trust: Trust) -> bool {
    let hop = NextHop::new(trusting(server, trust)).unwrap();
    match hop.send(&from(), &to("p@pass.example"), b"A: b\r\n").await {
        Ok(reply) => {
            assert_eq!((reply.code(), server.taken().len()), (250, 1));
            true
        }
        Err(HopError::Unreachable { .. } | HopError::Broken { .. }) => {
            assert!(server.transactions().is_empty());
            false
        }
    }
}

#[tokio::test]
async fn a_certificate_is_believed_for_its_authority_its_name_or_its_key() {
    let (ours, misnamed, other) = (authority("localhost"), authority("mail.elsewhere.example"), authority("localhost"));
    let ca = |side: &Authority| Some(side.file.clone());
    let pin = |side: &Authority| vec![Pin([7; 32]), side.pin];
    let named = |name: &str| Some(name.to_owned());
    let none = Trust::default;
    // What it shows, the server, whom we trust, whether mail goes.
    let cases = [
        ("its authority and name", &ours, Trust { ca: ca(&ours), ..none() }, true),
        ("not the system's", &ours, none(), false),
        ("another authority", &ours, Trust { ca: ca(&other), ..none() }, false),
        ("another name", &misnamed, Trust { ca: ca(&misnamed), ..none() }, false),
        (
            "the name that is asked for",
            &misnamed,
            Trust { ca: ca(&misnamed), server_name: named("mail.elsewhere.example"), ..none() },
            true,
        ),
        (
            "not the host's name then",
            &ours,
            Trust { ca: ca(&ours), server_name: named("else.example"), ..none() },
            false,
        ),
        ("its key", &ours, Trust { pins: pin(&ours), ..none() }, true),
        ("its key, whatever its name", &misnamed, Trust { pins: pin(&misnamed), ..none() }, true),
        ("another key", &ours, Trust { pins: pin(&other), ..none() }, false),
        ("key and authority", &ours, Trust { ca: ca(&ours), pins: pin(&ours), ..none() }, true),
        ("the authority without the key", &ours, Trust { ca: ca(&ours), pins: pin(&other), ..none() }, false),
        ("the key without the authority", &ours, Trust { ca: ca(&other), pins: pin(&ours), ..none() }, false),
        (
            "key and authority, another name",
            &misnamed,
            Trust { ca: ca(&misnamed), pins: pin(&misnamed), ..none() },
            false,
        ),
    ];
    for (case, side, trust, expected) in cases {
        let server = server(side).await;
        assert_eq!(goes(&server, trust).await, expected, "{case}");
    }
}

#[tokio::test]
async fn we_show_our_certificate_to_a_server_that_asks() {
    let clients = authority("nobody.example");
    let side = server_side("localhost", Some(&clients));
    let strangers = authority("nobody.example");
    let identity = |signer: &Authority| {
        let (certificate, key) = signer.issue("zegel.example");
        let paths = ["client.pem", "client.key"].map(|name| signer.folder.path().join(name));
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        let [certificate, key] = paths;
        Identity { certificate, key }
    };
    let (known, unknown) = (identity(&clients), identity(&strangers));
    let trust = |identity| Trust { ca: Some(side.file.clone()), identity, ..Trust::default() };
    for (identity, expected) in [(Some(known.clone()), true), (Some(unknown.clone()), false), (None, false)] {
        let server = server(&side).await;
        assert_eq!(goes(&server, trust(identity.clone())).await, expected, "{identity:?}");
    }
    // The key of another certificate is found before any mail is.
    let mixed = Identity { certificate: known.certificate, key: unknown.key };
    let server = server(&side).await;
    assert!(NextHop::new(trusting(&server, trust(Some(mixed)))).is_err());
}
