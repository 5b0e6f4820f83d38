// Unmodified o1js and mina-signer against a layer, as their users use them.
//
//   node devnet.mjs --info-file FILE [--layers l1,l2]
//
// FILE is what `zeko devnet --info-file FILE` writes. The same program runs against every layer;
// nothing in it knows which one it talks to. Exits with 0 if everything held.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import Client from 'mina-signer';
import {
  AccountUpdate,
  Field,
  Lightnet,
  Mina,
  PrivateKey,
  PublicKey,
  Reducer,
  SmartContract,
  State,
  TokenContract,
  UInt64,
  declareMethods,
  declareState,
  fetchAccount,
  fetchEvents,
  setBackend,
} from 'o1js';

setBackend('native');

const AURO = new URL('../vectors/graphql/auro_queries.json', import.meta.url);
const MINA = 1_000_000_000n;
const FEE = 100_000_000;
// Blocks come every second or faster; the default of o1js is made for three minutes.
const WAIT = { maxAttempts: 300, interval: 200 };

/** A counter with events and actions. */
class Counter extends SmartContract {
  constructor(address, tokenId) {
    super(address, tokenId);
    // Not as fields: o1js has setters for them.
    this.x = State();
    this.events = { changed: Field };
    this.reducer = Reducer({ actionType: Field });
  }

  async update(before, after) {
    this.x.requireEquals(before);
    this.x.set(after);
    this.emitEvent('changed', after);
    this.reducer.dispatch(after);
  }
}
declareState(Counter, { x: Field });
declareMethods(Counter, { update: [Field, Field] });

/** A token that anybody may mint. */
class Token extends TokenContract {
  async approveBase(forest) {
    this.checkZeroBalanceChange(forest);
  }

  async mint(to, amount) {
    this.internal.mint({ address: to, amount });
  }
}
declareMethods(Token, { mint: [PublicKey, UInt64] });

const started = Date.now();
const say = (text) => console.log(`[${((Date.now() - started) / 1000).toFixed(1)} s] ${text}`);

async function until(what, check) {
  for (let attempt = 0; attempt < 300; attempt++) {
    const result = await check();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw Error(`timed out: ${what}`);
}

/** What wallets do without o1js. */
async function graphql(url, query, variables = {}) {
  const body = JSON.stringify({ query, variables });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body });
  const answer = await response.json();
  return { data: answer.data, errors: answer.errors };
}

async function ask(url, query, variables) {
  const { data, errors } = await graphql(url, query, variables);
  assert.equal(errors, undefined, `${query}\n${JSON.stringify(errors)}`);
  return data;
}

/** The archive has the newest block of the node. */
async function archived(layer) {
  const tip = await ask(layer.graphql, '{ bestChain(maxLength: 1) { stateHash protocolState { consensusState { blockHeight } } } }');
  const height = Number(tip.bestChain[0].protocolState.consensusState.blockHeight);
  await until('the archive follows', async () => {
    const state = await ask(layer.archive, '{ networkState { maxBlockHeight { pendingMaxBlockHeight } } }');
    return state.networkState.maxBlockHeight.pendingMaxBlockHeight >= height;
  });
}

const balance = async (publicKey, tokenId) => {
  const { account } = await fetchAccount({ publicKey, tokenId });
  return account === undefined ? undefined : account.balance.toBigInt();
};

async function send(sender, name, build, ...keys) {
  const tx = await Mina.transaction({ sender: sender.public, fee: FEE, memo: name }, build);
  await tx.prove();
  const pending = await tx.sign([sender.private, ...keys]).send();
  assert.equal(pending.status, 'pending', `${name}: ${JSON.stringify(pending.errors)}`);
  return pending;
}

async function transfer(layer, sender, receiver) {
  const pending = await send(sender, 'transfer', async () => {
    AccountUpdate.fundNewAccount(sender.public);
    const update = AccountUpdate.createSigned(sender.public);
    update.send({ to: receiver.toPublicKey(), amount: 3n * MINA });
  });
  const included = await pending.wait(WAIT);
  assert.equal(included.status, 'included');
  assert.equal(included.hash, pending.hash);
  assert.equal(await balance(receiver.toPublicKey()), 3n * MINA);
  const { transactionStatus } = await ask(layer.graphql, `{ transactionStatus(zkappTransaction: "${await idOf(layer, pending.hash)}") }`);
  assert.equal(transactionStatus, 'INCLUDED');
}

async function idOf(layer, hash) {
  const { bestChain } = await ask(layer.graphql, '{ bestChain(maxLength: 100) { transactions { zkappCommands { id hash } } } }');
  return bestChain.flatMap((block) => block.transactions.zkappCommands).find((one) => one.hash === hash).id;
}

