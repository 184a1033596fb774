//! The native half of `PythonHandler`: turns JavaScript's calls into commands, nothing else.
//!
//! Calls from JavaScript only append to the inbox; none takes the GIL. What they lead to comes back as
//! records (see `bridge/record.rs`), matched by slot (requests) or by token (everything else).

use std::sync::Arc;

use napi::bindgen_prelude::Unknown;
use napi::{Env, Result};
use napi_derive::napi;

use super::arguments::{Piece, append_head, bytes_of};
use super::asking::{REFUSED, SENT, ask};
use super::environment::HostHandle;
use super::options::HandlerOptions;
use crate::bridge;
use crate::bridge::command::{Batch, Command};
use crate::bridge::host::Host;
use crate::dispatch::handlers::{self, Handler};
use crate::lifecycle::{answer, close, start};

/// Flags of [`HandlerHandle::request`]; `lib/bridge/bridge.ts` has the other half of this table.
const MORE_BODY: u32 = 1;
const AWAITS_CONTINUE: u32 = 2;
const ALONE: u32 = 4;

/// The native handler of one app.
#[napi(js_name = "PythonHandler")]
pub struct HandlerHandle {
  host: Arc<Host>,
  handler: Arc<Handler>,
}

#[napi]
impl HandlerHandle {
  #[napi(constructor, catch_unwind)]
  pub fn new(host: &HostHandle, options: HandlerOptions) -> Self {
    let host = Arc::clone(host.host());
    let handler = handlers::add(host.index, options.into());
    Self { host, handler }
  }

  /// What notices about this handler come with.
  #[napi(getter, catch_unwind)]
  pub fn index(&self) -> u32 {
    self.handler.state.index
  }

  /// Imports the app and runs its lifespan startup; `timeout` in milliseconds, 0 for none. Answered by
  /// a result record with `token`.
  #[napi(catch_unwind)]
  pub fn start(&self, token: u32, timeout: u32) {
    start::start(
      Arc::clone(&self.host),
      Arc::clone(&self.handler),
      token,
      timeout,
    );
  }

  /// Lets requests finish for `grace` milliseconds, and streams for `streams`, which are no more; cancels the
  /// rest, runs the lifespan shutdown.
  /// Answered by a result record with `token`.
  #[napi(catch_unwind)]
  pub fn close(&self, token: u32, grace: u32, streams: u32) {
    close::close(
      Arc::clone(&self.host),
      Arc::clone(&self.handler),
      token,
      grace,
      streams,
    );
  }

  /// Tells apps that send events that the server is to stop; requests are still taken.
  #[napi(catch_unwind)]
  pub fn end_events(&self) {
    close::end_events(Arc::clone(&self.handler));
  }

  /// Answered by a result record with `token` as soon as Python's event loop comes to it.
  #[napi(catch_unwind)]
  pub fn ping(&self, token: u32) {
    answer::ping(Arc::clone(&self.host), token);
  }

