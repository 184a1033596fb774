//! The sockets of debuggers: what JavaScript is told of runtimes, and what it says of those who come.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, check_status, sys};
use napi_derive::napi;

use crate::js::inspected::{Event, Sockets};
use crate::js::inspector;

type Told = (u32, Vec<String>);
type TellFunction = ThreadsafeFunction<Told, (), FnArgs<Told>, Status, false, true>;

/// An environment, by the function that it is told by.
struct Environment(TellFunction);

impl Sockets for Environment {
  fn tell(&self, runtime: u32, event: Event) -> bool {
    let texts = match event {
      Event::Open(host, port, title, url) => {
        vec!["open".to_owned(), host, port.to_string(), title, url]
      }
      Event::Message(text) => vec!["message".to_owned(), text],
      Event::Close => vec!["close".to_owned()],
    };
    let told = self
      .0
      .call((runtime, texts), ThreadsafeFunctionCallMode::NonBlocking);
    told == Status::Ok
  }
}

/// Gives this environment the sockets of debuggers, once. `tell` is called with the number of a runtime, and what there is
/// to say: `["open", host, port, title, url]`, `["message", json]` or `["close"]`. It does not keep Node alive.
///
/// # Errors
///
/// Node-API's.
#[napi(catch_unwind)]
pub fn serve_inspectors(
  env: Env,
  #[napi(ts_arg_type = "(runtime: number, event: string[]) => void")] tell: Function<
    '_,
    FnArgs<Told>,
    (),
  >,
) -> Result<()> {
  let tell = tell
    .build_threadsafe_function::<Told>()
    .weak::<true>()
    .build_callback(|context| Ok(FnArgs::from(context.value)))?;
  let sockets: Arc<dyn Sockets> = Arc::new(Environment(tell));
  inspector::add_sockets(Arc::clone(&sockets));
  let hook = Box::into_raw(Box::new(sockets));
  // SAFETY: the hook takes the box back exactly once, when the environment ends.
  check_status!(unsafe {
    sys::napi_add_env_cleanup_hook(env.raw(), Some(environment_ends), hook.cast())
  })
}

unsafe extern "C" fn environment_ends(hook: *mut c_void) {
  // SAFETY: the box made in `serve_inspectors`; the hook runs once.
  let sockets = *unsafe { Box::from_raw(hook.cast::<Arc<dyn Sockets>>()) };
  let _ = catch_unwind(AssertUnwindSafe(|| inspector::remove_sockets(&sockets)));
}

/// A runtime is found there: `host` with its port, and the token of its path.
#[napi(catch_unwind)]
pub fn inspector_opened(runtime: u32, host: String, token: String) {
  inspector::opened(runtime, Ok((host, token)));
}

/// It is not.
#[napi(catch_unwind)]
pub fn inspector_refused(runtime: u32, why: String) {
  inspector::opened(runtime, Err(why));
}

/// A debugger has come to a runtime; one at a time.
#[napi(catch_unwind)]
pub fn attach_inspector(runtime: u32) {
  inspector::attach(runtime);
}

/// It has sent a message.
#[napi(catch_unwind)]
pub fn dispatch_inspector(runtime: u32, message: String) {
  inspector::dispatch(runtime, &message);
}

/// It has gone.
#[napi(catch_unwind)]
pub fn detach_inspector(runtime: u32) {
  inspector::detach(runtime);
}
