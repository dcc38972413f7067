//! Other people's test vectors for every primitive in use: Wycheproof's, which look for the mistakes that implementations
//! make, and those of the documents that define the rest. XChaCha20-Poly1305's draft and RFC 5869 stand with their users.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem};
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{FromSeed, MlKem768};
use sha2::Sha256;
use wycheproof::TestResult;
use wycheproof::{aead, hkdf as kdf, mac, mlkem, xdh};

use super::OpenError;
use super::aead::Cipher;
use super::derive::derive;
use super::hybrid;
use crate::base::{Entropy, SecretBytes};

/// Encryption gives exactly the vector's bytes; decryption opens what is valid and nothing else.
#[test]
fn xchacha20_poly1305() {
    let set = aead::TestSet::load(aead::TestName::XChaCha20Poly1305).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            // Other sizes of nonce do not compile here.
            let Ok(nonce) = <[u8; 24]>::try_from(test.nonce.as_slice()) else {
                assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
                continue;
            };
            let cipher = Cipher::new(&SecretBytes::new(test.key.as_slice().try_into().unwrap()));
            let sealed = [test.ct.as_slice(), &test.tag].concat();
            let opened = cipher.open(&nonce, &test.aad, &sealed);
            if test.result == TestResult::Invalid {
                assert_eq!(opened, Err(OpenError::Damaged), "test {}", test.tc_id);
                invalid += 1;
                continue;
            }
            assert_eq!(opened.unwrap().as_slice(), test.pt.as_slice(), "test {}", test.tc_id);
            let mut out = Vec::new();
            cipher.seal(&nonce, &test.aad, &test.pt, &mut out);
            assert_eq!(out, sealed, "test {}", test.tc_id);
            valid += 1;
        }
    }
    assert!(valid > 200 && invalid > 30, "{valid} valid, {invalid} invalid");
}

/// The library on all of them, and our derivation, which always takes 32 bytes and a text, on those that it can do.
#[test]
fn hkdf_sha256() {
    let set = kdf::TestSet::load(kdf::TestName::HkdfSha256).unwrap();
    let (mut all, mut ours) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let done = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(done.is_ok(), test.result != TestResult::Invalid, "test {}", test.tc_id);
        if done.is_err() {
            continue;
        }
        assert_eq!(okm, *test.okm, "test {}", test.tc_id);
        all += 1;
        if let (Ok(label), Some(first)) = (std::str::from_utf8(&test.info), test.okm.first_chunk::<32>()) {
            assert_eq!(derive(&test.ikm, &test.salt, label).expose(), first, "test {}", test.tc_id);
            ours += 1;
        }
    }
    assert!(all > 50 && ours > 10, "{all} in all, {ours} on ours");
}

#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut done = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let mut mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap();
            mac.update(&test.msg);
            let verified = mac.verify_truncated_left(&test.tag).is_ok() && test.tag.len() == group.tag_size / 8;
            assert_eq!(verified, test.result == TestResult::Valid, "test {}", test.tc_id);
            done += 1;
        }
    }
    assert!(done > 150, "{done}");
}

/// One half of X-Wing, which takes every point: what both halves give is hashed together with the point.
#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut done = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Ok(private), Ok(public)) =
            (<[u8; 32]>::try_from(test.private_key.as_slice()), <[u8; 32]>::try_from(test.public_key.as_slice()))
        else {
            assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
            continue;
        };
        let private = x25519_dalek::StaticSecret::from(private);
        let shared = private.diffie_hellman(&x25519_dalek::PublicKey::from(public));
        assert_eq!(shared.as_bytes().as_slice(), test.shared_secret.as_slice(), "test {}", test.tc_id);
        done += 1;
    }
    assert!(done > 400, "{done}");
}

/// The other half: pairs from their seeds, and decapsulation, which answers a changed ciphertext with another secret (FIPS 203 §6.3).
#[test]
fn ml_kem_768() {
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap();
    let mut done = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let seed = test.seed.as_ref().and_then(|seed| ml_kem::Seed::try_from(seed.as_slice()).ok());
        let text = test.ct.as_ref().and_then(|ct| ml_kem::Ciphertext::<MlKem768>::try_from(ct.as_slice()).ok());
        let (Some(seed), Some(text)) = (seed, text) else {
            assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
            continue;
        };
        let (private, public) = MlKem768::from_seed(&seed);
        if let Some(expected) = &test.encaps_key {
            assert_eq!(public.to_bytes().as_slice(), expected.as_slice(), "test {}", test.tc_id);
        }
        let shared = private.decapsulate(&text);
        let expected = test.shared_secret.as_ref().unwrap();
        assert_eq!(shared.as_slice(), expected.as_slice(), "test {}", test.tc_id);
        done += 1;
    }
    assert!(done > 100, "{done}");
}

/// Gives out one row of bytes, once.
#[derive(Debug)]
struct Once(Vec<u8>);

impl Entropy for Once {
    fn fill(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The draft's vectors: public key and encapsulation through our module, the shared secret through the library's KEM.
#[test]
fn x_wing() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/x-wing.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let bytes = |name: &str| hex(vector[name].as_str().unwrap());
        let private = hybrid::PrivateKey::new(SecretBytes::new(bytes("seed").try_into().unwrap()));
        assert_eq!(private.public().to_bytes()[1..], bytes("pk"));
        let sealed = private.public().seal(b"info", b"plain", &Once(bytes("eseed")));
        assert_eq!(sealed[1..=bytes("ct").len()], bytes("ct"));
        assert_eq!(private.open(b"info", &sealed).unwrap().as_slice(), b"plain");
        let key = <XWing as hpke::Kem>::PrivateKey::from_bytes(&bytes("seed")).unwrap();
        let encapsulated = <XWing as hpke::Kem>::EncappedKey::from_bytes(&bytes("ct")).unwrap();
        assert_eq!(XWing::decap(&key, None, &encapsulated).unwrap().0.as_slice(), bytes("ss"));
    }
}

/// RFC 9180, appendix A.2.1, the first encryption: key schedule and AEAD of the library, over the KEM that the RFC has.
#[test]
fn hpke_base_mode() {
    let key = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
    let key = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(&hex(key)).unwrap();
    let encapsulated = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    let encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&hex(encapsulated)).unwrap();
    let plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &hpke::OpModeR::Base,
        &key,
        &encapsulated,
        &hex("4f6465206f6e2061204772656369616e2055726e"),
        &hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"),
        &hex("436f756e742d30"),
    );
    assert_eq!(plain.unwrap(), hex("4265617574792069732074727574682c20747275746820626561757479"));
}

/// RFC 9106 §5.3: with secret value and associated data, as verifiers of codes have them.
#[test]
fn argon2id() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .output_len(32)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(HEXLOWER.encode(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}
