//! What becomes of Python's values, and what is said of those that cannot go over.

use pyo3::prelude::*;

use pyo3::types::PyCFunction;

use super::{
  call, canon, eval, from_hex, read, refusal, returned, there_and_back, with_python, write,
};
use crate::bridge::bytes::Memory;

#[test]
fn what_python_can_hold_as_data_is_the_same_when_it_returns() {
  with_python(|py| {
    let there_and_back = PyCFunction::new_closure(py, None, None, |arguments, _| {
      returned(&arguments.get_item(0)?).map(Bound::unbind)
    })?;
    call(py, "keep_what_goes_over_and_returns", (there_and_back,)).map(drop)
  });
}

#[test]
fn classes_that_extend_builtin_ones_go_as_those() {
  for (code, outcome) in [
    ("Name('a')", "str 'a'"),
    ("Count(3)", "int 3"),
    ("Count(2**70)", "int 1180591620717411303424"),
    ("Names([1])", "[int 1]"),
    ("Point(1, 2)", "[int 1, int 2]"),
    ("(1, [2])", "[int 1, [int 2]]"),
    ("range(2)", "[int 0, int 1]"),
    ("collections.deque('ab')", "[str 'a', str 'b']"),
    ("frozenset([1])", "set int 1"),
    ("collections.Counter('a')", "{str 'a': int 1}"),
    ("collections.defaultdict(int, a=1)", "{str 'a': int 1}"),
    (
      "(lambda d: (d.move_to_end('a'), d)[1])(collections.OrderedDict(a=1, b=2))",
      "{str 'b': int 2, str 'a': int 1}",
    ),
    ("True", "bool True"),
    ("Colour.RED", "str 'red'"),
    ("Level.LOW", "int 1"),
    ("{Level.LOW: Colour.RED}", "{int 1: str 'red'}"),
    ("{Name('k'): 1}", "{str 'k': int 1}"),
  ] {
    assert_eq!(there_and_back(code), outcome, "{code}");
  }
}

#[test]
fn what_has_a_text_goes_as_that() {
  for (code, outcome) in [
    ("datetimes.date(2020, 2, 3)", "str '2020-02-03'"),
    ("datetimes.time(4, 5)", "str '04:05:00'"),
    ("datetime(2020, 2, 3, 4, 5)", "str '2020-02-03T04:05:00'"),
    (
      "uuid.UUID(int=1)",
      "str '00000000-0000-0000-0000-000000000001'",
    ),
    ("pathlib.PurePosixPath('/a/b')", "str '/a/b'"),
    ("decimal.Decimal('1.10')", "str '1.10'"),
    ("fractions.Fraction(1, 3)", "str '1/3'"),
    ("timedelta(seconds=1.5)", "int 1500"),
    ("timedelta(microseconds=1)", "float 0.001"),
    ("timedelta.max", "float 8.64e+16"),
  ] {
    assert_eq!(there_and_back(code), outcome, "{code}");
  }
}

#[test]
fn an_aware_datetime_keeps_its_moment_in_milliseconds() {
  let code = "datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))";
  assert!(
    there_and_back(code)
      .ends_with("datetime.datetime(2020, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)")
  );
  // Downwards, so that a moment never moves into the next second, or year.
  let code = "datetime(1969, 12, 31, 23, 59, 59, 999_999, timezone.utc)";
  assert!(there_and_back(code).contains("23, 59, 59, 999000"));
}

#[test]
fn objects_of_fields_go_as_these() {
  for (code, outcome) in [
    ("Item('a')", "{str 'name': str 'a', str 'price': float 1.5}"),
    (
      "Box(1, [Item('b', 2.0)])",
      "{str 'width': int 1, str 'items': [{str 'name': str 'b', str 'price': float 2.0}]}",
    ),
    (
      "Address(Street='x')",
      "{str 'street': str 'x', str 'upper': str 'X'}",
    ),
    (
      "User(name='u', address=Address(Street='x'), age=3)",
      "{str 'name': str 'u', str 'address': {str 'street': str 'x', str 'upper': str 'X'}, str 'age': int 3}",
    ),
    ("Tags(['a'])", "[str 'a']"),
    ("Sealed('a')", "{str 'name': str 'a'}"),
  ] {
    assert_eq!(there_and_back(code), outcome, "{code}");
  }
}

#[test]
fn what_is_one_object_stays_one() {
  let code = "(lambda item: [item, item, {'a': item}])(Item('a'))";
  assert_eq!(
    there_and_back(code),
    "[{str 'name': str 'a', str 'price': float 1.5}, again 1, {str 'a': again 1}]"
  );
}

#[test]
fn objects_made_while_writing_are_never_taken_for_each_other() {
  // Each list is freed before the next one is made, unless somebody holds it.
  let outcome = there_and_back("[Fresh(n) for n in range(50)]");
  for n in 0..50 {
    assert!(
      outcome.contains(&format!("{{str 'n': [int {n}]}}")),
      "{outcome}"
    );
  }
}

