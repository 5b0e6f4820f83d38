//! Verification keys, as accounts carry them.

use ark_ec::AffineRepr;
use base64::{Engine, prelude::BASE64_STANDARD};
use kimchi::{COLUMNS, Domain, PERMUTED_COLUMNS, Revision, VerifierIndex, ZK_ROWS};
use mina_curves::{Fp, Pallas, PallasConfig, PastaField};
use mina_poseidon::{Kimchi, Sponge, salted};
use poly_commitment::{Commitment, Srs};
use thiserror::Error;

use crate::{
    constants::{MAX_PROOFS_VERIFIED, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS},
    proof::ProofsVerified,
};

/// Points in a key.
const POINTS: usize = PERMUTED_COLUMNS + COLUMNS + 6;

/// Bytes of a key: two sizes, the points, and two ends of lists.
const LENGTH: usize = 2 + 64 * POINTS + 2;

/// The key of a program: its wrap circuit's commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    /// The most proofs that a rule of the program verifies.
    pub max_proofs_verified: ProofsVerified,
    /// The wrap circuit's domain: 2^13, 2^14 or 2^15.
    pub wrap_domain: ProofsVerified,
    /// Permutation polynomials.
    pub sigma: [Pallas; PERMUTED_COLUMNS],
    /// Coefficient columns.
    pub coefficients: [Pallas; COLUMNS],
    /// Selectors of [`kimchi::MANDATORY_GATES`].
    pub selectors: [Pallas; 6],
}

/// Why bytes are no verification key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not base64.
    #[error("verification key: not base64: {0}")]
    Base64(String),
    /// The wrong number of bytes.
    #[error("verification key: expected {expected} bytes, got {got}")]
    Length {
        /// What every key has.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A byte that must be 0, 1 or 2 is not, or an end of a list is missing.
    #[error("verification key: byte {offset} is {got}, which {what} cannot be")]
    Byte {
        /// Where.
        offset: usize,
        /// What it is.
        got: u8,
        /// What it stands for.
        what: &'static str,
    },
    /// A coordinate is not below the modulus, or a point is not on the curve.
    #[error("verification key: point {index} is not on Pallas")]
    Point {
        /// Which, in the key's order.
        index: usize,
    },
}

impl VerificationKey {
    /// Reads the base64 that o1js calls `data`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong where.
    pub fn from_base64(data: &str) -> Result<Self, KeyError> {
        let bytes =
            BASE64_STANDARD.decode(data).map_err(|error| KeyError::Base64(error.to_string()))?;
        Self::from_bytes(&bytes)
    }

