// Times o1js' native back end on the programs of `pickles::example`: one line of JSON for each width,
// {width, compile, leaf, prove, verify, bytes, memory}, in seconds and bytes.

import { Cache, Field, SelfProof, ZkProgram, setBackend, verify } from 'o1js';

setBackend('native');

const rules = {
  leaf: {
    privateInputs: [Field],
    async method(root) {
      return { publicOutput: root.square() };
    },
  },
  increment: {
    privateInputs: [SelfProof],
    async method(before) {
      before.verify();
      return { publicOutput: before.publicOutput.add(1) };
    },
  },
  merge: {
    privateInputs: [SelfProof, SelfProof],
    async method(a, b) {
      a.verify();
      b.verify();
      return { publicOutput: a.publicOutput.add(b.publicOutput) };
    },
  },
};

const timed = async (work) => {
  const start = performance.now();
  const result = await work();
  return [result, (performance.now() - start) / 1000];
};

const widest = Number(process.argv[2] ?? 2);
for (let width = 0; width <= widest; width++) {
  const methods = Object.fromEntries(Object.entries(rules).slice(0, width + 1));
  const program = ZkProgram({ name: `sums${width}`, publicOutput: Field, methods });
  const [{ verificationKey }, compile] = await timed(() =>
    program.compile({ cache: Cache.None, forceRecompile: true }),
  );
  const [{ proof: nine }, leaf] = await timed(() => program.leaf(Field(3)));
  let [proof, prove] = [nine, leaf];
  if (width > 0) [{ proof }, prove] = await timed(() => program.increment(nine));
  if (width > 1) [{ proof }, prove] = await timed(() => program.merge(proof, nine));
  const json = proof.toJSON();
  const [valid, seconds] = await timed(() => verify(json, verificationKey));
  if (!valid) throw Error('o1js refuses its own proof');
  const bytes = json.proof.length;
  const memory = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ width, compile, leaf, prove, verify: seconds, bytes, memory }));
}
process.exit(0);
