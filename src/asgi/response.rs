//! The state machine behind the `http.response.*` events, of a request and of a refused WebSocket.
//!
//! Everything here happens under its cycle's lock and calls no Python.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::message::ResponseHead;
use crate::bridge::body::{HIGH_WATER, LOW_WATER, PIECE_COST, Payload, TEXT_BODY, length_of};
use crate::bridge::host::Host;
use crate::bridge::record::{RecordMark, flag, op};

/// Where the response is. Transitions go down the list only, except that a file which can't be sent leads
/// from `Opening` back to `Started`.
#[derive(Default)]
enum Phase {
  /// Nothing was sent.
  #[default]
  Idle,
  /// The head is known; nothing is on the wire before the first piece of the body.
  Started(ResponseHead),
  /// A file is being opened that is to be the body.
  Opening(ResponseHead),
  /// The head is on its way, more body is to come.
  Streaming,
  /// The body is on its way, trailers are to come.
  Trailers,
  /// The app has sent its last event.
  Complete,
}

/// Who the records are for.
pub struct Target<'a> {
  pub host: &'a Arc<Host>,
  pub slot: u32,
}

/// An open file that is to be a response's body.
pub struct OpenFile {
  pub descriptor: OwnedFd,
  /// For messages.
  pub path: String,
  /// Bytes that it had when it was opened.
  pub size: u64,
}

/// See the module's text.
#[derive(Default)]
pub struct Response {
  phase: Phase,
  /// Body bytes that the declared content-length still wants.
  remaining: Option<u64>,
  /// The response has no body on the wire (HEAD, 204, 304); what the app sends as body is dropped.
  bodiless: bool,
  /// The app has announced trailers.
  trailers: bool,
  /// Its content is `text/event-stream`.
  is_event_stream: bool,
  /// The app has declared no length.
  is_endless: bool,
  /// The file that was to be the body could not be sent: the app may start another response.
  file_failed: bool,
  /// The app ended its body before its content-length: the message can't be mended any more.
  short: bool,
  /// Bytes on their way to the client; below nothing where JavaScript has let the app run ahead.
  outstanding: i64,
  /// They have passed the high-water mark, and not come down to the low one.
  is_over: bool,
  /// The batch that JavaScript has to take first, see `Host::hold`.
  held: Option<u64>,
  /// The last record written, to which `DONE` may be added.
  last_record: Option<RecordMark>,
}

/// How a response was left by an app that has ended.
pub enum Left {
  /// It has not begun, on the wire.
  Unsent,
  Incomplete,
  Complete,
}

impl Response {
  pub fn new(head_only: bool) -> Self {
    Self {
      bodiless: head_only,
      ..Self::default()
    }
  }

  pub fn is_idle(&self) -> bool {
    matches!(self.phase, Phase::Idle)
  }

  pub fn is_complete(&self) -> bool {
    matches!(self.phase, Phase::Complete)
  }

  pub fn is_short(&self) -> bool {
    self.short
  }

  /// The head is on its way, and more of the body to come.
  pub fn is_streaming(&self) -> bool {
    matches!(self.phase, Phase::Streaming)
  }

  /// The app has begun to send events, and not said its last one.
  pub fn is_event_stream(&self) -> bool {
    self.is_event_stream && matches!(self.phase, Phase::Started(_) | Phase::Streaming)
  }

  /// Events, or a part of a body on its way whose length nobody has told.
  pub fn is_stream(&self) -> bool {
    (self.is_endless && matches!(self.phase, Phase::Streaming)) || self.is_event_stream()
  }

  /// Ends what the app has begun as if it had said so itself. False where that can't be.
  pub fn end(&mut self, target: &Target<'_>) -> bool {
    if matches!(self.phase, Phase::Trailers) {
      return self.trailers(target, &[], false).is_ok();
    }
    let announced = mem::take(&mut self.trailers);
    let ended = self.body(target, None, false, "http.response.body").is_ok();
    self.trailers = announced && !ended;
    ended
  }

  pub fn last_record(&self) -> Option<RecordMark> {
    self.last_record
  }

  /// The app has ended: nothing more is taken.
  pub fn leave(&mut self) -> Left {
    match mem::replace(&mut self.phase, Phase::Complete) {
      Phase::Idle | Phase::Started(_) | Phase::Opening(_) => Left::Unsent,
      Phase::Streaming | Phase::Trailers => Left::Incomplete,
      Phase::Complete => Left::Complete,
    }
  }

  /// The client's socket has taken `bytes`. True when a `send` that waits for that may go on.
  pub fn credit(&mut self, bytes: i64) -> bool {
    self.outstanding -= bytes;
    let eased = self.is_over && self.outstanding <= LOW_WATER;
    self.is_over &= !eased;
    eased
  }

  /// Whether a `send` that waits has to wait on.
  pub fn is_full(&self, host: &Host) -> bool {
    self.is_over || self.held.is_some_and(|batch| host.outbox.holds(batch))
  }