    /// The base64 that o1js calls `data`.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.to_bytes())
    }

    /// Reads bin_prot: two sizes as tags, then each list of points with a zero byte at its end, each
    /// point as two coordinates of 32 bytes little-endian.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong where.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != LENGTH {
            return Err(KeyError::Length { expected: LENGTH, got: bytes.len() });
        }
        let size = |offset: usize, what| {
            let got = bytes[offset];
            ProofsVerified::from_count(usize::from(got)).ok_or(KeyError::Byte { offset, got, what })
        };
        let end = |offset: usize| match bytes[offset] {
            0 => Ok(()),
            got => Err(KeyError::Byte { offset, got, what: "the end of a list" }),
        };
        let sigma_end = 2 + 64 * PERMUTED_COLUMNS;
        let coefficients_end = sigma_end + 1 + 64 * COLUMNS;
        end(sigma_end)?;
        end(coefficients_end)?;
        let read = |first: usize, start: usize, count: usize| -> Result<Vec<Pallas>, KeyError> {
            let points = bytes[start..start + 64 * count].chunks(64).enumerate();
            points
                .map(|(i, chunk)| point(chunk).ok_or(KeyError::Point { index: first + i }))
                .collect()
        };
        let sigma = read(0, 2, PERMUTED_COLUMNS)?;
        let coefficients = read(PERMUTED_COLUMNS, sigma_end + 1, COLUMNS)?;
        let selectors = read(PERMUTED_COLUMNS + COLUMNS, coefficients_end + 1, 6)?;
        let length = || KeyError::Length { expected: LENGTH, got: bytes.len() };
        Ok(Self {
            max_proofs_verified: size(0, "a number of proofs")?,
            wrap_domain: size(1, "a size of domain")?,
            sigma: sigma.try_into().map_err(|_| length())?,
            coefficients: coefficients.try_into().map_err(|_| length())?,
            selectors: selectors.try_into().map_err(|_| length())?,
        })
    }

    /// The bin_prot that [`Self::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes =
            vec![self.max_proofs_verified.count() as u8, self.wrap_domain.count() as u8];
        let lists: [&[Pallas]; 3] = [&self.sigma, &self.coefficients, &self.selectors];
        for (i, points) in lists.into_iter().enumerate() {
            for point in points {
                for limb in point.x.to_limbs().into_iter().chain(point.y.to_limbs()) {
                    bytes.extend(limb.to_le_bytes());
                }
            }
            // The selectors are fields of a record, not a list.
            if i < 2 {
                bytes.push(0);
            }
        }
        bytes
    }

    /// All points, in the key's order.
    pub fn points(&self) -> impl Iterator<Item = &Pallas> {
        self.sigma.iter().chain(&self.coefficients).chain(&self.selectors)
    }

    /// The 56 coordinates, in the key's order.
    pub fn coordinates(&self) -> Vec<Fp> {
        self.points().flat_map(|point| [point.x, point.y]).collect()
    }

    /// The hash that accounts and account updates name a key by: Kimchi Poseidon, salted, over the
    /// coordinates and both sizes as one-hots of three bits, packed into one element
    /// (mina `side_loaded_verification_key.ml`).
    pub fn hash(&self) -> Fp {
        let mut sponge = Sponge::<Fp>::from_state(salted::<Fp, Kimchi>("MinaSideLoadedVk"));
        sponge.absorb_all(&self.coordinates());
        // Bits are packed as they come, the first the most significant.
        let one_hot = |n: ProofsVerified| 1u64 << (2 - n.count());
        let packed = (one_hot(self.max_proofs_verified) << 3) | one_hot(self.wrap_domain);
        sponge.absorb(Fp::from(packed));
        sponge.squeeze()
    }

    /// The wrap circuit as Kimchi's verifier sees it.
    pub fn verifier_index(&self) -> VerifierIndex<PallasConfig> {
        let commitment = |point: &Pallas| Commitment { chunks: vec![*point] };
        let size = 1usize << (13 + self.wrap_domain.count());
        let domain = Domain::new(size).expect("2^13 to 2^15 are sizes of domains");
        VerifierIndex {
            shifts: domain.shifts(),
            domain,
            max_poly_size: 1 << WRAP_ROUNDS,
            zk_rows: ZK_ROWS,
            revision: Revision::Berkeley,
            public: WRAP_PUBLIC_INPUTS,
            previous: MAX_PROOFS_VERIFIED,
            sigma: self.sigma.each_ref().map(commitment),
            coefficients: self.coefficients.each_ref().map(commitment),
            selectors: self.selectors.each_ref().map(commitment),
            optional_selectors: [const { None }; 6],
            lookup: None,
            srs: Srs::shared(1 << WRAP_ROUNDS),
        }
    }
}

/// A finite point of the curve, from two coordinates of 32 bytes little-endian.
fn point(bytes: &[u8]) -> Option<Pallas> {
    let (limbs, rest) = bytes.as_chunks::<8>();
    let [x0, x1, x2, x3, y0, y1, y2, y3] = limbs else { return None };
    let coordinate = |limbs: [&[u8; 8]; 4]| Fp::from_limbs(limbs.map(|l| u64::from_le_bytes(*l)));
    let point = Pallas::new_unchecked(coordinate([x0, x1, x2, x3])?, coordinate([y0, y1, y2, y3])?);
    (rest.is_empty() && !point.is_zero() && point.is_on_curve()).then_some(point)
}
