//! Sends what is answered, and says what JavaScript does best meanwhile.

use napi::Result;

use crate::bridge;
use crate::bridge::command::Batch;
use crate::bridge::host::Host;
use crate::bridge::outbox::Expected;

// What JavaScript is told; `lib/bridge/bridge.ts` has the other half of this table.
/// The head is not sound: nothing was sent.
pub const REFUSED: u32 = 0;
pub const SENT: u32 = 1;
/// The answer is there already.
pub const ANSWERED: u32 = 2;
/// Sent, and the answer comes so soon that it does not pay to sleep.
pub const SOON: u32 = 3;

/// Has `append` put it into a batch. `alone`: nothing else is under way, so that JavaScript may stay for the answer.
pub fn ask(
  host: &Host,
  alone: bool,
  append: impl FnOnce(&mut Batch) -> Result<u32>,
) -> Result<u32> {
  let inbox = bridge::get().inbox();
  // Before the append, so that whoever answers knows.
  let expected = if alone && inbox.is_lingering() {
    host.outbox.expect()
  } else {
    Expected::Late
  };
  let outcome = inbox.push(append);
  let is_sent = matches!(outcome, Ok(SENT));
  match expected {
    Expected::Awaited(expectation) => {
      if !expectation.wait() {
        return outcome;
      }
      if is_sent {
        return Ok(ANSWERED);
      }
      // What has come is somebody else's, who was not woken for it.
      host.wake();
      outcome
    }
    Expected::Soon if is_sent => Ok(SOON),
    Expected::Soon | Expected::Late => outcome,
  }
}
