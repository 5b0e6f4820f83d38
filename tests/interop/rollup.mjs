// From a deposit on the L1 to a withdrawal that is paid there, with unmodified o1js and mina-signer.
//
//   node rollup.mjs --info-file FILE [--until committed|final] [--kinds KIND,…]
//
// FILE is what `zeko devnet --info-file FILE` writes. KIND: what to do on the L2 in between, `transfer`,
// `payment`, `contract` (deploy, a call with a proof, a call that fails); all by default. Exits with 0 if
// everything held.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import Client from 'mina-signer';
import {
  AccountUpdate,
  Field,
  Gadgets,
  Mina,
  PrivateKey,
  PublicKey,
  SmartContract,
  State,
  declareMethods,
  declareState,
  fetchAccount,
  setBackend,
} from 'o1js';

setBackend('native');

const MINA = 1_000_000_000n;
const FEE = 100_000_000n;
const WAIT = { maxAttempts: 600, interval: 200 };
/** What a command of the L2 goes through. */
const STAGES = ['included', 'da_certified', 'proved', 'committed', 'final'];

/** A counter, whose circuit has lookups: a range check and an exclusive or. */
class Counter extends SmartContract {
  constructor(address) {
    super(address);
    // Not as a field: o1js has a setter for it.
    this.x = State();
  }

  async update(before, after) {
    this.x.requireEquals(before);
    Gadgets.rangeCheck64(after);
    Gadgets.xor(before, after, 16);
    this.x.set(after);
  }
}
declareState(Counter, { x: Field });
declareMethods(Counter, { update: [Field, Field] });

const { values } = parseArgs({
  options: {
    'info-file': { type: 'string' },
    until: { type: 'string', default: 'committed' },
    kinds: { type: 'string', default: 'transfer,payment,contract' },
  },
});
const info = JSON.parse(readFileSync(values['info-file'], 'utf8'));
const kinds = new Set(values.kinds.split(','));
const signer = new Client({ network: 'testnet' });
const started = Date.now();
const say = (text) => console.log(`[${((Date.now() - started) / 1000).toFixed(1)} s] ${text}`);

