//! Records to bytes and back: CBOR, encrypted for their place.
