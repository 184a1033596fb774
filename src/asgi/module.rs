//! The built-in module `_amphis`: the types that apps meet as `receive` and `send`.

use pyo3::prelude::*;

#[pymodule]
mod _amphis {
  #[pymodule_export]
  use crate::asgi::awaitable::{Ready, Waiting};
  #[pymodule_export]
  use crate::asgi::http_cycle::HttpCycle;
  #[pymodule_export]
  use crate::asgi::lifespan::LifespanCycle;
  #[pymodule_export]
  use crate::asgi::websocket_cycle::WebSocketCycle;
}

/// Makes `_amphis` importable.
///
/// # Safety
///
/// Before Python is initialised.
pub unsafe fn register() {
  pyo3::append_to_inittab!(_amphis);
}
