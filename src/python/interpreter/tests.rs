//! One process, one interpreter: every test that needs Python calls [`start_python`] first.

use std::ffi::CString;
use std::sync::{Once, mpsc};
use std::thread;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{InterpreterConfig, spawn};
use crate::base::error::HandlerError;
use crate::python::signals::action::action;
use crate::python::sources::{helpers, uvloop_helpers};

fn nothing() {}

fn config() -> InterpreterConfig {
  InterpreterConfig {
    executable: std::env::var("PYO3_PYTHON").unwrap_or_else(|_| "python3".into()),
    register: nothing,
    left: nothing,
  }
}

/// Starts Python as the addon does, once; its thread then idles, detached.
pub fn start_python() {
  static START: Once = Once::new();
  START.call_once(|| {
    let (started, outcome) = mpsc::channel();
    let failed = started.clone();
    spawn(
      config(),
      move |error| failed.send(Err(error)).expect("the test waits"),
      move |py| {
        started.send(Ok(())).expect("the test waits");
        py.detach(|| {
          loop {
            thread::park();
          }
        });
      },
    )
    .expect("nothing has started Python before");
    outcome
      .recv()
      .expect("the thread answers")
      .expect("Python starts");
  });
}

/// Runs Python code with the helpers as `support`, and returns its global `result` as text.
fn result_of(code: &str) -> String {
  start_python();
  Python::attach(|py| {
    let globals = PyDict::new(py);
    globals.set_item("support", helpers(py)?)?;
    globals.set_item("uvloop_support", uvloop_helpers(py)?)?;
    py.run(&CString::new(code)?, Some(&globals), None)?;
    let result = globals.get_item("result")?.expect("the code sets `result`");
    PyResult::Ok(result.str()?.to_string())
  })
  .expect("the code runs")
}

#[test]
fn a_second_start_is_refused() {
  start_python();
  let error = spawn(config(), |_| {}, |_| {}).expect_err("Python runs already");
  assert!(matches!(error, HandlerError::PythonStart(reason) if reason.contains("only once")));
}

#[test]
fn python_has_no_arguments_and_gives_its_threads_the_deep_stack() {
  let result = result_of("import sys, threading; result = sys.argv, threading.stack_size()");
  assert_eq!(result, "([''], 16777216)");
}

#[test]
fn signals_stay_as_they_were_though_signal_and_asyncio_are_imported() {
  assert_eq!(
    result_of("import signal, asyncio; result = 'imported'"),
    "imported"
  );
  for signal in [libc::SIGINT, libc::SIGXFSZ, libc::SIGCHLD] {
    let action = action(signal).expect("the signal exists");
    assert_eq!(action.sa_sigaction, libc::SIG_DFL, "signal {signal}");
  }
}

#[test]
fn describe_keeps_type_message_and_causes_and_survives_a_failing_str() {
  let result = result_of(
    r"
import json
class Odd(Exception):
    def __str__(self): raise SystemExit
try:
    try: raise ZeroDivisionError('no text: \udc80')
    except ZeroDivisionError as cause: raise Odd from cause
except Odd as exc: described = support.describe(exc)
result = described.isascii() and json.loads(described)
",
  );
  assert!(result.contains("str() failed"), "{result}");
  assert!(
    result.contains(r"ZeroDivisionError: no text: \\udc80"),
    "{result}"
  );
}

#[test]
fn describe_bounds_what_it_returns_and_keeps_both_ends() {
  let result = result_of(
    r#"
import json
described = json.loads(support.describe(ValueError("a" * 10**6 + "z")))
result = described["message"][0], described["message"][-1], len(described["message"]) < 66_000, len(described["traceback"]) < 263_000
"#,
  );
  assert_eq!(result, "('a', 'z', True, True)");
}

#[test]
fn a_disconnect_is_known_alone_and_in_groups_only() {
  let result = result_of(
    r"
class BaseExceptionGroup(Exception):
    def __init__(self, *exceptions): self.exceptions = exceptions
gone = support.ClientDisconnected()
cases = gone, BaseExceptionGroup(gone, BaseExceptionGroup(gone)), BaseExceptionGroup(gone, ValueError()), OSError()
result = [support.is_disconnect(case) for case in cases], isinstance(gone, OSError)
",
  );
  assert_eq!(result, "([True, True, False, False], True)");
}

