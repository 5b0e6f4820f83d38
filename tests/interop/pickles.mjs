// Judges our Pickles proofs with o1js, and makes proofs with it.
//
// One request a line on standard input, one answer a line on standard output: {result} or {error}.
// What the requests are, the functions below say; proofs travel as o1js' JSON, and a `file` is
// {verificationKey: {data, hash}, proof}.

import { createInterface } from 'node:readline';
import {
  AccountUpdate,
  Bool,
  Bytes,
  DynamicProof,
  FeatureFlags,
  Field,
  Keccak,
  Mina,
  Permissions,
  Poseidon,
  PrivateKey,
  PublicKey,
  SelfProof,
  SmartContract,
  State,
  VerificationKey,
  Void,
  ZkProgram,
  declareMethods,
  declareState,
  setBackend,
  verify,
} from 'o1js';

setBackend('native');

const key = ({ data, hash }) => new VerificationKey({ data, hash: Field(hash) });
const file = ({ verificationKey: { data, hash } }, { proof }) => ({
  verificationKey: { data, hash: hash.toString() },
  proof: proof.toJSON(),
});

class Message extends Bytes(9) {}

// Programs of every width, and one whose step circuit has range checks, lookups, rotations and xors.
const programs = {
  hash: ZkProgram({
    name: 'hash',
    publicInput: Field,
    publicOutput: Field,
    methods: {
      hash: {
        privateInputs: [Field],
        async method(x, w) {
          return { publicOutput: Poseidon.hash([x, w]) };
        },
      },
    },
  }),
  sum: ZkProgram({
    name: 'sum',
    publicInput: Field,
    methods: {
      leaf: { privateInputs: [], async method() {} },
      increment: {
        privateInputs: [SelfProof],
        async method(x, before) {
          before.verify();
          x.assertEquals(before.publicInput.add(1));
        },
      },
      merge: {
        privateInputs: [SelfProof, SelfProof],
        async method(x, a, b) {
          a.verify();
          b.verify();
          x.assertEquals(a.publicInput.add(b.publicInput));
        },
      },
    },
  }),
  gates: ZkProgram({
    name: 'gates',
    publicInput: Field,
    methods: {
      keccak: {
        privateInputs: [Message.provable],
        async method(x, message) {
          Keccak.ethereum(message).bytes[0].value.assertEquals(x);
        },
      },
    },
  }),
};

class Counter extends SmartContract {
  constructor(address, tokenId) {
    super(address, tokenId);
    this.count = State();
  }
  async increment() {
    const count = this.count.getAndRequireEquals();
    this.count.set(count.add(1));
  }
}
declareState(Counter, { count: Field });
declareMethods(Counter, { increment: [] });

class AnyProof extends DynamicProof {
  static publicInputType = Void;
  static publicOutputType = Field;
  static maxProofsVerified = 2;
  static featureFlags = FeatureFlags.allMaybe;
}

let chain;
const local = async () => {
  if (chain === undefined) {
    chain = await Mina.LocalBlockchain({ proofsEnabled: true });
    Mina.setActiveInstance(chain);
  }
  return chain.testAccounts[0];
};

