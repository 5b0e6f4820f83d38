// Checks Kimchi proofs with o1-labs' own verifier, as compiled into o1js' native back end.
//
// One request a line on standard input, one answer a line on standard output:
//   {curve, srsSize, index, proof, publicInput} -> {ok: true} | {ok: false} | {error}
// Field elements are 32 bytes little-endian in hex, points [x, y] or null for infinity.

import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const native = createRequire(import.meta.url)('@o1js/native-linux-x64');

const field = (hex) => Buffer.from(hex, 'hex');
const flat = (list) => Buffer.concat(list.map(field));
const zero = Buffer.alloc(32);
const point = (p) =>
  p === null
    ? { x: zero, y: zero, infinity: true }
    : { x: field(p[0]), y: field(p[1]), infinity: false };

const curves = {
  vesta: {
    name: 'fp',
    srs: native.caml_fp_srs_create,
    PolyComm: native.WasmFpPolyComm,
    OpeningProof: native.WasmFpOpeningProof,
    Commitments: native.WasmFpProverCommitments,
    Proof: native.WasmFpProverProof,
    VecVec: native.WasmVecVecFp,
    verify: native.caml_pasta_fp_plonk_proof_verify,
  },
  pallas: {
    name: 'fq',
    srs: native.caml_fq_srs_create,
    PolyComm: native.WasmFqPolyComm,
    OpeningProof: native.WasmFqOpeningProof,
    Commitments: native.WasmFqProverCommitments,
    Proof: native.WasmFqProverProof,
    VecVec: native.WasmVecVecFq,
    verify: native.caml_pasta_fq_plonk_proof_verify,
  },
};

const srsCache = new Map();
function srs(curve, size) {
  const key = `${curve.name} ${size}`;
  if (!srsCache.has(key)) srsCache.set(key, curve.srs(size));
  return srsCache.get(key);
}

const commitment = (curve, chunks) => new curve.PolyComm(chunks.map(point), undefined);
const at = (e) => ({ zeta: e.zeta.map(field), zetaOmega: e.zetaOmega.map(field) });

function verifierIndex(curve, index, srsSize) {
  const comm = (chunks) => commitment(curve, chunks);
  const [generic, poseidon, completeAdd, varBaseMul, endoMul, endoMulScalar] = index.selectors;
  const [s0, s1, s2, s3, s4, s5, s6] = index.shifts.map(field);
  return {
    domain: { log_size_of_group: index.logSize, group_gen: field(index.generator) },
    max_poly_size: srsSize,
    public_: index.public,
    prev_challenges: index.previous,
    srs: srs(curve, srsSize),
    evals: {
      sigma_comm: index.sigma.map(comm),
      coefficients_comm: index.coefficients.map(comm),
      generic_comm: comm(generic),
      psm_comm: comm(poseidon),
      complete_add_comm: comm(completeAdd),
      mul_comm: comm(varBaseMul),
      emul_comm: comm(endoMul),
      endomul_scalar_comm: comm(endoMulScalar),
    },
    shifts: { s0, s1, s2, s3, s4, s5, s6 },
    zk_rows: index.zkRows,
  };
}

function proverProof(curve, proof, publicInput) {
  const comm = (chunks) => commitment(curve, chunks);
  const { opening, evaluations } = proof;
  const vecVec = new curve.VecVec(proof.previous.length);
  for (const previous of proof.previous) vecVec.push(flat(previous.challenges));
  const [generic, poseidon, completeAdd, varBaseMul, endoMul, endoMulScalar] =
    evaluations.selectors.map(at);
  return new curve.Proof(
    new curve.Commitments(
      proof.witness.map(comm),
      comm(proof.permutation),
      comm(proof.quotient),
      undefined
    ),
    new curve.OpeningProof(
      opening.lr.map(([l]) => point(l)),
      opening.lr.map(([, r]) => point(r)),
      point(opening.delta),
      field(opening.z1),
      field(opening.z2),
      point(opening.sg)
    ),
    {
      public: at(evaluations.public),
      w: evaluations.witness.map(at),
      z: at(evaluations.permutation),
      s: evaluations.sigma.map(at),
      coefficients: evaluations.coefficients.map(at),
      genericSelector: generic,
      poseidonSelector: poseidon,
      completeAddSelector: completeAdd,
      mulSelector: varBaseMul,
      emulSelector: endoMul,
      endomulScalarSelector: endoMulScalar,
      lookupSorted: [undefined, undefined, undefined, undefined, undefined],
    },
    field(proof.ftZetaOmega),
    flat(publicInput),
    vecVec,
    proof.previous.map((previous) => comm(previous.commitment))
  );
}

function answer(line) {
  try {
    const request = JSON.parse(line);
    const curve = curves[request.curve];
    const index = verifierIndex(curve, request.index, request.srsSize);
    const proof = proverProof(curve, request.proof, request.publicInput);
    return { ok: curve.verify(index, proof) };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') process.stdout.write(`${JSON.stringify(answer(line))}\n`);
}
