//! Opening and verifying: round trips, tampering, batches.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use mina_curves::{PallasConfig, Point, VestaConfig};
use mina_poseidon::{FqSponge, KimchiCurve};
use poly_commitment::{
    Commitment, Evaluated, OpenPolynomial, OpeningClaim, OpeningError, OpeningProof, Srs,
    combined_inner_product,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// One proof with everything that its claim is made of.
struct Instance<C: KimchiCurve> {
    commitments: Vec<Commitment<C>>,
    evaluations: Vec<Vec<Vec<C::ScalarField>>>,
    points: Vec<C::ScalarField>,
    polyscale: C::ScalarField,
    evalscale: C::ScalarField,
    sponge: FqSponge<C>,
    opening: OpeningProof<C>,
}

fn evaluate<F: Field>(coefficients: &[F], x: F) -> F {
    coefficients.iter().rev().fold(F::ZERO, |acc, c| acc * x + c)
}

impl<C: KimchiCurve> Instance<C> {
    /// Opens polynomials of these `(coefficients, chunks)` at so many points.
    fn new(srs: &Srs<C>, shape: &[(usize, usize)], points: usize, rng: &mut ChaCha20Rng) -> Self {
        let points: Vec<_> = (0..points).map(|_| C::ScalarField::rand(rng)).collect();
        let (polyscale, evalscale) = (C::ScalarField::rand(rng), C::ScalarField::rand(rng));
        let mut sponge = FqSponge::new();
        let (mut commitments, mut evaluations, mut polys) = (Vec::new(), Vec::new(), Vec::new());
        for (len, chunks) in shape {
            let coefficients: Vec<_> = (0..*len).map(|_| C::ScalarField::rand(rng)).collect();
            let blinders: Vec<_> = (0..*chunks).map(|_| C::ScalarField::rand(rng)).collect();
            let commitment = if *chunks == 0 {
                Commitment::new(vec![])
            } else {
                srs.blind(&srs.commit(&coefficients, *chunks), &blinders)
            };
            sponge.absorb_points(&commitment.chunks);
            let chunk = |i: usize| coefficients.chunks(srs.size()).nth(i).unwrap_or_default();
            let at = |x: &_| (0..*chunks).map(|i| evaluate(chunk(i), *x)).collect();
            evaluations.push(points.iter().map(at).collect());
            commitments.push(commitment);
            polys.push(OpenPolynomial { coefficients: coefficients.into(), blinders });
        }
        let opening = srs.open(&polys, &points, polyscale, evalscale, sponge.clone(), rng);
        Self { commitments, evaluations, points, polyscale, evalscale, sponge, opening }
    }

    fn claim(&self) -> OpeningClaim<'_, C> {
        let evaluated = |(commitment, evaluations): (&Commitment<C>, &Vec<_>)| Evaluated {
            commitment: commitment.clone(),
            evaluations: evaluations.clone(),
        };
        OpeningClaim {
            sponge: self.sponge.clone(),
            evaluations: self.commitments.iter().zip(&self.evaluations).map(evaluated).collect(),
            points: self.points.clone(),
            polyscale: self.polyscale,
            evalscale: self.evalscale,
            opening: &self.opening,
            combined_inner_product: combined_inner_product(
                self.polyscale,
                self.evalscale,
                &self.evaluations,
            ),
        }
    }

    fn verify(&self, srs: &Srs<C>, rng: &mut ChaCha20Rng) -> Result<(), OpeningError> {
        srs.verify(&[self.claim()], rng)
    }
}

/// Coefficients and chunks of polynomials for an SRS of 8: exact, short, long, padded, zero, empty.
const SHAPE: [(usize, usize); 6] = [(8, 1), (3, 1), (20, 3), (9, 4), (0, 2), (0, 0)];

fn round_trip<C: KimchiCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    for log_size in [0, 1, 3, 7] {
        let srs = Srs::<C>::new(1 << log_size);
        let n = srs.size();
        let scaled = SHAPE.map(|(len, chunks)| ((len * n).div_ceil(8), chunks));
        for shape in [&scaled[..1], &scaled, &[]] {
            for points in [1, 2, 3] {
                let instance = Instance::new(&srs, shape, points, &mut rng);
                assert_eq!(instance.opening.lr.len(), log_size);
                assert_eq!(instance.verify(&srs, &mut rng), Ok(()), "{n} {shape:?} {points}");
            }
        }
    }
}