#[test]
fn run_tells_every_way_an_app_can_end_and_lets_only_cancellation_out() {
  let result = result_of(
    r#"
import asyncio
def app(error):
    async def app(scope, receive, send):
        if error: raise error
    return app
result = []
class Cycle:
    receive = send = None
    def finish(exc): result.append(type(exc).__name__)
for error in None, ValueError(), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError():
    try: support.run(app(error), {}, Cycle).send(None)
    except StopIteration: pass
    except asyncio.CancelledError: result.append("out")
"#,
  );
  assert_eq!(
    result,
    "['NoneType', 'ValueError', 'SystemExit', 'KeyboardInterrupt', 'CancelledError', 'out']"
  );
}

#[test]
fn a_demanded_uvloop_that_is_missing_is_an_error_that_says_how_to_get_it() {
  let result = result_of(
    r#"
import sys
kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "uvloop"}
sys.modules["uvloop"] = None
try: support.new_event_loop("uvloop")
except RuntimeError as exc: result = str(exc)
loop, name = support.new_event_loop("auto")
loop.close()
del sys.modules["uvloop"]
sys.modules.update(kept)
result += name
"#,
  );
  assert!(
    result.contains("-m pip install uvloop") && result.ends_with("asyncio"),
    "{result}"
  );
}

#[test]
fn a_writer_of_standard_output_waits_for_a_full_pipe() {
  let result = result_of(
    r#"
import os, threading, io, _amphis_startup
reader, writer = os.pipe()
os.set_blocking(writer, False)
received = bytearray()
def read():
    while part := os.read(reader, 1 << 16): received.extend(part)
thread = threading.Thread(target=read)
with _amphis_startup.PatientWriter(writer, "wb") as raw:
    sent = os.urandom(1 << 20)
    threading.Timer(0.05, thread.start).start()
    count = io.BufferedWriter(raw).write(sent)
thread.join()
result = count == len(sent) and received == sent
"#,
  );
  assert_eq!(result, "True");
}

#[test]
fn a_loop_that_was_adopted_has_children_with_half_closable_pipes_and_refuses_files() {
  let result = result_of(
    r#"
import asyncio
from asyncio.subprocess import PIPE, create_subprocess_exec, create_subprocess_shell
class Loop(asyncio.SelectorEventLoop): pass
uvloop_support.adopt(Loop)
result = []
async def main():
    child = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    child.stdin.write(b"echo")
    child.stdin.write_eof()
    result.append(await child.stdout.read())
    result.append(await child.wait())
    children = [await create_subprocess_shell(f"exit {code}") for code in (0, 7)]
    result.extend([await child.wait() for child in children])
    child = await create_subprocess_exec("sleep", "60", stdout=PIPE)
    child.kill()
    result.append(await child.wait())
    try: await create_subprocess_exec("/no/such/program", stdin=PIPE, stdout=PIPE)
    except FileNotFoundError: result.append("missing")
    with open("/etc/passwd") as file:
        try: await asyncio.get_running_loop().connect_read_pipe(asyncio.Protocol, file)
        except ValueError: result.append("refused")
loop = Loop()
loop.run_until_complete(main())
loop.close()
"#,
  );
  assert_eq!(result, "[b'echo', 0, 0, 7, -9, 'missing', 'refused']");
}

#[test]
fn uvloop_gets_along_with_node_also_where_site_has_imported_it_before() {
  let result = result_of(
    r#"
import sys, types
class Loop:
    async def connect_read_pipe(self, factory, pipe): pass
    async def connect_write_pipe(self, factory, pipe): pass
class Derived(Loop): pass
module = types.ModuleType("uvloop.loop")
module.Loop = Loop
kept = sys.modules.get("uvloop")
sys.modules["uvloop"] = types.SimpleNamespace(Loop=Derived)
uvloop_support.adopt_module(module)
if kept is None: del sys.modules["uvloop"]
else: sys.modules["uvloop"] = kept
result = [issubclass(module.Loop, Loop), Derived.subprocess_exec.__module__, hasattr(Loop, "subprocess_exec")]
"#,
  );
  assert_eq!(result, "[True, '_amphis_uvloop', False]");
}
