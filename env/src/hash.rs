//! Names for content. BLAKE3 over a canonical encoding: the same value gives the same digest on any machine.

use serde::{Deserialize, Serialize};
use std::fmt;

/// 32 bytes of BLAKE3, shown as hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub const ZERO: Digest = Digest([0; 32]);

    /// Of raw bytes, under a domain so that digests of different kinds never meet.
    pub fn of_bytes(domain: &str, bytes: &[u8]) -> Digest {
        let mut h = blake3::Hasher::new();
        h.update(&(domain.len() as u32).to_le_bytes());
        h.update(domain.as_bytes());
        h.update(bytes);
        Digest(*h.finalize().as_bytes())
    }

    /// Of any value, through its canonical encoding (postcard).
    ///
    /// # Panics
    /// Never for the types of this crate: their encoding cannot fail.
    pub fn of<T: Serialize>(domain: &str, value: &T) -> Digest {
        let bytes = postcard::to_stdvec(value).expect("plain data encodes");
        Digest::of_bytes(domain, &bytes)
    }

    /// The next link of a chain: BLAKE3(previous, bytes).
    pub fn chain(self, bytes: &[u8]) -> Digest {
        let mut h = blake3::Hasher::new();
        h.update(&self.0);
        h.update(bytes);
        Digest(*h.finalize().as_bytes())
    }

    /// All 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&self.hex()) } else { serde_bytes::serialize(&self.0[..], s) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if d.is_human_readable() {
            let s = String::deserialize(d)?;
            let mut out = [0u8; 32];
            if s.len() != 64 || !s.is_ascii() {
                return Err(D::Error::custom("a digest is 64 hexadecimal digits"));
            }
            for (i, byte) in out.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(D::Error::custom)?;
            }
            Ok(Digest(out))
        } else {
            let bytes: Vec<u8> = serde_bytes::deserialize(d)?;
            let out = bytes.try_into().map_err(|_| D::Error::custom("a digest is 32 bytes"))?;
            Ok(Digest(out))
        }
    }
}