#[test]
fn openings_verify() {
    round_trip::<PallasConfig>();
    round_trip::<VestaConfig>();
}

#[test]
fn large_openings_verify() {
    // Long enough for every parallel path.
    let mut rng = ChaCha20Rng::seed_from_u64(12);
    let srs = Srs::<VestaConfig>::shared(1 << 12);
    let instance = Instance::new(&srs, &[(1 << 12, 1), (5000, 2)], 2, &mut rng);
    assert_eq!(instance.verify(&srs, &mut rng), Ok(()));
}

/// Applies each change to a valid instance and expects the equation to fail.
fn tampered<C: KimchiCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(13);
    let srs = Srs::<C>::new(8);
    let valid = Instance::new(&srs, &SHAPE, 2, &mut rng);
    let one = C::ScalarField::ONE;
    let bump = |p: &mut Point<C>| *p = (*p + C::GENERATOR).into_affine();
    type Change<'a, C> = Box<dyn Fn(&mut Instance<C>) + 'a>;
    let mut changes: Vec<(String, Change<'_, C>)> = vec![
        ("delta".into(), Box::new(|i| bump(&mut i.opening.delta))),
        ("delta at infinity".into(), Box::new(|i| i.opening.delta = Point::<C>::zero())),
        ("sg".into(), Box::new(|i| bump(&mut i.opening.sg))),
        ("z1".into(), Box::new(move |i| i.opening.z1 += one)),
        ("z2".into(), Box::new(move |i| i.opening.z2 += one)),
        ("polyscale".into(), Box::new(move |i| i.polyscale += one)),
        ("evalscale".into(), Box::new(move |i| i.evalscale += one)),
        ("sponge".into(), Box::new(|i| i.sponge.absorb_base(C::BaseField::ZERO))),
    ];
    for round in 0..valid.opening.lr.len() {
        changes.push((format!("L {round}"), Box::new(move |i| bump(&mut i.opening.lr[round].0))));
        changes.push((format!("R {round}"), Box::new(move |i| bump(&mut i.opening.lr[round].1))));
        changes.push((
            format!("swap {round}"),
            Box::new(move |i| {
                let (l, r) = i.opening.lr[round];
                i.opening.lr[round] = (r, l);
            }),
        ));
    }
    for point in 0..valid.points.len() {
        changes.push((format!("point {point}"), Box::new(move |i| i.points[point] += one)));
    }
    for (p, commitment) in valid.commitments.iter().enumerate() {
        for c in 0..commitment.len() {
            changes.push((
                format!("commitment {p} chunk {c}"),
                Box::new(move |i| bump(&mut i.commitments[p].chunks[c])),
            ));
            for e in 0..valid.points.len() {
                changes.push((
                    format!("evaluation {p} at {e} chunk {c}"),
                    Box::new(move |i| i.evaluations[p][e][c] += one),
                ));
            }
        }
    }
    for (name, change) in changes {
        let mut instance = Instance { opening: valid.opening.clone(), ..valid.copy() };
        change(&mut instance);
        let got = instance.verify(&srs, &mut rng);
        assert_eq!(got, Err(OpeningError::Equation { claims: 1 }), "{name}");
    }
}

impl<C: KimchiCurve> Instance<C> {
    fn copy(&self) -> Self {
        Self {
            commitments: self.commitments.clone(),
            evaluations: self.evaluations.clone(),
            points: self.points.clone(),
            sponge: self.sponge.clone(),
            opening: self.opening.clone(),
            ..*self
        }
    }
}

#[test]
fn every_change_is_rejected() {
    tampered::<PallasConfig>();
    tampered::<VestaConfig>();
}

