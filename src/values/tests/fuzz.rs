//! Whatever the bytes are, the outcome is a value or an error.

use pyo3::prelude::*;

use super::vectors::vectors;
use super::{Limits, Reader, from_hex, wire};
use super::{Stub, with_python};
use crate::bridge::bytes::Memory;

/// xorshift64*: the same sequence each time.
struct Random(u64);

impl Random {
  fn next(&mut self) -> u64 {
    self.0 ^= self.0 >> 12;
    self.0 ^= self.0 << 25;
    self.0 ^= self.0 >> 27;
    self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
  }

  fn below(&mut self, limit: usize) -> usize {
    usize::try_from(self.next() >> 33).expect("31 bits") % limit.max(1)
  }

  fn byte(&mut self) -> u8 {
    self.next().to_le_bytes()[7]
  }
}

fn read_any(py: Python<'_>, bytes: &[u8]) -> Result<(), PyErr> {
  let mut parts = [Some(Memory::Owned(Box::new([0; 8]))), None];
  let mut stub = Stub;
  let mut reader = Reader::new(py, bytes, &mut parts, &mut stub);
  let outcome = reader.value("args").map(drop);
  assert!(reader.position() <= bytes.len());
  outcome
}

#[test]
fn any_bytes_are_a_value_or_an_error() {
  with_python(|py| {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60_000 {
      let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.byte()).collect();
      // Tags, small numbers and large ones, more often than by chance.
      for byte in &mut bytes {
        match random.below(3) {
          0 => *byte %= 22,
          1 => *byte |= 0x80,
          _ => {}
        }
      }
      let _ = read_any(py, &bytes);
    }
    Ok(())
  });
}

#[test]
fn vectors_that_were_damaged_are_a_value_or_an_error() {
  with_python(|py| {
    let mut random = Random(0x0123_4567_89ab_cdef);
    for vector in vectors(py)? {
      for _ in 0..300 {
        let mut bytes = vector.tape.clone();
        for _ in 0..=random.below(3) {
          let at = random.below(bytes.len());
          match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.byte()),
            _ => {
              if let Some(byte) = bytes.get_mut(at) {
                *byte = random.byte();
              }
            }
          }
        }
        let _ = read_any(py, &bytes);
      }
    }
    Ok(())
  });
}

#[test]
fn every_tape_that_ends_too_early_is_an_error() {
  with_python(|py| {
    for vector in vectors(py)? {
      for end in 0..vector.tape.len() {
        assert!(
          read_any(py, &vector.tape[..end]).is_err(),
          "{} cut at {end}",
          vector.name
        );
      }
    }
    Ok(())
  });
}

#[test]
fn counts_of_what_is_not_there_take_no_memory() {
  with_python(|py| {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for tag in [6, 7, 8, 9, 12, 13, 14, 15] {
      let mut bytes = vec![tag];
      if tag == 6 {
        bytes.push(0);
      }
      bytes.extend_from_slice(&huge);
      let error = read_any(py, &bytes).expect_err("there is nothing");
      assert!(error.to_string().contains("Malformed at byte"), "{error}");
    }
    Ok(())
  });
}

#[test]
fn a_thousand_levels_are_read_and_no_more() {
  with_python(|py| {
    let nested = |levels: usize| {
      let mut bytes = [12, 1].repeat(levels - 1);
      bytes.extend_from_slice(&[12, 0]);
      bytes
    };
    read_any(py, &nested(1000))?;
    for levels in [1001, 1_000_000] {
      let error = read_any(py, &nested(levels)).expect_err("too deep");
      assert!(error.to_string().contains("1,000 levels"), "{error}");
      assert!(error.to_string().len() < 1000);
    }
    Ok(())
  });
}

/// What V8 writes of `{ a: [1, 'x', 0.5, null], m: new Map([[1n, new Set(['é'])]]), d: new Date(0), b: new Uint8Array([7]) }`,
/// an error, a regular expression and a reference.
const WIRE: &[u8] = b"\xff\x0fo\"\x01aA\x04I\x02\"\x01xN\0\0\0\0\0\0\xe0\x3f0$\0\x04\"\x01m;Z\x10\x01\0\0\0\0\0\0\0\
'\"\x01\xe9,\x01:\x02\"\x01dD\0\0\0\0\0\0\0\0\"\x01bB\x01\x07VB\0\x01\0\"\x01erRm\"\x01y.\"\x01rR\"\x01a\x02\"\x01o^\0{\x07";

