"""Arrays of numpy, which is not imported for it: who annotates with it has it."""

import sys
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

# Stands for `numpy.typing.ArrayLike` among the members of a union.
ARRAY_LIKE = object()

REFUSED = ("complex", "object", "datetime64", "timedelta64", "str_", "bytes_", "void", "longdouble")


def is_array(hint: typing.Any) -> bool:
    origin = typing.get_origin(hint) or hint
    return (
        getattr(origin, "__module__", "") == "numpy"
        and getattr(origin, "__name__", "") == "ndarray"
    )


def is_array_like(hint: typing.Any) -> bool:
    """Whether it is `numpy.typing.ArrayLike`, which is a union of protocols or an alias."""
    module = sys.modules.get("numpy.typing")
    return module is not None and hint == module.ArrayLike


def without_array_like(members: tuple[typing.Any, ...]) -> list[typing.Any]:
    """The members of a union, with one in place of those of `ArrayLike`, where that is a union."""
    module = sys.modules.get("numpy.typing")
    inner = typing.get_args(module.ArrayLike) if module is not None else ()
    if not inner or not all(each in members for each in inner):
        return list(members)
    return [ARRAY_LIKE, *(each for each in members if each not in inner)]


def is_of_numpy(alias: typing.Any) -> bool:
    """Whether it is an alias of numpy's own, such as `NDArray`, which is one from Python 3.12 on."""
    return str(getattr(alias, "__module__", "")).startswith("numpy.")


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
