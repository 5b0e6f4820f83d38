//! A binary without `std`, without Rust's `main`, with a panic handler and an allocator of its own:
//! that it links shows that nothing in `mina-ledger` or
//! `zeko-derive` needs more; run, it exits with 0.
#![no_std]
#![no_main]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    panic::PanicInfo,
    sync::atomic::{AtomicUsize, Ordering},
};

use mina_ledger::{
    Domain,
    binprot::{NoProofs, read_zkapp_command, write_zkapp_command},
    hash::command_hashes,
    ledger::{FullLedger, Ledger},
    logic::{Context, apply_zkapp_command},
    rollup::ChainId,
    signature::{sign_zkapp_command, verify_zkapp_command},
    types::{
        Account, AccountId, Amount, CallForest, FeePayer, FeePayerBody, Memo, Nonce, PrivateKey,
        ProtocolStateView, Signature, ZkappCommand, zkapp_command_from_json, zkapp_command_to_json,
    },
};
use zeko_derive::{EntryKind, Envelope, Wire};

const HEAP: usize = 1 << 24;

/// Hands out memory from the front of an array and takes none back.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: each range of the heap is handed out once: `used` only grows.
unsafe impl Sync for Bump {}

// SAFETY: what is handed out lies within the heap, is aligned, and overlaps nothing else handed out.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.heap.get() as usize;
        let start = |used: usize| (base + used).next_multiple_of(layout.align()) - base;
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            start(used).checked_add(layout.size()).filter(|end| *end <= HEAP)
        });
        match taken {
            // SAFETY: the range ends within the heap, as checked above.
            Ok(used) => unsafe { self.heap.get().cast::<u8>().add(start(used)) },
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { heap: UnsafeCell::new([0; HEAP]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

// The precompiled `alloc` refers to these; with `panic = "abort"` nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}

/// Signs, encodes, decodes and applies a command: the linker cannot leave the crate out.
fn run(seed: u64) -> Option<()> {
    let key = PrivateKey::new(seed.into()).ok()?;
    let domain = Domain::default();
    let body = FeePayerBody {
        public_key: key.to_public_key(),
        fee: Amount::new(7),
        valid_until: None,
        nonce: Nonce::ZERO,
    };
    let fee_payer = FeePayer { body, authorization: Signature::DUMMY };
    let mut command =
        ZkappCommand { fee_payer, account_updates: CallForest::new(), memo: Memo::EMPTY };
    let hashes = command_hashes(&command, &domain);
    sign_zkapp_command(&mut command, &hashes, &key, &domain).ok()?;

    let bytes = write_zkapp_command(&command, &NoProofs).ok()?;
    let command = read_zkapp_command(&bytes, domain.era(), &NoProofs).ok()?;
    let json = zkapp_command_to_json(&command).ok()?;
    let command = zkapp_command_from_json(json.as_bytes()).ok()?;
    verify_zkapp_command(&command, &hashes, &domain).ok()?;

    let chain = ChainId::new("da").ok()?;
    let envelope = Envelope::sign(chain, EntryKind::Blob, 1.into(), bytes, &key).ok()?;
    Envelope::from_bytes(&envelope.to_bytes()).ok()?.verify(chain).ok()?;

    let id = AccountId::of(key.to_public_key());
    let account = Account::new(id, Amount::new(10), domain.era());
    let mut ledger = FullLedger::from_accounts([account], domain.era()).ok()?;
    let before = ledger.root().ok()?;
    let view = ProtocolStateView::default();
    let context = Context {
        era: domain.era(),
        account_creation_fee: Amount::ZERO,
        slot: 0.into(),
        view: &view,
        rule: None,
    };
    apply_zkapp_command(&mut ledger, &command, &hashes, &context, &mut ()).ok()?;
    let paid = ledger.get(&id).ok()??.balance == Amount::new(3);
    (paid && ledger.root().ok()? != before).then_some(())
}

/// What the C library's start-up code calls: 0 if all went well.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    i32::from(run(core::hint::black_box(5)).is_none())
}
