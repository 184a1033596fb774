//! asyncio's register of tasks, up to Python 3.11: tasks that end in their first step are not entered.
//!
//! `asyncio.all_tasks()` looks into a WeakSet, which asyncio enters every task into when it is made. That is Python's code, and
//! took an eighth of Python's part of a request. Python 3.12 has a cheaper place for tasks that start at once, and enters
//! them when they wait; here it is the same: while a task of ours is made, the set's `add` is told to leave it out. So that
//! it is found all the same while it takes its first step, the set has a reference of its own kind, which is called as weak
//! ones are and gives that task.
//!
//! Each thread has its own state. Every change happens with the GIL.

use std::cell::RefCell;
use std::mem;
use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::base::lock::lock;

thread_local! {
  static BIRTH: RefCell<Birth> = const { RefCell::new(Birth::None) };
}

enum Birth {
  None,
  Expected,
  /// This one was left out.
  Of(Py<PyAny>),
}

/// In the place of the set's `add`, for the whole process.
#[pyclass(frozen, module = "_amphis")]
struct Add {
  add: Py<PyAny>,
}

#[pymethods]
impl Add {
  #[pyo3(signature = (task, /))]
  fn __call__(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_left_out = BIRTH.with_borrow_mut(|birth| {
      let is_expected = matches!(birth, Birth::Expected);
      if is_expected {
        *birth = Birth::Of(task.clone().unbind());
      }
      is_expected
    });
    if is_left_out {
      return Ok(());
    }
    self.add.call1(task.py(), (task,)).map(drop)
  }
}

/// The set's reference to a loop's task that takes its first step.
#[pyclass(frozen, module = "_amphis")]
struct Beginner {
  task: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl Beginner {
  fn __call__(&self, py: Python<'_>) -> Option<Py<PyAny>> {
    lock(&self.task).as_ref().map(|task| task.clone_ref(py))
  }
}

/// The register, for the tasks of one loop.
pub struct TaskRegister {
  /// The set's own.
  add: Py<PyAny>,
  beginner: Py<Beginner>,
}

impl TaskRegister {
  /// # Errors
  ///
  /// Where asyncio's register is another than that of Python 3.10 and 3.11.
  pub fn new(py: Python<'_>) -> PyResult<Self> {
    let tasks = py.import("asyncio.tasks")?.getattr("_all_tasks")?;
    let beginner = Bound::new(
      py,
      Beginner {
        task: Mutex::default(),
      },
    )?;
    tasks.getattr("data")?.call_method1("add", (&beginner,))?;
    Ok(Self {
      add: original_add(&tasks)?.clone_ref(py),
      beginner: beginner.unbind(),
    })
  }

  /// Makes a task by `make`, which is left out of the set so far.
  ///
  /// # Errors
  ///
  /// Those of `make`.
  pub fn make<'py>(
    &self,
    py: Python<'py>,
    make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
  ) -> PyResult<Bound<'py, PyAny>> {
    let before = BIRTH.replace(Birth::Expected);
    let task = make();
    let birth = BIRTH.replace(before);
    if let Birth::Of(left_out) = birth
      && !task.as_ref().is_ok_and(|task| task.is(&left_out))
    {
      // A finalizer has made one meanwhile.
      self.add.call1(py, (left_out,))?;
    }
    task
  }

  /// Runs the first step of a task, and enters it if it waits.
  ///
  /// # Errors
  ///
  /// What the set raises.
  pub fn begin<R>(&self, task: &Bound<'_, PyAny>, step: impl FnOnce() -> R) -> PyResult<R> {
    let py = task.py();
    let beginner = &self.beginner.get().task;
    let before = lock(beginner).replace(task.clone().unbind());
    if let Some(outer) = &before {
      // A loop within its first step: it is not found by the reference any more.
      self.add.call1(py, (outer,))?;
    }
    let outcome = step();
    let this = mem::replace(&mut *lock(beginner), before);
    drop(this);
    if !task.call_method0(intern!(py, "done"))?.is_truthy()? {
      self.add.call1(py, (task,))?;
    }
    Ok(outcome)
  }
}

impl Drop for TaskRegister {
  fn drop(&mut self) {
    Python::try_attach(|py| {
      let removed = py
        .import("asyncio.tasks")
        .and_then(|tasks| tasks.getattr("_all_tasks")?.getattr("data"))
        .and_then(|data| data.call_method1("discard", (&self.beginner,)));
      drop(removed);
    });
  }
}

/// The `add` that all tasks have been entered by, from when ours was put before it.
fn original_add<'py>(tasks: &Bound<'py, PyAny>) -> PyResult<&'py Py<PyAny>> {
  static ORIGINAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
  let py = tasks.py();
  ORIGINAL.get_or_try_init(py, || {
    if py.version_info() >= (3, 12) {
      return Err(PyRuntimeError::new_err("no such register"));
    }
    let add = tasks.getattr("add")?.unbind();
    let ours = Bound::new(
      py,
      Add {
        add: add.clone_ref(py),
      },
    )?;
    tasks.setattr("add", ours)?;
    Ok(add)
  })
}