/// Which field of a claim has the wrong shape, in the words of the error.
#[test]
fn wrong_shapes_are_named() {
    type C = VestaConfig;
    let mut rng = ChaCha20Rng::seed_from_u64(14);
    let srs = Srs::<C>::new(8);
    let valid = Instance::new(&srs, &SHAPE, 2, &mut rng);

    let mut short = valid.copy();
    short.opening.lr.pop();
    let expected = OpeningError::Rounds { claim: 0, expected: 3, got: 2 };
    assert_eq!(short.verify(&srs, &mut rng), Err(expected));
    let mut long = valid.copy();
    long.opening.lr = vec![valid.opening.lr[0]; 100];
    let expected = OpeningError::Rounds { claim: 0, expected: 3, got: 100 };
    assert_eq!(long.verify(&srs, &mut rng), Err(expected));

    let mut missing = valid.copy();
    missing.evaluations[2].pop();
    let expected = OpeningError::Evaluations { claim: 0, polynomial: 2, expected: 2, got: 1 };
    assert_eq!(missing.verify(&srs, &mut rng), Err(expected));

    for (point, chunks) in [(0, 0), (1, 1), (1, 4)] {
        let mut ragged = valid.copy();
        ragged.evaluations[2][point].resize(chunks, Field::ONE);
        let expected = OpeningError::Chunks { claim: 0, polynomial: 2, expected: 3, got: chunks };
        assert_eq!(ragged.verify(&srs, &mut rng), Err(expected));
    }

    let mut claim = valid.claim();
    claim.combined_inner_product += <C as ark_ec::CurveConfig>::ScalarField::ONE;
    let got = srs.verify(&[valid.claim(), claim], &mut rng);
    assert!(matches!(got, Err(OpeningError::CombinedInnerProduct { claim: 1, .. })), "{got:?}");
}

fn batch<C: KimchiCurve>() {
    let mut rng = ChaCha20Rng::seed_from_u64(15);
    let srs = Srs::<C>::new(16);
    assert_eq!(srs.verify(&[], &mut rng), Ok(()));
    let mut instances: Vec<Instance<C>> =
        (1..=5).map(|i| Instance::new(&srs, &SHAPE[..i], 1 + i % 2, &mut rng)).collect();
    let verify = |instances: &[Instance<C>], rng: &mut ChaCha20Rng| {
        let claims: Vec<_> = instances.iter().map(Instance::claim).collect();
        srs.verify(&claims, rng)
    };
    assert_eq!(verify(&instances, &mut rng), Ok(()));

    // One bad proof, at any place, spoils the batch.
    for i in 0..instances.len() {
        let z1 = instances[i].opening.z1;
        instances[i].opening.z1 = C::ScalarField::rand(&mut rng);
        assert_eq!(verify(&instances, &mut rng), Err(OpeningError::Equation { claims: 5 }));
        instances[i].opening.z1 = z1;
    }

    // Two errors that cancel in a plain sum of the equations do not cancel under random weights.
    let offset: Point<C> = (C::GENERATOR * C::ScalarField::from(rng.r#gen::<u64>())).into_affine();
    for i in 0..instances.len() - 1 {
        let (a, b) = (instances[i].opening.sg, instances[i + 1].opening.sg);
        instances[i].opening.sg = (a + offset).into_affine();
        instances[i + 1].opening.sg = (b - offset).into_affine();
        assert_eq!(verify(&instances, &mut rng), Err(OpeningError::Equation { claims: 5 }));
        instances[i].opening.sg = a;
        instances[i + 1].opening.sg = b;
    }
    assert_eq!(verify(&instances, &mut rng), Ok(()));
}

#[test]
fn batches_hold_together() {
    batch::<PallasConfig>();
    batch::<VestaConfig>();
}

/// Randomness comes from the caller's generator alone, and hides: two openings of the same
/// polynomials share no element.
#[test]
fn randomness_is_the_callers() {
    let srs = Srs::<PallasConfig>::new(8);
    let open = |seed: u64| {
        let mut fixed = ChaCha20Rng::seed_from_u64(16);
        let coefficients: Vec<_> = (0..8).map(|_| UniformRand::rand(&mut fixed)).collect();
        let poly = OpenPolynomial { coefficients: coefficients.into(), blinders: vec![Field::ONE] };
        let [point, polyscale, evalscale] = [(); 3].map(|()| UniformRand::rand(&mut fixed));
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        srs.open(&[poly], &[point], polyscale, evalscale, FqSponge::new(), &mut rng)
    };
    let (a, b) = (open(1), open(2));
    assert_eq!(a, open(1));
    assert!(a.delta != b.delta && a.z1 != b.z1 && a.z2 != b.z2);
    assert!(a.lr.iter().zip(&b.lr).all(|(a, b)| a.0 != b.0 && a.1 != b.1));
}

#[test]
#[should_panic(expected = "17 coefficients do not fit 2 chunks of 8")]
fn oversized_polynomials_are_refused() {
    let srs = Srs::<PallasConfig>::new(8);
    let poly =
        OpenPolynomial { coefficients: vec![Field::ONE; 17].into(), blinders: vec![Field::ONE; 2] };
    let one = Field::ONE;
    let rng = &mut ChaCha20Rng::seed_from_u64(17);
    srs.open(&[poly], &[one], one, one, FqSponge::new(), rng);
}
