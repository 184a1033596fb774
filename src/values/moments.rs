//! Aware datetimes and JavaScript's Dates: milliseconds since 1970.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::place::{Outcome, unfit};

const FIRST: f64 = -62_135_596_800_000.0;
const LAST: f64 = 253_402_300_799_999.0;

const DAY: i128 = 86_400_000_000;
const SECOND: i128 = 1_000_000;

struct Names {
  epoch: Py<PyAny>,
  timedelta: Py<PyAny>,
}

fn names(py: Python<'_>) -> PyResult<&Names> {
  static NAMES: PyOnceLock<Names> = PyOnceLock::new();
  NAMES.get_or_try_init(py, || {
    let datetime = py.import("datetime")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    let zone = PyDict::new(py);
    zone.set_item("tzinfo", utc)?;
    Ok(Names {
      epoch: datetime
        .getattr("datetime")?
        .call((1970, 1, 1), Some(&zone))?
        .unbind(),
      timedelta: datetime.getattr("timedelta")?.unbind(),
    })
  })
}

/// The whole length of a timedelta.
///
/// # Errors
///
/// What Python raises.
pub fn microseconds(delta: &Bound<'_, PyAny>) -> PyResult<i128> {
  let part = |name: &str| delta.getattr(name)?.extract::<i64>().map(i128::from);
  Ok(part("days")? * DAY + part("seconds")? * SECOND + part("microseconds")?)
}

/// An aware datetime as JavaScript counts, which knows nothing shorter than a millisecond.
///
/// # Errors
///
/// What Python raises.
pub fn milliseconds(moment: &Bound<'_, PyAny>) -> PyResult<f64> {
  let delta = moment.sub(names(moment.py())?.epoch.bind(moment.py()))?;
  #[allow(clippy::cast_precision_loss, reason = "less than 2^53")]
  Ok(microseconds(&delta)?.div_euclid(1000) as f64)
}

/// A moment as an aware datetime in UTC.
///
/// # Errors
///
/// For those that Python has no datetime for: before the year 1, after 9999, NaN.
pub fn datetime(py: Python<'_>, milliseconds: f64) -> Outcome<Bound<'_, PyAny>> {
  if !(FIRST..=LAST).contains(&milliseconds) {
    return Err(unfit(
      "Python's datetime has the years 1 to 9999 only, and this Date is of none of them.",
    ));
  }
  let names = names(py)?;
  #[allow(clippy::cast_possible_truncation, reason = "within the range above")]
  let whole = milliseconds.round() as i64;
  let (seconds, rest) = (whole.div_euclid(1000), whole.rem_euclid(1000));
  let delta = names.timedelta.bind(py).call1((
    seconds.div_euclid(86_400),
    seconds.rem_euclid(86_400),
    rest * 1000,
  ))?;
  Ok(names.epoch.bind(py).add(delta)?)
}