#[test]
fn arrays_keep_their_elements_and_their_shape() {
  for (code, outcome) in [
    ("np.array([1.5, 2])", "view d (2,) [1.5, 2.0]"),
    ("np.array([1, 2], 'int32')", "view i (2,) [1, 2]"),
    ("np.array([1.5], 'float16')", "view e (1,) [1.5]"),
    ("np.array([True, False])", "view ? (2,) [True, False]"),
    (
      "np.arange(6).reshape(2, 3)",
      "view q (2, 3) [[0, 1, 2], [3, 4, 5]]",
    ),
    (
      "np.arange(6).reshape(2, 3).T",
      "view q (3, 2) [[0, 3], [1, 4], [2, 5]]",
    ),
    ("np.arange(6)[::2]", "view q (3,) [0, 2, 4]"),
    ("np.array(1.5)", "view d () 1.5"),
    ("np.zeros((0, 3))", "view d (0, 3) []"),
    ("array.array('h', [1, -1])", "view h (2,) [1, -1]"),
    ("bytearray(b'ab')", "view B (2,) [97, 98]"),
    ("memoryview(b'ab')", "bytes b'ab'"),
    ("memoryview(b'abcd')[::2]", "bytes b'ac'"),
    ("np.float64(1.5)", "float 1.5"),
    ("np.float32(1.5)", "float 1.5"),
    ("np.int8(3)", "int 3"),
    ("np.bool_(True)", "bool True"),
    ("np.str_('a')", "str 'a'"),
  ] {
    assert_eq!(there_and_back(code), outcome, "{code}");
  }
}

#[test]
fn large_bytes_stay_bytes() {
  let outcome = there_and_back("[bytes(100_000), memoryview(bytes(100_000))]");
  let expected = format!("bytes b'{}'", "\\x00".repeat(100_000));
  assert!(outcome == format!("[{expected}, {expected}]"));
}

#[test]
fn memory_is_shared_where_javascript_may_write_and_copied_where_not() {
  with_python(|py| {
    let array = eval(py, "np.arange(4.0)")?;
    let address: usize = array.getattr("ctypes")?.getattr("data")?.extract()?;
    let tape = write(py, &array)?;
    assert_eq!(tape.buffers.len(), 1);
    assert_eq!(tape.buffers[0].data as usize, address);
    assert_eq!(tape.buffers[0].len, 32);
    // One that is read-only, not contiguous or not aligned.
    for code in [
      "(lambda a: (a.setflags(write=False), a)[1])(np.arange(4.0))",
      "np.arange(8.0)[::2]",
      "np.frombuffer(bytearray(33), 'float64', offset=1)",
    ] {
      assert!(write(py, &eval(py, code)?)?.buffers.is_empty(), "{code}");
    }
    // Large ones are copied beside the tape, never the `bytes` themselves.
    let bytes = eval(py, "bytes(100_000)")?;
    let tape = write(py, &bytes)?;
    assert_eq!((tape.buffers.len(), tape.buffers[0].len), (1, 100_000));
    let own = bytes.cast::<pyo3::types::PyBytes>()?.as_bytes().as_ptr();
    assert_ne!(tape.buffers[0].data, own);
    assert!(tape.bytes.len() < 10);
    Ok(())
  });
}

#[test]
fn memory_is_released_when_javascript_lets_go_of_it() {
  with_python(|py| {
    let growing = eval(py, "bytearray(10)")?;
    let tape = write(py, &growing)?;
    assert!(growing.call_method1("append", (1,)).is_err());
    drop(tape);
    growing.call_method1("append", (1,))?;
    Ok(())
  });
}

#[test]
fn memory_from_javascript_is_a_view_that_can_be_written_and_outlives_the_payload() {
  with_python(|py| {
    let mut parts = [Some(Memory::Owned(1.5_f64.to_le_bytes().into()))];
    let view = read(py, &from_hex("0a00080a"), &mut parts)?;
    view.set_item(0, 2.5)?;
    assert_eq!(canon(&view)?, "view d (1,) [2.5]");
    let array = eval(py, "np.asarray")?.call1((&view,))?;
    drop(view);
    assert_eq!(array.call_method0("tolist")?.extract::<Vec<f64>>()?, [2.5]);
    // Cast, sliced, and asked for in Fortran's order.
    let view = read(
      py,
      &from_hex("15060202020b061001000000020000000300000004000000"),
      &mut [],
    )?;
    for (code, outcome) in [
      (
        "lambda v: bytes(v)[:5]",
        "bytes b'\\x01\\x00\\x00\\x00\\x02'",
      ),
      ("lambda v: v[1, 0]", "int 3"),
      (
        "lambda v: np.asarray(v).T.tolist()",
        "[[int 1, int 3], [int 2, int 4]]",
      ),
      ("lambda v: len(v.cast('B'))", "int 16"),
      (
        "lambda v: v.c_contiguous and not v.f_contiguous",
        "bool True",
      ),
    ] {
      assert_eq!(canon(&eval(py, code)?.call1((&view,))?)?, outcome, "{code}");
    }
    Ok(())
  });
}