fn read_wire(py: Python<'_>, bytes: &[u8]) -> Result<(), PyErr> {
  let limits = Limits {
    depth: 100,
    bytes: 1 << 16,
    is_inline: true,
  };
  wire::read(py, bytes, limits, &mut Stub).map(drop)
}

#[test]
fn wires_that_were_damaged_are_a_value_or_an_error() {
  with_python(|py| {
    read_wire(py, WIRE)?;
    for end in 0..WIRE.len() {
      assert!(read_wire(py, &WIRE[..end]).is_err(), "cut at {end}");
    }
    let mut random = Random(0x0f0f_1234_5678_9abc);
    for _ in 0..30_000 {
      let mut bytes = WIRE.to_vec();
      for _ in 0..=random.below(4) {
        let at = 2 + random.below(bytes.len().max(3) - 2);
        match random.below(5) {
          0 => bytes.truncate(at),
          1 => bytes.insert(at.min(bytes.len()), random.byte()),
          2 => bytes.insert(
            at.min(bytes.len()),
            b"oAa;'^BVDZNI\"cRr{$@:,~"[random.below(22)],
          ),
          _ => {
            if let Some(byte) = bytes.get_mut(at) {
              *byte = random.byte();
            }
          }
        }
      }
      let _ = read_wire(py, &bytes);
    }
    Ok(())
  });
}

/// What `v8.Serializer` of the supported Node.js writes, by name.
fn wires(py: Python<'_>) -> PyResult<Vec<(String, Vec<u8>)>> {
  let json = include_str!("../../../fixtures/wires.json");
  let loads = py.import("json")?.getattr("loads")?;
  let wires = loads.call1((json,))?;
  wires
    .try_iter()?
    .map(|wire| {
      let wire = wire?;
      let text = |key: &str| wire.get_item(key)?.extract::<String>();
      Ok((text("name")?, from_hex(&text("wire")?)))
    })
    .collect()
}

#[test]
fn what_v8_writes_is_a_value_and_cut_short_it_is_an_error() {
  with_python(|py| {
    let wires = wires(py)?;
    assert!(wires.len() > 30);
    for (name, wire) in wires {
      match read_wire(py, &wire) {
        Ok(()) => {}
        // Python has no such date, and no set of sets.
        Err(error) => assert!(["invalid date", "set"].contains(&&*name), "{name}: {error}"),
      }
      for end in 0..wire.len() {
        // A view stands behind its buffer, which is a value by itself.
        let is_whole = name == "data view" && end >= 8;
        assert!(
          is_whole || read_wire(py, &wire[..end]).is_err(),
          "{name} cut at {end}"
        );
      }
    }
    Ok(())
  });
}

#[test]
fn wires_that_were_mixed_are_a_value_or_an_error() {
  with_python(|py| {
    let wires = wires(py)?;
    let mut random = Random(0x5555_1234_9876_abcd);
    for (_, wire) in &wires {
      for _ in 0..400 {
        let mut bytes = wire.clone();
        // A part of another one, in a place of this one.
        let (_, other) = &wires[random.below(wires.len())];
        let from = random.below(other.len());
        let part = &other[from..other.len().min(from + random.below(12))];
        let at = 2 + random.below(bytes.len() - 2);
        if random.below(2) == 0 {
          bytes.truncate(at);
        }
        bytes.splice(at..at, part.iter().copied());
        for _ in 0..random.below(3) {
          let at = random.below(bytes.len());
          bytes[at] = random.byte();
        }
        let _ = read_wire(py, &bytes);
      }
    }
    Ok(())
  });
}

#[test]
fn a_wire_that_is_deep_or_full_of_holes_is_an_error() {
  with_python(|py| {
    let mut deep = b"\xff\x0f".to_vec();
    deep.extend_from_slice(&b"A\x01".repeat(101));
    let error = read_wire(py, &deep).expect_err("too deep");
    assert!(
      error.to_string().contains("max_serialization_depth"),
      "{error}"
    );
    let holes = b"\xff\x0fa\xff\xff\xff\xff\x0f@\0\xff\xff\xff\xff\x0f";
    let error = read_wire(py, holes).expect_err("too large");
    assert!(
      error.to_string().contains("max_serialization_bytes"),
      "{error}"
    );
    Ok(())
  });
}