  /// A request. `flags`: 1 more of the body is to come, 2 the client waits for `100 Continue`, 4 nothing else
  /// is under way. `head` is latin-1 text of `length` characters: the `fields` of `asgi/scope.rs` joined by
  /// NUL. `body` is copied when it is the user's; JavaScript keeps one from the socket until the exchange is
  /// over. Returns 0 when the head is not sound, 2 when there are records already, to be had by `Host.take`,
  /// else 1.
  #[napi(catch_unwind)]
  #[allow(
    clippy::too_many_arguments,
    reason = "a call with an object costs ten times as much"
  )]
  pub fn request(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "string")] head: Unknown<'_>,
    length: u32,
    fields: u32,
    flags: u32,
    #[napi(ts_arg_type = "Uint8Array | undefined")] body: Unknown<'_>,
    is_users: bool,
  ) -> Result<u32> {
    let body = Piece::of(bytes_of(&env, &body)?, is_users);
    let alone = flags & ALONE != 0;
    ask(&self.host, alone, |batch| {
      let Some(head) = append_head(env, &head, length, fields, &mut batch.arena)? else {
        return Ok(REFUSED);
      };
      let body = body.into_part(batch);
      batch.commands.push(Command::Request {
        handler: self.handler.state.index,
        host: self.host.index,
        slot,
        head,
        body,
        more_body: flags & MORE_BODY != 0,
        awaits_continue: flags & AWAITS_CONTINUE != 0,
        alone,
      });
      Ok(SENT)
    })
  }

  /// A WebSocket's handshake; `head` as in [`Self::request`]. JavaScript sends `max_queue` messages before it
  /// waits for their acknowledgement. False when the head is not sound.
  #[napi(catch_unwind)]
  pub fn connect(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "string")] head: Unknown<'_>,
    length: u32,
    fields: u32,
    max_queue: u32,
  ) -> Result<bool> {
    bridge::get().inbox().push(|batch| {
      let Some(head) = append_head(env, &head, length, fields, &mut batch.arena)? else {
        return Ok(false);
      };
      batch.commands.push(Command::Connect {
        handler: self.handler.state.index,
        host: self.host.index,
        slot,
        head,
        max_queue,
      });
      Ok(true)
    })
  }

  /// A message of a WebSocket's client, which came from its socket: JavaScript keeps it until it is acknowledged.
  /// `alone` and what is returned as in [`Self::request`].
  #[napi(catch_unwind)]
  pub fn message(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
    is_text: bool,
    alone: bool,
  ) -> Result<u32> {
    let bytes = Piece::of(bytes_of(&env, &bytes)?, false);
    ask(&self.host, alone, |batch| {
      let part = bytes.into_part(batch);
      batch.commands.push(Command::Message {
        host: self.host.index,
        slot,
        part,
        is_text,
        alone,
      });
      Ok(SENT)
    })
  }

  /// A WebSocket is over; `reason` is UTF-8.
  #[napi(catch_unwind)]
  pub fn closed(
    &self,
    env: Env,
    slot: u32,
    code: u16,
    #[napi(ts_arg_type = "Uint8Array")] reason: Unknown<'_>,
  ) -> Result<()> {
    let reason = bytes_of(&env, &reason)?;
    bridge::get().inbox().push(|batch| {
      // SAFETY: the bytes belong to an argument of the JavaScript call that we are in.
      let reason = batch.append(reason.map_or(&[][..], |reason| unsafe { reason.as_slice() }));
      batch.commands.push(Command::Closed {
        host: self.host.index,
        slot,
        code,
        reason,
      });
    });
    Ok(())
  }

  /// A piece of a request's body. It is copied when it is the user's; JavaScript keeps one from the socket
  /// until it is acknowledged.
  #[napi(catch_unwind)]
  pub fn chunk(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array | undefined")] bytes: Unknown<'_>,
    more_body: bool,
    is_users: bool,
  ) -> Result<()> {
    let bytes = Piece::of(bytes_of(&env, &bytes)?, is_users);
    let command = self.chunk_command(slot, bytes, more_body);
    bridge::get().inbox().push(command);
    Ok(())
  }

  /// A piece of a request's body from the socket behind which more are expected at once: Python is woken when many
  /// have gathered, or by [`Self::release`], which has to be called soon.
  #[napi(catch_unwind)]
  pub fn hold(
    &self,
    env: Env,
    slot: u32,
    #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
  ) -> Result<()> {
    let bytes = bytes_of(&env, &bytes)?;
    let length = bytes.map_or(0, |bytes| bytes.len);
    let command = self.chunk_command(slot, Piece::of(bytes, false), true);
    bridge::get().inbox().push_bulk(length, command);
    Ok(())
  }

  /// Nothing comes to join the pieces that were held.
  #[napi(catch_unwind)]
  #[allow(clippy::unused_self, reason = "the pieces are this handler's")]
  pub fn release(&self) {
    bridge::get().inbox().release();
  }

  /// The client has gone.
  #[napi(catch_unwind)]
  pub fn disconnect(&self, slot: u32) {
    self.command(Command::Disconnect {
      host: self.host.index,
      slot,
    });
  }

  /// The client's socket has taken `bytes` more of the response.
  #[napi(catch_unwind)]
  #[allow(clippy::cast_possible_truncation, reason = "a byte count, below 2^53")]
  pub fn credit(&self, slot: u32, bytes: f64) {
    bridge::get().inbox().push_credit(|batch| {
      batch.commands.push(Command::Credit {
        host: self.host.index,
        slot,
        bytes: bytes as i64,
      });
    });
  }

  /// Cancels the app's task: its request took too long.
  #[napi(catch_unwind)]
  pub fn cancel(&self, slot: u32) {
    self.command(Command::Cancel {
      host: self.host.index,
      slot,
    });
  }

  fn chunk_command(&self, slot: u32, bytes: Piece, more_body: bool) -> impl FnOnce(&mut Batch) {
    let host = self.host.index;
    move |batch| {
      let part = bytes.into_part(batch);
      batch.commands.push(Command::Chunk {
        host,
        slot,
        part,
        more_body,
      });
    }
  }

  #[allow(
    clippy::unused_self,
    reason = "the exchange belongs to this handler's environment"
  )]
  fn command(&self, command: Command) {
    bridge::get()
      .inbox()
      .push(|batch| batch.commands.push(command));
  }
}
