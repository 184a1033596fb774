//! The tapes of `fixtures/values.json`, to which `__test__/values-vectors.spec.ts` holds the other language.

use pyo3::prelude::*;

use super::{canon, eval, from_hex, hex, names, read, with_python, write};

pub struct Vector {
  pub name: String,
  pub tape: Vec<u8>,
  pub python: String,
  pub writes: String,
}

pub fn vectors(py: Python<'_>) -> PyResult<Vec<Vector>> {
  let json = include_str!("../../../fixtures/values.json");
  let loads = names(py)?
    .get_item("json")?
    .expect("imported")
    .getattr("loads")?;
  loads
    .call1((json,))?
    .try_iter()?
    .map(|vector| {
      let vector = vector?;
      let text = |key: &str| vector.get_item(key)?.extract::<String>();
      Ok(Vector {
        name: text("name")?,
        tape: from_hex(&text("tape")?),
        python: text("python")?,
        writes: text("writes")?,
      })
    })
    .collect()
}

#[test]
fn python_reads_every_tape_of_the_vectors() {
  with_python(|py| {
    for Vector {
      name, tape, python, ..
    } in vectors(py)?
    {
      let value = read(py, &tape, &mut [])?;
      assert_eq!(canon(&value)?, canon(&eval(py, &python)?)?, "{name}");
    }
    Ok(())
  });
}

#[test]
fn python_writes_the_tapes_of_the_vectors() {
  with_python(|py| {
    for Vector {
      name,
      tape,
      python,
      writes,
    } in vectors(py)?
    {
      if writes == "both" || writes == "python" {
        let written = write(py, &eval(py, &python)?)?;
        assert!(written.buffers.is_empty(), "{name}");
        assert_eq!(hex(&written.bytes), hex(&tape), "{name}");
      }
    }
    Ok(())
  });
}
