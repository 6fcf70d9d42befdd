//! Who may be compared. An advantage is a difference of rewards, and a difference means something only where the members
//! started from one point (same case, persona, seed, budget, shared prefix) and answer to one rubric.

use bedside_env::Digest;
use bedside_env::verifier::group::{GroupCertificate, Mixed, check_group};

/// What members must share to be compared.
pub trait Certificate: Sized {
    /// One name for all of it, or the first thing in which two members differ.
    fn check(members: &[Self]) -> Result<Digest, Mixed>;
}

impl Certificate for GroupCertificate {
    fn check(members: &[Self]) -> Result<Digest, Mixed> {
        check_group(members)
    }
}

/// Members that were shown to belong together. There is no other way to make one than [`CertifiedGroup::new`].
#[derive(Clone, Debug, PartialEq)]
pub struct CertifiedGroup<T, C = GroupCertificate> {
    digest: Digest,
    certificate: C,
    members: Vec<T>,
}

/// Why members are no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("group {group}: {why}")]
pub struct MixedGroup {
    /// Place of the group in its batch.
    pub group: usize,
    pub why: Mixed,
}

impl<T, C: Certificate> CertifiedGroup<T, C> {
    /// Checks that all certificates agree; the error names the first field that does not, with both values.
    pub fn new(members: Vec<(C, T)>) -> Result<CertifiedGroup<T, C>, Mixed> {
        let (certificates, members): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let digest = C::check(&certificates)?;
        let certificate = certificates.into_iter().next().ok_or(Mixed::Empty)?;
        Ok(CertifiedGroup { digest, certificate, members })
    }

    /// All groups of a batch, or the first that is mixed.
    pub fn all(groups: Vec<Vec<(C, T)>>) -> Result<Vec<CertifiedGroup<T, C>>, MixedGroup> {
        let each = groups.into_iter().enumerate();
        each.map(|(group, members)| CertifiedGroup::new(members).map_err(|why| MixedGroup { group, why })).collect()
    }

    /// BLAKE3 over what the certificate names; in the environment fork point, case, persona, seed, budget, units and rubric.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn certificate(&self) -> &C {
        &self.certificate
    }

    pub fn members(&self) -> &[T] {
        &self.members
    }

    pub fn into_members(self) -> Vec<T> {
        self.members
    }
}
