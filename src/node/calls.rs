//! Calls between the languages, as JavaScript makes and answers them; see the room `calls`.

use std::sync::Arc;

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;

use super::arguments::bytes_of;
use super::asking::{SENT, ask};
use super::environment::HostHandle;
use super::payload;
use crate::bridge;
use crate::bridge::bytes::BodyPart;
use crate::bridge::command::Command;
use crate::bridge::host::Host;
use crate::calls::owner::{self, Owner};
use crate::calls::waiters::{self, Payload, Visitor};
use crate::calls::{opening, pool};
use crate::lifecycle::calls as lifecycle;

/// Whose calls are.
#[napi(js_name = "PythonCalls")]
pub struct CallsHandle {
  host: Arc<Host>,
  owner: Arc<Owner>,
}

#[napi]
impl CallsHandle {
  /// `threads`: how many `def` functions are called at a time at least.
  #[napi(constructor, catch_unwind)]
  pub fn new(host: &HostHandle, app_dir: String, threads: u32) -> Self {
    let host = Arc::clone(host.host());
    opening::remember_process();
    pool::allow(threads as usize);
    let owner = owner::add(Arc::clone(&host), app_dir);
    Self { host, owner }
  }

  /// What calls of Python's come with.
  #[napi(getter, catch_unwind)]
  pub fn index(&self) -> u32 {
    self.owner.index
  }

  /// Asks Python for something: the first `length` bytes are the question, see `calls/incoming.rs`; `buffers` belong to
  /// it, and are copied unless they lie in one of `given`, ArrayBuffers that nobody else has. `chain`: the call of Python's that this one came from, which a thread may be blocked in; 0 for
  /// none. `alone`: nothing else is under way. Answered by a reply record, which is there already when 2 is returned.
  #[napi(catch_unwind)]
  #[allow(
    clippy::too_many_arguments,
    reason = "a call with an object costs ten times as much"
  )]
  pub fn call(
    &self,
    env: Env,
    call: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
    length: u32,
    #[napi(ts_arg_type = "Uint8Array[] | undefined")] buffers: Unknown<'_>,
    #[napi(ts_arg_type = "ArrayBuffer[] | undefined")] given: Unknown<'_>,
    chain: u32,
    alone: bool,
  ) -> Result<u32> {
    let bytes = payload::head_of(env, &bytes, length)?;
    let buffers = payload::memory_of(env, &buffers, &given)?;
    let owner = self.owner.index;
    // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
    let slice = unsafe { bytes.as_slice() };
    if chain != 0 {
      let visitor = Visitor {
        owner,
        call,
        payload: Payload {
          bytes: slice.into(),
          buffers,
        },
      };
      if let Err(visitor) = waiters::visit(chain, self.host.index, visitor) {
        let Payload { bytes, buffers } = visitor.payload;
        bridge::get().inbox().push(|batch| {
          batch.commands.push(Command::Call {
            owner,
            call,
            payload: BodyPart::Owned(bytes),
            buffers,
            alone: false,
          });
        });
      }
      return Ok(SENT);
    }
    ask(&self.host, alone, |batch| {
      let payload = batch.copy(slice);
      batch.commands.push(Command::Call {
        owner,
        call,
        payload,
        buffers,
        alone,
      });
      Ok(SENT)
    })
  }

  /// Gives up a call of JavaScript's.
  #[napi(catch_unwind)]
  pub fn cancel(&self, call: u32) {
    let owner = self.owner.index;
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(Command::CancelCall { owner, call }));
  }

  /// Answers a call of Python's, with bytes and buffers as in [`Self::call`].
  #[napi(catch_unwind)]
  #[allow(clippy::unused_self, reason = "the call is of this owner")]
  pub fn answer(
    &self,
    env: Env,
    call: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
    length: u32,
    #[napi(ts_arg_type = "Uint8Array[] | undefined")] buffers: Unknown<'_>,
  ) -> Result<()> {
    let bytes = payload::head_of(env, &bytes, length)?;
    let buffers = payload::copies_of(env, &buffers)?;
    // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
    let bytes = unsafe { bytes.as_slice() };
    if let Err(buffers) = waiters::answer_thread(call, bytes, buffers) {
      bridge::get().inbox().push(|batch| {
        let payload = batch.copy(bytes);
        batch.commands.push(Command::Answer {
          call,
          payload,
          buffers,
        });
      });
    }
    Ok(())
  }

  /// Objects of Python's that JavaScript no longer has: numbers and how often it was given them, 32 bits each, in turn.
  #[napi(catch_unwind)]
  pub fn free(
    &self,
    env: Env,
    #[napi(ts_arg_type = "Uint8Array")] numbers: Unknown<'_>,
  ) -> Result<()> {
    let owner = self.owner.index;
    let numbers = bytes_of(&env, &numbers)?;
    bridge::get().inbox().push(|batch| {
      // SAFETY: as in `call`.
      let numbers = batch.append(numbers.map_or(&[][..], |numbers| unsafe { numbers.as_slice() }));
      batch.commands.push(Command::Free { owner, numbers });
    });
    Ok(())
  }

  /// Ends it: nothing is called any more, by either side. Answered by a result record with `token`.
  #[napi(catch_unwind)]
  pub fn close(&self, token: u32) {
    lifecycle::close(Arc::clone(&self.host), Arc::clone(&self.owner), token);
  }
}