async function contract(layer, sender) {
  const key = PrivateKey.random();
  const counter = new Counter(key.toPublicKey());
  let pending = await send(
    sender,
    'deploy',
    async () => {
      AccountUpdate.fundNewAccount(sender.public);
      await counter.deploy();
    },
    key
  );
  await pending.wait(WAIT);
  say('deployed');

  pending = await send(sender, 'call', () => counter.update(Field(0), Field(5)));
  assert.equal((await pending.safeWait(WAIT)).status, 'included');
  assert.equal((await counter.x.fetch()).toString(), '5');
  const { account } = await fetchAccount({ publicKey: counter.address });
  assert.equal(account.zkapp.provedState.toBoolean(), false);
  say('called');

  // A call whose precondition does not hold: the fee is paid, nothing else happens.
  const before = await balance(sender.public);
  pending = await send(sender, 'failing call', () => counter.update(Field(99), Field(6)));
  const rejected = await pending.safeWait(WAIT);
  assert.equal(rejected.status, 'rejected');
  assert.match(JSON.stringify(rejected.errors), /Account_app_state_.*precondition_unsatisfied/);
  await assert.rejects(pending.wait(WAIT), /precondition_unsatisfied/);
  assert.equal((await counter.x.fetch()).toString(), '5');
  assert.equal(await balance(sender.public), before - BigInt(FEE));
  say('failed as it should');

  await archived(layer);
  const events = await counter.fetchEvents();
  assert.equal(events.length, 1);
  assert.equal(events[0].type, 'changed');
  assert.equal(events[0].event.data.toString(), '5');
  assert.equal(events[0].event.transactionInfo.transactionStatus, 'applied');
  const raw = await fetchEvents({ publicKey: key.toPublicKey().toBase58() });
  assert.equal(raw[0].blockHeight.toBigint(), events[0].blockHeight.toBigint());
  const actions = await Mina.fetchActions(counter.address);
  assert.deepEqual(actions.map(({ actions }) => actions), [[['5']]]);
  const state = account.zkapp.actionState[0].toString();
  assert.equal(actions[0].hash, state);
  const reduced = await counter.reducer.fetchActions();
  assert.equal(reduced[0][0].toString(), '5');
  const none = await Mina.fetchActions(counter.address, { fromActionState: Field(state) });
  assert.deepEqual(none, []);
}

async function token(sender) {
  const key = PrivateKey.random();
  const token = new Token(key.toPublicKey());
  let pending = await send(
    sender,
    'deploy token',
    async () => {
      AccountUpdate.fundNewAccount(sender.public);
      await token.deploy();
    },
    key
  );
  await pending.wait(WAIT);
  const holder = PrivateKey.random().toPublicKey();
  pending = await send(sender, 'mint', async () => {
    AccountUpdate.fundNewAccount(sender.public);
    await token.mint(holder, UInt64.from(77));
  });
  await pending.wait(WAIT);
  assert.equal(await balance(holder, token.deriveTokenId()), 77n);
}

/** mina-signer's payments and delegations, sent as the Auro wallet sends them. */
async function signer(layer, from, queries) {
  const client = new Client({ network: 'testnet' });
  const sender = from.public.toBase58();
  const keys = client.genKeys();
  const nonce = async () => Number((await ask(layer.graphql, queries.getTokenQueryBody, { publicKey: sender })).accounts[0].inferredNonce);
  const legacy = ({ signature: { field, scalar } }) => ({ field, scalar });
  const raw = ({ signature: { field, scalar } }) => ({ rawSignature: hex(field) + hex(scalar) });
  const common = { from: sender, fee: `${FEE}`, memo: 'signed', validUntil: '4294967295' };
  const sent = [];
  for (const [query, encode] of [['getTxSend', legacy], ['getTxSend_rawSignature', raw]]) {
    const data = { ...common, to: keys.publicKey, amount: `${2n * MINA}`, nonce: `${await nonce()}` };
    const signed = client.signPayment(data, from.private.toBase58());
    const { sendPayment } = await ask(layer.graphql, queries[query], { ...data, ...encode(signed) });
    assert.equal(sendPayment.payment.hash, client.hashPayment(signed, { berkeley: true }));
    assert.equal(sendPayment.payment.kind, 'PAYMENT');
    sent.push(sendPayment.payment);
  }
  for (const [query, encode] of [['getStakeTxSend', legacy], ['getStakeTxSend_rawSignature', raw]]) {
    const data = { ...common, to: keys.publicKey, nonce: `${await nonce()}` };
    const signed = client.signStakeDelegation(data, from.private.toBase58());
    const { sendDelegation } = await ask(layer.graphql, queries[query], { ...data, ...encode(signed) });
    assert.equal(sendDelegation.delegation.hash, client.hashStakeDelegation(signed, { berkeley: true }));
    sent.push(sendDelegation.delegation);
  }
  await until('payments and delegations are included', async () => {
    const states = sent.map(({ id }) => ask(layer.graphql, queries.getTxStatusBody, { paymentId: id }));
    return (await Promise.all(states)).every(({ transactionStatus }) => transactionStatus === 'INCLUDED');
  });
  const { account } = await fetchAccount({ publicKey: sender });
  assert.equal(account.delegate.toBase58(), keys.publicKey);

  // What zkapp-cli and scripts look for.
  const data = { ...common, to: keys.publicKey, amount: '1', nonce: '0' };
  const stale = client.signPayment(data, from.private.toBase58());
  const { errors } = await graphql(layer.graphql, queries.getTxSend, { ...data, ...legacy(stale) });
  assert.match(errors[0].message, /Invalid_nonce/);
  const forged = { ...data, nonce: `${await nonce()}`, ...legacy(stale) };
  const refused = await graphql(layer.graphql, queries.getTxSend, forged);
  assert.match(refused.errors[0].message, /signature/i);
  const { syncStatus } = await ask(layer.graphql, '{ syncStatus }');
  assert.equal(syncStatus, 'SYNCED');
  return { payment: sent[0], keys };
}