/** Waits for what takes as long as proofs do. */
async function until(what, check) {
  for (let attempt = 0; attempt < 9000; attempt++) {
    const result = await check();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw Error(`timed out: ${what}`);
}

async function post(url, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.json();
}

async function graphql(url, query, variables) {
  const { data, errors } = await post(url, { query, variables });
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function rpc(method, ...params) {
  const answer = await post(info.l2.rpc, { jsonrpc: '2.0', id: 1, method, params });
  assert.equal(answer.error, undefined, JSON.stringify(answer.error));
  return answer.result;
}

const pair = ({ publicKey, privateKey }) => ({
  address: publicKey,
  secret: privateKey,
  public: PublicKey.fromBase58(publicKey),
  private: PrivateKey.fromBase58(privateKey),
});

/** Makes o1js talk to a layer. */
function use(layer) {
  const { graphql: mina, archive } = info[layer];
  Mina.setActiveInstance(Mina.Network({ networkId: 'testnet', mina, archive }));
}

async function balance(layer, publicKey) {
  use(layer);
  const { account } = await fetchAccount({ publicKey });
  return account === undefined ? 0n : account.balance.toBigInt();
}

/** Signs as a wallet does that is given a command, and sends it. */
async function signAndSend(layer, command, by) {
  const { feePayer } = command;
  const signed = signer.signZkappCommand(
    {
      zkappCommand: command,
      feePayer: { feePayer: by.address, fee: feePayer.body.fee, nonce: feePayer.body.nonce, memo: '' },
    },
    by.secret
  );
  const query =
    'mutation ($input: SendZkappInput!) { sendZkapp(input: $input) { zkapp { hash } } }';
  const { zkappCommand } = signed.data;
  const sent = await graphql(info[layer].graphql, query, { input: { zkappCommand } });
  return sent.sendZkapp.zkapp.hash;
}

/** Waits until a command of the L2 has come so far. */
async function reaches(hash, wanted) {
  const seen = [];
  await until(`${hash} is ${wanted}`, async () => {
    const { status, reason } = await rpc('zeko_status', hash);
    assert.notEqual(status, 'rejected', reason);
    if (seen.at(-1) !== status) seen.push(status);
    return STAGES.indexOf(status) >= STAGES.indexOf(wanted);
  });
  return seen;
}

async function send(sender, memo, build, ...keys) {
  const tx = await Mina.transaction({ sender: sender.public, fee: FEE, memo }, build);
  await tx.prove();
  const pending = await tx.sign([sender.private, ...keys]).send();
  assert.equal(pending.status, 'pending', `${memo}: ${JSON.stringify(pending.errors)}`);
  return pending;
}

const [depositor] = info.accounts.l1.map(pair);
const user = pair(signer.genKeys());
const other = PrivateKey.random().toPublicKey();
const hashes = [];

// Deposit: the node proves it, the wallet looks at it and signs.
const amount = 100n * MINA;
const command = await rpc('zeko_prepareDeposit', {
  sender: depositor.address,
  recipient: user.address,
  amount: `${amount}`,
  fee: `${FEE}`,
});
const [pays, deposits, ...more] = command.accountUpdates;
assert.equal(more.length, 0);
assert.equal(deposits.body.publicKey, info.l1.rollup);
assert.equal(pays.body.balanceChange.magnitude, `${amount}`);
say('the node has prepared a deposit');
const vault = await balance('l1', PublicKey.fromBase58(info.l1.rollup));
await signAndSend('l1', command, depositor);
const relayed = await until('the deposit is on the L1', async () => {
  const [deposit] = await rpc('zeko_deposits', user.address);
  return deposit;
});
say(`the deposit is ${relayed.status}`);
const fulfilled = await until('the deposit is credited', async () => {
  const [deposit] = await rpc('zeko_deposits', user.address);
  return deposit.receipt && deposit;
});
assert.equal(fulfilled.receipt, 'fulfilled');
const credited = await until('the recipient has it', () => balance('l2', user.public));
// The bridge's fee, and what the account costs.
assert.equal(credited, amount - MINA / 10n - MINA / 10n);
assert.equal(await balance('l1', PublicKey.fromBase58(info.l1.rollup)), vault + amount);
say('the deposit is credited');

use('l2');
if (kinds.has('transfer')) {
  const pending = await send(user, 'transfer', async () => {
    AccountUpdate.fundNewAccount(user.public);
    AccountUpdate.createSigned(user.public).send({ to: other, amount: 3n * MINA });
  });
  await pending.wait(WAIT);
  hashes.push(pending.hash);
  say('transferred');
}
if (kinds.has('payment')) {
  const { account } = await fetchAccount({ publicKey: user.public });
  const payment = {
    from: user.address,
    to: other.toBase58(),
    amount: `${MINA}`,
    fee: `${FEE}`,
    nonce: account.nonce.toString(),
    validUntil: '4294967295',
    memo: 'signed',
  };
  const { data, signature } = signer.signPayment(payment, user.secret);
  hashes.push(await rpc('zeko_sendPayment', { data, signature }));
  await until('the payment is in a block', async () => {
    const { status } = await rpc('zeko_status', hashes.at(-1));
    return STAGES.includes(status);
  });
  await until('it is in the accounts', async () => {
    const { account } = await fetchAccount({ publicKey: user.public });
    return account.nonce.toString() !== payment.nonce;
  });
  say('paid');
}
use('l2');
if (kinds.has('contract')) {
  await Counter.compile();
  say('compiled a contract');
  const key = PrivateKey.random();
  const counter = new Counter(key.toPublicKey());
  let pending = await send(
    user,
    'deploy',
    async () => {
      AccountUpdate.fundNewAccount(user.public);
      await counter.deploy();
    },
    key
  );
  await pending.wait(WAIT);
  hashes.push(pending.hash);
  pending = await send(user, 'call', () => counter.update(Field(0), Field(5)));
  assert.equal((await pending.safeWait(WAIT)).status, 'included');
  hashes.push(pending.hash);
  assert.equal((await counter.x.fetch()).toString(), '5');
  say('called it with a proof');
  pending = await send(user, 'failing call', () => counter.update(Field(99), Field(6)));
  const rejected = await pending.safeWait(WAIT);
  assert.equal(rejected.status, 'rejected');
  assert.match(JSON.stringify(rejected.errors), /precondition_unsatisfied/);
  hashes.push(pending.hash);
  say('a call has failed as it should');
}

// Withdrawal: what any wallet can make, without a proof.
const withdrawn = 20n * MINA;
const payee = pair(signer.genKeys());
const bridge = info.l2.bridge;
const pending = await send(user, 'withdraw', async () => {
  AccountUpdate.createSigned(user.public).balance.subInPlace(withdrawn);
  const update = AccountUpdate.create(PublicKey.fromBase58(bridge));
  update.balance.addInPlace(withdrawn);
  const [parity, kind] = [payee.public.isOdd.toBoolean() ? 1n : 0n, 1n];
  // Kind, parity and amount in one element; see docs/src/bridge.md.
  const packed = (((kind << 1n) | parity) << 64n) | withdrawn;
  const { Actions } = AccountUpdate;
  update.body.actions = Actions.pushEvent(update.body.actions, [payee.public.x, Field(0), Field(packed)]);
});
await pending.wait(WAIT);
hashes.push(pending.hash);
say('withdrawn');

for (const hash of hashes) {
  const seen = await reaches(hash, values.until);
  say(`${hash}: ${seen.join(' → ')}`);
}
const paid = await until('the withdrawal is paid', () => balance('l1', payee.public));
// What creating an account on the L1 costs is the payee's.
assert.equal(paid, withdrawn - MINA);
assert.equal(await balance('l1', PublicKey.fromBase58(info.l1.rollup)), vault + amount - withdrawn);
say('the withdrawal is paid on the L1');
