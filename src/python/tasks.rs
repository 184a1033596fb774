//! The tasks that apps run in, which take their first step at once.
//!
//! Most requests end without ever waiting. A task whose first step is scheduled costs a handle, a turn through the
//! loop's queue, and often a second one of the drain; an eager one (Python 3.12) costs none of them. Before 3.12 a
//! task has no such option: while one is made, the loop's `call_soon` is shadowed by [`Steps::take`], and the step that
//! the task hands to it is run here, in the task's own context, as the loop would have done.
//!
//! In asyncio's debug mode tasks start as asyncio starts them. The loop reports a slow step by the callback that it was
//! called in, and to the loop a first step that is run here is a part of the drain: nobody would learn whose it was.
//!
//! Everything here happens on the Python thread, in a callback of the loop, where no task is current.

use std::mem;
use std::sync::Mutex;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyDict, PyTuple, PyType};

use crate::base::lock::lock;
use crate::python::sources;
use crate::python::task_register::TaskRegister;

/// Makes tasks of one event loop.
pub struct Tasks {
  task_type: Py<PyAny>,
  /// Keyword arguments of the type.
  options: Py<PyDict>,
  /// The same for a task whose first step the loop calls.
  scheduled: Py<PyDict>,
  /// Asked each time, for an app may change it at any time.
  get_debug: Py<PyAny>,
  /// Names a task of debug mode.
  announce: Py<PyAny>,
  /// Where a task can't be told to start eagerly.
  shadow: Option<Shadow>,
}

/// What hides the loop's `call_soon`.
struct Shadow {
  /// The attributes of the loop object, which come before those of its class.
  attributes: Py<PyDict>,
  steps: Py<Steps>,
  take: Py<PyAny>,
  /// None where it is not the one that is known.
  register: Option<TaskRegister>,
}

/// The step of a task, and the context that it is to be run in.
type Step = (Py<PyAny>, Py<PyAny>);

/// Keeps the steps that tasks want to have called, and hands on everything else. `taken` is locked for a change only.
#[pyclass(frozen, module = "_amphis")]
struct Steps {
  call_soon: Py<PyAny>,
  task_type: Py<PyAny>,
  /// Once it is known.
  step_type: PyOnceLock<Py<PyType>>,
  taken: Mutex<Vec<Step>>,
}

#[pymethods]
impl Steps {
  /// In the place of the loop's `call_soon`. Not only the task that is being made calls it: a finalizer may run
  /// meanwhile, and do whatever it likes.
  #[pyo3(signature = (callback, *arguments, context = None))]
  fn take(
    &self,
    callback: &Bound<'_, PyAny>,
    arguments: &Bound<'_, PyTuple>,
    context: Option<&Bound<'_, PyAny>>,
  ) -> PyResult<Option<Py<PyAny>>> {
    let py = callback.py();
    if arguments.is_empty()
      && let Some(context) = context
      && self.is_step(callback)?
    {
      lock(&self.taken).push((callback.clone().unbind(), context.clone().unbind()));
      return Ok(None);
    }
    let all: Vec<_> = std::iter::once(callback.clone())
      .chain(arguments.iter())
      .collect();
    let keywords = PyDict::new(py);
    if let Some(context) = context {
      keywords.set_item(intern!(py, "context"), context)?;
    }
    let call_soon = self.call_soon.bind(py);
    let handle = call_soon.call(PyTuple::new(py, all)?, Some(&keywords))?;
    Ok(Some(handle.unbind()))
  }
}

