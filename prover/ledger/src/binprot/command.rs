//! Commands.

use alloc::{vec, vec::Vec};

use super::{
    ProofCodec, ReadError, Reader, Writer,
    update::{Binable, read_account_update, write_authorization, write_body},
};
use crate::types::{
    Authorization, CallForest, Era, FeePayer, FeePayerBody, Memo, Proof, PublicKey, Signature,
    SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, ZkappCommand,
};

/// Mina's dummy proof in bin_prot, which stands for every proof in transaction hashes. Source:
/// `Proof.transaction_dummy` as in o1-labs/mina-rust `dummy_transaction_proof.bin`.
static DUMMY_PROOF: &[u8] = include_bytes!("dummy_proof.bin");

/// Writes the dummy in place of every proof.
struct DummyProofs;

impl ProofCodec for DummyProofs {
    fn write(&self, _: &Proof, writer: &mut Writer) -> Result<(), ReadError> {
        writer.raw(DUMMY_PROOF);
        Ok(())
    }

    fn read(&self, _: &mut Reader<'_>) -> Result<Proof, ReadError> {
        Err(ReadError::Proof)
    }
}

fn write_fee_payer(fee_payer: &FeePayerBody, signature: &Signature, w: &mut Writer) {
    fee_payer.public_key.write(w);
    fee_payer.fee.write(w);
    match &fee_payer.valid_until {
        None => {
            w.byte(0);
        }
        Some(slot) => slot.write(w.byte(1)),
    }
    fee_payer.nonce.write(w);
    signature.write(w);
}

fn read_fee_payer(r: &mut Reader<'_>) -> Result<FeePayer, ReadError> {
    let body = FeePayerBody {
        public_key: Binable::read(r)?,
        fee: Binable::read(r)?,
        valid_until: if r.bool()? { Some(Slot::read(r)?) } else { None },
        nonce: Binable::read(r)?,
    };
    Ok(FeePayer { body, authorization: Binable::read(r)? })
}

/// For each update, how many children it has; and how many there are at the top.
fn child_counts(forest: &CallForest) -> (usize, Vec<usize>) {
    let mut top = 0;
    let mut counts = vec![0; forest.len()];
    let mut ancestors: Vec<usize> = Vec::new();
    for (index, node) in forest.nodes().iter().enumerate() {
        ancestors.truncate(node.depth() as usize);
        match ancestors.last().and_then(|parent| counts.get_mut(*parent)) {
            Some(count) => *count += 1,
            None => top += 1,
        }
        ancestors.push(index);
    }
    (top, counts)
}

/// A list of trees: each is an update, a unit for its digest, its children, a unit for the stack
/// hash. Nested lists, written without recursion.
fn write_forest(
    forest: &CallForest,
    codec: &dyn ProofCodec,
    dummy_signatures: bool,
    w: &mut Writer,
) -> Result<(), ReadError> {
    let (top, counts) = child_counts(forest);
    w.length(top);
    let mut open = 0;
    for (node, children) in forest.nodes().iter().zip(counts) {
        while open > node.depth() {
            w.byte(0);
            open -= 1;
        }
        write_body(&node.update.body, w);
        match &node.update.authorization {
            Authorization::Signature(_) if dummy_signatures => {
                let dummy = Authorization::Signature(Signature::DUMMY);
                write_authorization(&dummy, codec, w)?;
            }
            authorization => write_authorization(authorization, codec, w)?,
        }
        w.byte(0).length(children);
        open += 1;
    }
    for _ in 0..open {
        w.byte(0);
    }
    Ok(())
}

fn read_forest(
    era: Era,
    codec: &dyn ProofCodec,
    r: &mut Reader<'_>,
) -> Result<CallForest, ReadError> {
    let mut forest = CallForest::new();
    // By depth, how many trees are still to come.
    let mut pending = vec![r.length(r.remaining())?];
    while let Some(count) = pending.last_mut() {
        if let Some(left) = count.checked_sub(1) {
            *count = left;
            let update = read_account_update(era, codec, r)?;
            let depth = u32::try_from(pending.len() - 1).map_err(|_| ReadError::Length)?;
            forest.push(update, depth).map_err(|_| ReadError::Value)?;
            r.unit()?;
            pending.push(r.length(r.remaining())?);
        } else {
            pending.pop();
            if !pending.is_empty() {
                r.unit()?;
            }
        }
    }
    Ok(forest)
}