  pub fn start(&mut self, head: ResponseHead, kind: &str) -> PyResult<()> {
    let is_another = self.file_failed && matches!(self.phase, Phase::Started(_));
    if !self.is_idle() && !is_another {
      return Err(PyRuntimeError::new_err(format!(
        "'{kind}' was sent twice; a request has one response"
      )));
    }
    self.file_failed = false;
    self.remaining = head.content_length;
    self.is_event_stream = head.is_event_stream;
    self.is_endless = head.content_length.is_none();
    self.trailers = head.trailers;
    self.phase = Phase::Started(head);
    Ok(())
  }

  /// A piece of the body. True when the caller has to wait before it sends more.
  pub fn body(
    &mut self,
    target: &Target<'_>,
    body: Option<&Payload<'_>>,
    more: bool,
    kind: &str,
  ) -> PyResult<bool> {
    let mut head = self.take_head(kind)?;
    self.note_bodiless(head.as_ref());
    // The app may send a body all the same (RFC 9110 9.3.2); it is not for the wire.
    let body = body.filter(|_| !self.bodiless);
    let bytes = body.map_or(Ok(&[][..]), Payload::as_bytes)?;
    if let Err(error) = self.count(bytes.len(), more) {
      // Nothing of this event goes on the wire; the app may still end its response properly.
      self.phase = head.map_or(Phase::Streaming, Phase::Started);
      return Err(error);
    }
    if let Some(head) = head
      .as_mut()
      .filter(|head| !more && !head.trailers && head.content_length.is_none())
      && !self.bodiless
    {
      head.set_content_length(bytes.len() as u64);
    }
    let last = !more && !self.trailers;
    self.last_record = write(target, head.as_ref(), body, bytes, last);
    if !bytes.is_empty() {
      self.outstanding += length_of(bytes) + PIECE_COST;
      self.is_over |= self.outstanding > HIGH_WATER;
    }
    self.phase = match (more, last) {
      (true, _) => Phase::Streaming,
      (false, true) => Phase::Complete,
      (false, false) => Phase::Trailers,
    };
    if more {
      self.held = target.host.hold(target.slot);
    }
    Ok(more && (self.is_over || self.held.is_some()))
  }

  /// The head, unless it is on its way already. From here on the response is `Streaming`.
  fn take_head(&mut self, kind: &str) -> PyResult<Option<ResponseHead>> {
    match mem::replace(&mut self.phase, Phase::Streaming) {
      Phase::Started(head) => Ok(Some(head)),
      Phase::Streaming => Ok(None),
      phase => {
        let message = match phase {
          Phase::Opening(_) => format!("'{kind}' was sent while a file was being opened"),
          Phase::Trailers => format!("'{kind}' was sent after the end of the body"),
          _ => {
            let start = kind.replace("body", "start");
            format!("'{kind}' was sent before '{start}'")
          }
        };
        self.phase = phase;
        Err(PyRuntimeError::new_err(message))
      }
    }
  }

  fn note_bodiless(&mut self, head: Option<&ResponseHead>) {
    self.bodiless |= head.is_some_and(|head| matches!(head.status, 204 | 304));
  }

  /// Holds the app to its content-length.
  fn count(&mut self, length: usize, more: bool) -> PyResult<()> {
    let Some(remaining) = self.remaining.filter(|_| !self.bodiless) else {
      return Ok(());
    };
    match remaining.checked_sub(length as u64) {
      None => Err(PyRuntimeError::new_err(format!(
        "the response's body is longer than its 'content-length': {length} bytes were sent and {remaining} were left"
      ))),
      Some(left) if !more && left > 0 => {
        // The app may still send the rest; if it does not, the message can't be mended.
        self.short = true;
        Err(PyRuntimeError::new_err(format!(
          "the response's body is {left} bytes shorter than its 'content-length'"
        )))
      }
      Some(left) => {
        self.remaining = Some(left);
        self.short = false;
        Ok(())
      }
    }
  }

  /// `http.response.trailers`; `fields` are joined by NUL.
  pub fn trailers(&mut self, target: &Target<'_>, fields: &[u8], more: bool) -> PyResult<()> {
    if !matches!(self.phase, Phase::Trailers) {
      let message = if self.trailers {
        "'http.response.trailers' was sent before the end of the body"
      } else {
        "'http.response.trailers' was sent, but 'http.response.start' has not announced it with 'trailers': True"
      };
      return Err(PyRuntimeError::new_err(message));
    }
    let fields = if self.bodiless { &[][..] } else { fields };
    let length = i32::try_from(fields.len()).unwrap_or(i32::MAX);
    let end = if more { 0 } else { flag::END };
    let mark = target.host.outbox.push(|records| {
      records.text.extend_from_slice(fields);
      records.push(op::TRAILERS | end, target.slot, [length, 0, 0]);
    });
    self.last_record = Some(mark);
    if !more {
      self.phase = Phase::Complete;
    }
    Ok(())
  }