/** 32 bytes little-endian. */
function hex(decimal) {
  const big = BigInt(decimal).toString(16).padStart(64, '0');
  return Buffer.from(big, 'hex').reverse().toString('hex');
}

/** Every document of the Auro wallet is answered. */
async function auro(layer, from, queries, { payment }) {
  const tx = await Mina.transaction({ sender: from.public, fee: FEE }, async () => {
    AccountUpdate.createSigned(from.public).send({ to: from.public, amount: 1 });
  });
  const zkappCommandInput = JSON.parse(tx.sign([from.private]).toJSON());
  const { sendZkapp } = await ask(layer.graphql, queries.getPartyBody, { zkappCommandInput });
  const publicKey = from.public.toBase58();
  const { bestChain } = await ask(layer.graphql, '{ bestChain(maxLength: 1) { stateHash } }');
  const variables = {
    publicKey,
    account0: publicKey,
    account1: publicKey,
    tokenId: 'wSHV2S4qX9jFsLjQo8r1BsMLH2ZRKsZx6EJd1sbozGPieEC4Jf',
    limit: 20,
    stateHash: bestChain[0].stateHash,
    paymentId: payment.id,
    zkappTransaction: sendZkapp.zkapp.id,
  };
  const sent = /Send|getPartyBody|note/;
  for (const [name, query] of Object.entries(queries).filter(([name]) => !sent.test(name))) {
    const wanted = [...query.matchAll(/\$(\w+)\s*:/g)].map(([, variable]) => variable);
    const known = Object.fromEntries(wanted.map((variable) => [variable, variables[variable]]));
    if ('weight' in known) known.weight = 10;
    const { data, errors } = await graphql(layer.graphql, query, known);
    assert.equal(errors, undefined, `${name}: ${JSON.stringify(errors)}`);
    assert.ok(data, name);
  }
  await until('the transfer is included', async () => {
    const { transactionStatus } = await ask(layer.graphql, queries.getQATxStatusBody, variables);
    return transactionStatus === 'INCLUDED';
  });
  await archived(layer);
  for (const name of ['getTxHistoryBody', 'getAllTransactionListBody', 'getZkAppTransactionListBody']) {
    const data = await ask(layer.archive, queries[name], variables);
    assert.ok(Object.values(data)[0].length > 0, name);
  }
}

/** As on a lightnet. */
async function accountManager() {
  const pair = await Lightnet.acquireKeyPair();
  const listed = await Lightnet.listAcquiredKeyPairs({});
  assert.deepEqual(listed.map(({ publicKey }) => publicKey.toBase58()), [pair.publicKey.toBase58()]);
  assert.equal(await balance(pair.publicKey), 10_000n * MINA);
  assert.match(await Lightnet.releaseKeyPair({ publicKey: pair.publicKey.toBase58() }), /released/);
}

const { values } = parseArgs({
  options: { 'info-file': { type: 'string' }, layers: { type: 'string', default: 'l1,l2' } },
});
const info = JSON.parse(readFileSync(values['info-file'], 'utf8'));
const queries = JSON.parse(readFileSync(AURO, 'utf8'));

let compiled = false;
for (const name of values.layers.split(',')) {
  const layer = info[name];
  const [sender, payer] = info.accounts[name].map(({ publicKey, privateKey }) => ({
    public: PublicKey.fromBase58(publicKey),
    private: PrivateKey.fromBase58(privateKey),
  }));
  say(`${name}: ${layer.graphql}`);
  const network = { networkId: 'testnet', mina: layer.graphql, archive: layer.archive };
  if (layer.accounts) network.lightnetAccountManager = layer.accounts;
  Mina.setActiveInstance(Mina.Network(network));
  if (!compiled) {
    await Counter.compile();
    await Token.compile();
    compiled = true;
    say('compiled');
  }
  await transfer(layer, sender, PrivateKey.random());
  say('transferred');
  await contract(layer, sender);
  say('events and actions');
  await token(sender);
  say('token minted');
  const sent = await signer(layer, payer, queries);
  say('payments and delegations');
  await auro(layer, payer, queries, sent);
  say('Auro');
  if (layer.accounts) await accountManager();
}
say('done');