fn read_memo(r: &mut Reader<'_>) -> Result<Memo, ReadError> {
    r.string(Memo::LEN)?.try_into().map(Memo).map_err(|_| ReadError::Length)
}

/// Writes a zkApp command (`Zkapp_command.Stable.V1`).
///
/// # Errors
/// [`ReadError::Proof`] if `codec` refuses a proof.
pub fn write_zkapp_command(
    command: &ZkappCommand,
    codec: &dyn ProofCodec,
) -> Result<Vec<u8>, ReadError> {
    let mut w = Writer::new();
    write_fee_payer(&command.fee_payer.body, &command.fee_payer.authorization, &mut w);
    write_forest(&command.account_updates, codec, false, &mut w)?;
    w.string(&command.memo.0);
    Ok(w.into_bytes())
}

/// Reads a zkApp command.
///
/// # Errors
/// [`ReadError`] on anything but the encoding of one command.
pub fn read_zkapp_command(
    bytes: &[u8],
    era: Era,
    codec: &dyn ProofCodec,
) -> Result<ZkappCommand, ReadError> {
    let mut r = Reader::new(bytes);
    let fee_payer = read_fee_payer(&mut r)?;
    let account_updates = read_forest(era, codec, &mut r)?;
    let memo = read_memo(&mut r)?;
    r.finish()?;
    Ok(ZkappCommand { fee_payer, account_updates, memo })
}

/// A zkApp command with dummies for all signatures and proofs.
pub(crate) fn zkapp_command_for_hash(command: &ZkappCommand) -> Vec<u8> {
    let mut w = Writer::new();
    write_fee_payer(&command.fee_payer.body, &Signature::DUMMY, &mut w);
    // The codec of dummies does not fail.
    let _ = write_forest(&command.account_updates, &DummyProofs, true, &mut w);
    w.string(&command.memo.0);
    w.into_bytes()
}

fn write_payload(payload: &SignedCommandPayload, w: &mut Writer) {
    payload.fee.write(w);
    payload.fee_payer.write(w);
    payload.nonce.write(w);
    payload.valid_until.write(w);
    w.string(&payload.memo.0);
    match &payload.body {
        SignedCommandBody::Payment { receiver, amount } => {
            receiver.write(w.byte(0));
            amount.write(w);
        }
        SignedCommandBody::Delegation { new_delegate } => new_delegate.write(w.byte(1).byte(0)),
    }
}

fn read_payload(r: &mut Reader<'_>) -> Result<SignedCommandPayload, ReadError> {
    Ok(SignedCommandPayload {
        fee: Binable::read(r)?,
        fee_payer: Binable::read(r)?,
        nonce: Binable::read(r)?,
        valid_until: Binable::read(r)?,
        memo: read_memo(r)?,
        body: match r.byte()? {
            0 => SignedCommandBody::Payment {
                receiver: Binable::read(r)?,
                amount: Binable::read(r)?,
            },
            1 => {
                r.unit()?;
                SignedCommandBody::Delegation { new_delegate: Binable::read(r)? }
            }
            _ => return Err(ReadError::Value),
        },
    })
}

/// Writes a payment or delegation (`Signed_command.Stable.V2`).
pub fn write_signed_command(command: &SignedCommand) -> Vec<u8> {
    write_signed(&command.payload, &command.signature)
}

fn write_signed(payload: &SignedCommandPayload, signature: &Signature) -> Vec<u8> {
    let mut w = Writer::new();
    write_payload(payload, &mut w);
    payload.fee_payer.write(&mut w);
    signature.write(&mut w);
    w.into_bytes()
}

/// Reads a payment or delegation.
///
/// # Errors
/// [`ReadError`] on anything but the encoding of one command signed by its fee payer.
pub fn read_signed_command(bytes: &[u8]) -> Result<SignedCommand, ReadError> {
    let mut r = Reader::new(bytes);
    let payload = read_payload(&mut r)?;
    if PublicKey::read(&mut r)? != payload.fee_payer {
        return Err(ReadError::Value);
    }
    let signature = Binable::read(&mut r)?;
    r.finish()?;
    Ok(SignedCommand { payload, signature })
}

/// A payment or delegation with a dummy signature.
pub(crate) fn signed_command_for_hash(payload: &SignedCommandPayload) -> Vec<u8> {
    write_signed(payload, &Signature::DUMMY)
}