  /// `http.response.early_hint`; `links` are joined by NUL.
  pub fn early_hint(&self, target: &Target<'_>, links: &[u8]) -> PyResult<()> {
    if !matches!(self.phase, Phase::Idle | Phase::Started(_)) {
      return Err(PyRuntimeError::new_err(
        "'http.response.early_hint' was sent after the head of the response; hints go before the first 'http.response.body'",
      ));
    }
    if !links.is_empty() {
      let length = i32::try_from(links.len()).unwrap_or(i32::MAX);
      target.host.outbox.push(|records| {
        records.text.extend_from_slice(links);
        records.push(op::EARLY_HINTS, target.slot, [length, 0, 0]);
      });
    }
    Ok(())
  }

  /// `http.response.pathsend`: nothing else can be sent until the file is open.
  pub fn begin_file(&mut self) -> PyResult<()> {
    match mem::take(&mut self.phase) {
      Phase::Started(head) => {
        self.phase = Phase::Opening(head);
        Ok(())
      }
      phase => {
        let message = match phase {
          Phase::Idle => "'http.response.pathsend' was sent before 'http.response.start'",
          Phase::Opening(_) => "'http.response.pathsend' was sent while a file was being opened",
          _ => "'http.response.pathsend' was sent after a part of the body; it is the whole body",
        };
        self.phase = phase;
        Err(PyRuntimeError::new_err(message))
      }
    }
  }

  /// The file that is being opened can't be sent, or is not wanted any more; the app may answer in another way.
  pub fn abandon_file(&mut self) {
    match mem::take(&mut self.phase) {
      Phase::Opening(head) => {
        self.phase = Phase::Started(head);
        self.file_failed = true;
      }
      phase => self.phase = phase,
    }
  }

  /// A file was asked for in a way that makes no sense; the app may answer in another way.
  pub fn refuse_file(&mut self) {
    self.file_failed |= matches!(self.phase, Phase::Started(_));
  }

  /// The file is open: the head goes out, and JavaScript sends the file.
  pub fn file(&mut self, target: &Target<'_>, file: OpenFile) -> PyResult<()> {
    let mut head = match mem::take(&mut self.phase) {
      Phase::Opening(head) => head,
      phase => {
        // The app has ended meanwhile, or does not want it any more.
        self.phase = phase;
        return Ok(());
      }
    };
    self.note_bodiless(Some(&head));
    let size = match head.content_length {
      Some(declared) if declared > file.size && !self.bodiless => {
        self.phase = Phase::Started(head);
        self.file_failed = true;
        return Err(PyRuntimeError::new_err(format!(
          "the file has {} bytes, but the response's 'content-length' is {declared}",
          file.size
        )));
      }
      // It may have grown since the app has looked.
      Some(declared) => declared,
      None => {
        // A HEAD request is told the length as well.
        if !matches!(head.status, 204 | 304) && !head.trailers {
          head.set_content_length(file.size);
        }
        file.size
      }
    };
    let last = !self.trailers;
    if self.bodiless || size == 0 {
      self.last_record = write(target, Some(&head), None, &[], last);
    } else {
      write(target, Some(&head), None, &[], false);
      let text = format!("{size}\0{}", file.path);
      let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
      let end = if last { flag::END } else { 0 };
      let mark = target.host.outbox.push(|records| {
        records.text.extend_from_slice(text.as_bytes());
        records.push(op::FILE | end, target.slot, [0, length, 0]);
        records.files.push(file.descriptor);
      });
      self.last_record = Some(mark);
    }
    self.phase = if last {
      Phase::Complete
    } else {
      Phase::Trailers
    };
    Ok(())
  }
}

/// Writes one piece of the response, with its head if that was not written yet. Returns the record to
/// which `DONE` may be added.
fn write(
  target: &Target<'_>,
  head: Option<&ResponseHead>,
  body: Option<&Payload<'_>>,
  bytes: &[u8],
  last: bool,
) -> Option<RecordMark> {
  let is_large = bytes.len() > TEXT_BODY;
  let large = body
    .filter(|_| is_large)
    .map(|body| body.large_bodies(bytes))
    .unwrap_or_default();
  let text = if is_large { &[] } else { bytes };
  let text_length = i32::try_from(text.len()).unwrap_or(i32::MAX);
  let pieces = large.len().max(1);
  let flags = |piece: usize| {
    let end = if last && piece + 1 == pieces {
      flag::END
    } else {
      0
    };
    if is_large { end | flag::BUFFER } else { end }
  };
  let mark = target.host.outbox.push(|records| {
    if let Some(head) = head {
      let head_length = i32::try_from(head.text.len()).unwrap_or(i32::MAX);
      let operands = [i32::from(head.status), head_length, text_length];
      records.text.extend_from_slice(&head.text);
      records.push(op::RESPONSE | flags(0), target.slot, operands);
    } else {
      records.push(op::CHUNK | flags(0), target.slot, [text_length, 0, 0]);
    }
    records.text.extend_from_slice(text);
    records.bodies.extend(large);
    for piece in 1..pieces {
      records.push(op::CHUNK | flags(piece), target.slot, [0; 3]);
    }
  });
  (pieces == 1).then_some(mark)
}
