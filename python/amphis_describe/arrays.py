"""Arrays of numpy, which is not imported for it: who annotates with it has it."""

import typing

DTYPES = {
    "uint8": "Uint8Array",
    "int8": "Int8Array",
    "bool": "Uint8Array",
    "bool_": "Uint8Array",
    "uint16": "Uint16Array",
    "int16": "Int16Array",
    "uint32": "Uint32Array",
    "int32": "Int32Array",
    "uint64": "BigUint64Array",
    "int64": "BigInt64Array",
    "float32": "Float32Array",
    "float64": "Float64Array",
}

REFUSED = ("complex", "object", "datetime64", "timedelta64", "str_", "bytes_", "void", "longdouble")


def is_array(hint: typing.Any) -> bool:
    origin = typing.get_origin(hint) or hint
    return (
        getattr(origin, "__module__", "") == "numpy"
        and getattr(origin, "__name__", "") == "ndarray"
    )


def describe_array(hint: typing.Any, value: typing.Any = None) -> dict[str, object]:
    """The element type of `NDArray[float64]` and of `ndarray[tuple[int, int], dtype[float64]]`."""
    name = scalar_name(hint) if value is None else str(value.dtype)
    if name is not None and name.startswith(REFUSED):
        return {"kind": "unknown", "why": f"arrays of {name} cannot be converted"}
    return {"kind": "array", "array": DTYPES.get(name or "")}


def scalar_name(hint: typing.Any) -> str | None:
    arguments = typing.get_args(hint)
    if len(arguments) != 2:
        return None
    scalars = typing.get_args(arguments[1])
    return getattr(scalars[0], "__name__", None) if scalars else None