const requests = {
  /** Whether o1js accepts a proof. */
  verify: async ({ verificationKey, proof }) => verify(proof, key(verificationKey)),

  /** Proofs of programs of widths 0 and 2 (rules of each width), and of one with optional gates. */
  programs: async () => {
    const files = {};
    const hash = await programs.hash.compile();
    files.hash = file(hash, await programs.hash.hash(Field(7), Field(11)));
    const sum = await programs.sum.compile();
    const leaf = await programs.sum.leaf(Field(3));
    const increment = await programs.sum.increment(Field(4), leaf.proof);
    const merge = await programs.sum.merge(Field(7), leaf.proof, increment.proof);
    Object.assign(files, { leaf: file(sum, leaf), increment: file(sum, increment), merge: file(sum, merge) });
    return files;
  },

  /** A proof with optional gates in its step circuit. */
  gates: async () => {
    const message = Message.fromString('zk rollup');
    const first = Keccak.ethereum(message).bytes[0].value;
    const compiled = await programs.gates.compile();
    return file(compiled, await programs.gates.keccak(first, message));
  },

  /** The account update of a contract call, with what its proof is about. */
  contract: async () => {
    const sender = await local();
    const { verificationKey } = await Counter.compile();
    const address = PrivateKey.random();
    const contract = new Counter(address.toPublicKey());
    const deploy = await Mina.transaction(sender, async () => {
      AccountUpdate.fundNewAccount(sender);
      await contract.deploy();
    });
    await deploy.sign([sender.key, address]).send();
    const call = await Mina.transaction(sender, async () => contract.increment());
    await call.prove();
    await call.sign([sender.key]).send();
    const [update] = call.transaction.accountUpdates;
    const { accountUpdate, calls } = update.toPublicInput(call.transaction);
    return {
      verificationKey: { data: verificationKey.data, hash: verificationKey.hash.toString() },
      proof: {
        publicInput: [accountUpdate.toString(), calls.toString()],
        publicOutput: [],
        maxProofsVerified: 2,
        proof: update.authorization.proof,
      },
    };
  },

  /** An account with our key, and an update of it that is to be proved: what the proof is about. */
  accountUpdate: async ({ data, hash }) => {
    const sender = await local();
    const address = PrivateKey.random();
    const create = await Mina.transaction(sender, async () => {
      AccountUpdate.fundNewAccount(sender);
      const update = AccountUpdate.create(address.toPublicKey());
      update.account.verificationKey.set(key({ data, hash }));
      update.account.permissions.set({ ...Permissions.default(), editState: Permissions.proof() });
      update.requireSignature();
    });
    await create.sign([sender.key, address]).send();
    chain.update = async (value) => {
      const call = await Mina.transaction(sender, async () => {
        const update = AccountUpdate.create(address.toPublicKey());
        AccountUpdate.setValue(update.body.update.appState[0], Field(value));
        update.body.authorizationKind = {
          isSigned: Bool(false),
          isProved: Bool(true),
          verificationKeyHash: Field(hash),
        };
      });
      return call;
    };
    const call = await chain.update(42);
    const [update] = call.transaction.accountUpdates;
    const { accountUpdate, calls } = update.toPublicInput(call.transaction);
    return [accountUpdate.toString(), calls.toString()];
  },

  /** Sends the update of `accountUpdate` with a proof, with another value than was proved if asked. */
  send: async ({ proof, value }) => {
    const sender = await local();
    const call = await chain.update(value);
    call.transaction.accountUpdates[0].authorization = { proof };
    call.transaction.accountUpdates[0].lazyAuthorization = undefined;
    const sent = await call.sign([sender.key]).safeSend();
    return { status: sent.status, errors: sent.errors };
  },

  /** A funded account of the chain, not that of the requests above. */
  payer: async () => {
    await local();
    return chain.testAccounts[1].key.toBase58();
  },

  /** Sends a zkApp command in a slot. */
  sendCommand: async ({ command, slot }) => {
    await local();
    chain.setGlobalSlot(slot);
    const sent = await Mina.Transaction.fromJSON(command).safeSend();
    return { status: sent.status, errors: sent.errors };
  },

  /** What the chain knows of an account. */
  account: async (address) => {
    await local();
    const account = chain.getAccount(PublicKey.fromBase58(address));
    return {
      nonce: Number(account.nonce.toBigint()),
      balance: account.balance.toString(),
      state: account.zkapp?.appState.map(String) ?? [],
      actionState: account.zkapp?.actionState[0].toString() ?? '',
    };
  },

  /** A proof by o1js that rests on one of ours through a side-loaded key. */
  dynamic: async ({ verificationKey, proof }) => {
    const rest = ZkProgram({
      name: 'rest',
      publicOutput: Field,
      methods: {
        on: {
          privateInputs: [AnyProof, VerificationKey],
          async method(earlier, vk) {
            earlier.verify(vk);
            return { publicOutput: earlier.publicOutput };
          },
        },
      },
    });
    const compiled = await rest.compile();
    const earlier = await AnyProof.fromJSON(proof);
    return file(compiled, await rest.on(earlier, key(verificationKey)));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { request, argument } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await requests[request](argument) };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(answer));
}