impl Tasks {
  /// # Errors
  ///
  /// What Python raises.
  pub fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
    let py = event_loop.py();
    let task_type = py.import("asyncio")?.getattr("Task")?;
    let options = PyDict::new(py);
    options.set_item("loop", event_loop)?;
    // Before 3.12 a task without a name formats one at once.
    options.set_item("name", "amphis")?;
    let scheduled = options.copy()?;
    let shadow = if py.version_info() >= (3, 12) {
      options.set_item("eager_start", true)?;
      None
    } else {
      let attributes = event_loop.getattr("__dict__")?.cast_into::<PyDict>()?;
      let steps = Steps {
        call_soon: event_loop.getattr("call_soon")?.unbind(),
        task_type: task_type.clone().unbind(),
        step_type: PyOnceLock::new(),
        taken: Mutex::default(),
      };
      let steps = Bound::new(py, steps)?;
      Some(Shadow {
        attributes: attributes.unbind(),
        take: steps.getattr("take")?.unbind(),
        steps: steps.unbind(),
        register: TaskRegister::new(py).ok(),
      })
    };
    Ok(Self {
      task_type: task_type.unbind(),
      options: options.unbind(),
      scheduled: scheduled.unbind(),
      announce: sources::helpers(py)?.getattr("announce")?.unbind(),
      get_debug: event_loop.getattr("get_debug")?.unbind(),
      shadow,
    })
  }

  /// A task of `coroutine`, which has run until it ended or waits; in debug mode it is yet to begin. The caller keeps it: asyncio holds tasks weakly.
  ///
  /// # Errors
  ///
  /// When the loop is closed. The coroutine may have run all the same.
  pub fn start<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    if self.is_debug(py)? {
      let task = self.make(coroutine, &self.scheduled)?;
      self.announce.bind(py).call1((&task, coroutine))?;
      return Ok(task);
    }
    self.start_eagerly(coroutine)
  }

  /// The same for a coroutine that is no app's.
  ///
  /// # Errors
  ///
  /// As of [`Self::start`].
  pub fn start_unnamed<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if self.is_debug(coroutine.py())? {
      return self.make(coroutine, &self.scheduled);
    }
    self.start_eagerly(coroutine)
  }

  fn is_debug(&self, py: Python<'_>) -> PyResult<bool> {
    self.get_debug.bind(py).call0()?.is_truthy()
  }

  fn start_eagerly<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    match &self.shadow {
      // Whoever has put something of theirs in this place is to see our tasks as well.
      Some(shadow) if !shadow.is_taken(py)? => self.start_shadowed(shadow, coroutine),
      _ => self.make(coroutine, &self.options),
    }
  }

  fn make<'py>(
    &self,
    coroutine: &Bound<'py, PyAny>,
    options: &Py<PyDict>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    self
      .task_type
      .bind(py)
      .call((coroutine,), Some(options.bind(py)))
  }

  fn start_shadowed<'py>(
    &self,
    shadow: &Shadow,
    coroutine: &Bound<'py, PyAny>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let py = coroutine.py();
    let attributes = shadow.attributes.bind(py);
    attributes.set_item(intern!(py, "call_soon"), &shadow.take)?;
    let make = || self.make(coroutine, &self.options);
    let task = match &shadow.register {
      Some(register) => register.make(py, make),
      None => make(),
    };
    attributes.del_item(intern!(py, "call_soon"))?;
    let steps = shadow.steps.get();
    let taken = mem::take(&mut *lock(&steps.taken));
    let task = match task {
      Ok(task) => task,
      Err(error) => {
        steps.hand_on(py, taken)?;
        return Err(error);
      }
    };
    let begin = || steps.begin(&task, taken);
    match &shadow.register {
      Some(register) => register.begin(&task, begin)??,
      None => begin()?,
    }
    Ok(task)
  }
}

impl Steps {
  /// Whether it is what a task hands to its loop.
  fn is_step(&self, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = callback.py();
    let class = callback.get_type();
    if self.step_type.get(py).is_some_and(|known| class.is(known)) {
      return Ok(true);
    }
    let Some(task) = callback.getattr_opt(intern!(py, "__self__"))? else {
      return Ok(false);
    };
    let is_step = task.is_instance(self.task_type.bind(py))?;
    // asyncio's own, in C: nothing else has such steps.
    if is_step && class.name()? == "TaskStepMethWrapper" {
      let _ = self.step_type.set(py, class.unbind());
    }
    Ok(is_step)
  }

  /// Those of others, where there is no task.
  fn hand_on(&self, py: Python<'_>, taken: Vec<Step>) -> PyResult<()> {
    for (step, context) in taken {
      let keywords = [(intern!(py, "context"), context)].into_py_dict(py)?;
      self.call_soon.call(py, (step,), Some(&keywords))?;
    }
    Ok(())
  }

  /// Runs the first step of a task among what was taken, and hands on all else.
  fn begin(&self, task: &Bound<'_, PyAny>, taken: Vec<Step>) -> PyResult<()> {
    let py = task.py();
    let is_alone = taken.len() == 1;
    for (step, context) in taken {
      let is_its_own = is_alone || step.getattr(py, intern!(py, "__self__"))?.is(task);
      let run = || context.call_method1(py, intern!(py, "run"), (&step,));
      // Where another task is current, as in a loop that an app has nested, the step refuses to begin.
      if !is_its_own || run().is_err() {
        self.hand_on(py, vec![(step, context)])?;
      }
    }
    Ok(())
  }
}

impl Shadow {
  fn is_taken(&self, py: Python<'_>) -> PyResult<bool> {
    self.attributes.bind(py).contains(intern!(py, "call_soon"))
  }
}
