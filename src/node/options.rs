//! Options as objects of JavaScript, and as the rooms below know them.

use napi::{Error, Result, Status};
use napi_derive::napi;

use crate::base::options::{AppOptions, LifespanMode, LoopKind};

/// What a handler needs to know, checked by JavaScript.
#[napi(object)]
#[derive(Clone)]
pub struct HandlerOptions {
  /// `module:attribute`
  pub app: String,
  /// Absolute folder that is put first on `sys.path`.
  pub app_dir: String,
  pub factory: bool,
  #[napi(ts_type = "'auto' | 'asgi' | 'wsgi'")]
  pub interface: String,
  pub wsgi_threads: u32,
  pub root_path: String,
  #[napi(ts_type = "'auto' | 'on' | 'off'")]
  pub lifespan: String,
  /// Level of Python's root logger, unless somebody configures it.
  #[napi(ts_type = "'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace'")]
  pub log_level: Option<String>,
  /// Absolute path of a file for `logging.config`.
  pub log_config: Option<String>,
  /// Whether what the start has made is kept from the collector.
  pub gc_freeze: bool,
  /// The index of a `PythonCalls`: whose JavaScript the app's code calls.
  pub owner: u32,
}

/// How to start Python.
#[napi(object)]
pub struct PythonOptions {
  /// The environment's interpreter, which becomes `argv[0]`.
  pub executable: String,
  #[napi(ts_type = "'auto' | 'uvloop' | 'asyncio'", js_name = "loop")]
  pub event_loop: String,
}

impl From<HandlerOptions> for AppOptions {
  fn from(options: HandlerOptions) -> Self {
    Self {
      lifespan: LifespanMode::parse(&options.lifespan),
      target: options.app,
      app_dir: options.app_dir,
      factory: options.factory,
      interface: options.interface,
      wsgi_threads: options.wsgi_threads,
      root_path: options.root_path,
      log_level: options.log_level,
      log_config: options.log_config,
      gc_freeze: options.gc_freeze,
      owner: options.owner,
    }
  }
}

impl PythonOptions {
  /// # Errors
  ///
  /// `InvalidArg` for a loop of another name.
  pub fn loop_kind(&self) -> Result<LoopKind> {
    LoopKind::parse(&self.event_loop)
      .ok_or_else(|| Error::new(Status::InvalidArg, "loop must be auto, uvloop or asyncio"))
  }
}
