//! The tasks that apps run in, which take their first step at once.
//!
//! Most requests end without ever waiting. A task whose first step is scheduled costs a handle, a turn through the
//! loop's queue, and often a second one of the drain; an eager one (Python 3.12) costs none of them. Before 3.12 a
//! task has no such option: while one is made, the loop's `call_soon` is shadowed by [`Steps::take`], and the step that
//! the task hands to it is run here, in the task's own context, as the loop would have done.
//!
//! Everything here happens on the Python thread, in a callback of the loop, where no task is current.

use std::mem;
use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::batch::lock;

/// Makes tasks of one event loop.
pub struct Tasks {
  task_type: Py<PyAny>,
  /// Keyword arguments of the type.
  options: Py<PyDict>,
  call_soon: Py<PyAny>,
  /// Where a task can't be told to start eagerly.
  shadow: Option<Shadow>,
}

/// What hides the loop's `call_soon`.
struct Shadow {
  /// The attributes of the loop object, which come before those of its class.
  attributes: Py<PyDict>,
  steps: Py<Steps>,
  take: Py<PyAny>,
}

/// A call of the loop's `call_soon`: the callback with its arguments, and the context.
type Step = (Py<PyAny>, Py<PyTuple>, Option<Py<PyAny>>);

/// Keeps what `call_soon` was called with. Locked for a change only.
#[pyclass(frozen, module = "_amphis")]
struct Steps(Mutex<Vec<Step>>);

#[pymethods]
impl Steps {
  #[pyo3(signature = (callback, *arguments, context = None))]
  fn take(&self, callback: Py<PyAny>, arguments: Py<PyTuple>, context: Option<Py<PyAny>>) {
    lock(&self.0).push((callback, arguments, context));
  }
}

impl Tasks {
  /// # Errors
  ///
  /// What Python raises.
  pub fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
    let py = event_loop.py();
    let options = PyDict::new(py);
    options.set_item("loop", event_loop)?;
    // Before 3.12 a task without a name formats one at once.
    options.set_item("name", "amphis")?;
    let shadow = if py.version_info() >= (3, 12) {
      options.set_item("eager_start", true)?;
      None
    } else {
      let attributes = event_loop.getattr("__dict__")?.cast_into::<PyDict>()?;
      let steps = Bound::new(py, Steps(Mutex::default()))?;
      Some(Shadow {
        attributes: attributes.unbind(),
        take: steps.getattr("take")?.unbind(),
        steps: steps.unbind(),
      })
    };
    Ok(Self {
      task_type: py.import("asyncio")?.getattr("Task")?.unbind(),
      options: options.unbind(),
      call_soon: event_loop.getattr("call_soon")?.unbind(),
      shadow,
    })
  }

  /// A task of `coroutine`, which has run until it ended or waits. The caller keeps it: asyncio holds tasks weakly.
  ///
  /// # Errors
  ///
  /// When the loop is closed. The coroutine may have run all the same.
  pub fn start<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    match &self.shadow {
      // Whoever has put something of theirs in this place is to see our tasks as well.
      Some(shadow) if !shadow.is_taken(py)? => self.start_shadowed(shadow, coroutine),
      _ => self.make(coroutine),
    }
  }

  fn make<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    let options = self.options.bind(py);
    self.task_type.bind(py).call((coroutine,), Some(options))
  }

  fn start_shadowed<'py>(
    &self,
    shadow: &Shadow,
    coroutine: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    let attributes = shadow.attributes.bind(py);
    attributes.set_item(intern!(py, "call_soon"), &shadow.take)?;
    let task = self.make(coroutine);
    attributes.del_item(intern!(py, "call_soon"))?;
    let steps = mem::take(&mut *lock(&shadow.steps.get().0));
    let task = task?;
    for (callback, arguments, context) in steps {
      let is_its_own = callback
        .bind(py)
        .getattr_opt(intern!(py, "__self__"))?
        .is_some_and(|owner| owner.is(&task));
      let is_done = match &context {
        Some(context) if is_its_own => context
          .call_method1(py, intern!(py, "run"), (&callback,))
          .is_ok(),
        // A finalizer that ran meanwhile has scheduled something.
        _ => false,
      };
      if !is_done {
        // Also where another task is current, as in a loop that an app has nested: the step has not begun then.
        self.schedule(&callback, &arguments, context.as_ref(), py)?;
      }
    }
    Ok(task)
  }

  fn schedule(
    &self,
    callback: &Py<PyAny>,
    arguments: &Py<PyTuple>,
    context: Option<&Py<PyAny>>,
    py: Python<'_>,
  ) -> PyResult<()> {
    let keywords = PyDict::new(py);
    if let Some(context) = context {
      keywords.set_item(intern!(py, "context"), context)?;
    }
    let mut all = vec![callback.bind(py).clone()];
    all.extend(arguments.bind(py).iter());
    let all = PyTuple::new(py, all)?;
    self.call_soon.bind(py).call(all, Some(&keywords)).map(drop)
  }
}

impl Shadow {
  fn is_taken(&self, py: Python<'_>) -> PyResult<bool> {
    self.attributes.bind(py).contains(intern!(py, "call_soon"))
  }
}