#[test]
fn what_cannot_go_over_is_named_with_its_place_and_a_remedy() {
  for (code, parts) in [
    ("1j", ["result: JavaScript cannot have this", "`complex`"]),
    ("Node()", ["result: ", "`support.Node`"]),
    ("{'rows': [1, Node()]}", ["result.rows[1]: ", ".ref(…)"]),
    ("{'a b': Node()}", ["result[\"a b\"]: ", "Node"]),
    ("{1: Node()}", ["result[1]: ", "Node"]),
    (
      "{(1, Node()): 1}",
      ["result (key of class tuple)[1]: ", "Node"],
    ),
    ("[Item(Node())]", ["result[0].name: ", "Node"]),
    (
      "{Node()}",
      ["result (member of class support.Node): ", "Node"],
    ),
    ("np.array([object()])", ["result: ", "of dtype `object`"]),
    ("np.array([1j])", ["result: ", "of dtype `complex128`"]),
    (
      "np.array(['2020'], 'M8[D]')",
      ["result: ", "of dtype `datetime64[D]`"],
    ),
    ("np.array([1], '>i4')", ["result: ", "of dtype `>i4`"]),
    (
      "np.array([1], 'longdouble')",
      ["result: ", "of dtype `float128`"],
    ),
    (
      "np.array([(1,)], [('a', 'i4')])",
      ["result: ", "of dtype `[('a', '<i4')]`"],
    ),
    ("np.datetime64('2020')", ["result: ", "`numpy.datetime64`"]),
    ("np.longdouble(1)", ["result: ", "`numpy.longdouble`"]),
    ("np.ma.array([1], mask=[True])", ["result: ", ".filled(…)"]),
    ("nested(1001)", ["result[0][0]", "more than 1,000 levels"]),
    ("changing([])", ["result: This list was changed", "copy"]),
    ("changing({})", ["result: This dict was changed", "copy"]),
    ("range(10**9)", ["result: ", "512 MiB"]),
  ] {
    let said = refusal(code);
    assert!(
      said.starts_with("amphis.ConversionError: "),
      "{code}: {said}"
    );
    for part in parts {
      assert!(said.contains(part), "{code}: {said}");
    }
    assert!(said.len() < 600, "{code}: {said}");
  }
}

#[test]
fn a_thousand_levels_go_over() {
  with_python(|py| write(py, &eval(py, "nested(1000)")?).map(|_| ()));
}

#[test]
fn what_python_raises_meanwhile_is_raised() {
  let code = "type('Raises', (), {'__dataclass_fields__': Item.__dataclass_fields__})()";
  with_python(|py| {
    let error = write(py, &eval(py, code)?)
      .map(|_| ())
      .expect_err("no such attribute");
    assert!(error.to_string().contains("AttributeError"), "{error}");
    Ok(())
  });
}

#[test]
fn exceptions_go_with_their_fields_and_may_be_their_own_causes() {
  assert_eq!(
    there_and_back("[ValueError('no')]"),
    "[(str 'error', NoneType None, {str 'message': str 'no', str 'cause': NoneType None})]"
  );
  let code = "(lambda e: (setattr(e, '__cause__', e), e)[1])(ValueError('no'))";
  assert!(there_and_back(code).contains("(str 'error', NoneType None, {})"));
}

#[test]
fn undefined_is_one_object_that_is_false() {
  assert_eq!(there_and_back("[undefined]"), "[Undefined undefined]");
  with_python(|py| {
    let code =
      "(bool(undefined), repr(undefined), __import__('copy').deepcopy(undefined) is undefined)";
    assert_eq!(
      canon(&eval(py, code)?)?,
      "(bool False, str 'undefined', bool True)"
    );
    Ok(())
  });
}

#[test]
fn keys_that_python_cannot_tell_apart_or_cannot_hash_are_named() {
  with_python(|py| {
    for (tape, said) in [
      // Map([[[], 1]])
      (
        "0c010e010c000402",
        "args[0] (key 0): A list cannot be a key of a dict",
      ),
      // Set([{}])
      (
        "0f010d00",
        "args (member 0): A dict cannot be a member of a set",
      ),
      // Map([[1, 1], [true, 2]])
      (
        "0e0204020402030404",
        "args (key 1): Two keys of this Map are the same",
      ),
      // Set([1, 1n])
      (
        "0f02040206000101",
        "args (member 1): Two members of this Set are the same",
      ),
      // Date(NaN)
      (
        "10000000000000f87f",
        "args: Python's datetime has the years 1 to 9999",
      ),
    ] {
      let error = read(py, &from_hex(tape), &mut [])
        .map(drop)
        .expect_err("no such dict");
      assert!(error.to_string().contains(said), "{error}");
    }
    Ok(())
  });
}
