"""What the tests of values are written with."""

# ruff: noqa: F401 (most names are for the expressions of the tests)

import array
import collections
import dataclasses
import datetime as datetimes
import decimal
import enum
import fractions
import json
import pathlib
import struct
import typing
import uuid
from datetime import datetime, timedelta, timezone

import attrs
import hypothesis
import numpy as np
import pydantic
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy


class Handles:
    """Stands for a handle of either language: no data, but the tests' handles know it."""

    def __init__(self, *parts):
        self.parts = parts


def handle(*parts):
    return Handles(*parts)


def failure(original, fields):
    return ("error", original, fields)


def view(code, values, shape=None):
    items = [struct.pack("<" + code, value) for value in values]
    flat = np.frombuffer(bytearray(b"".join(items)), dtype=np.dtype(code))
    return memoryview(flat if shape is None else flat.reshape(shape))


def empty(code, shape):
    return memoryview(np.zeros(shape, np.dtype(code)))


def canon(value, seen=None):
    """A text that two values share only if they are the same in kind, content and sharing."""
    seen = {} if seen is None else seen
    if isinstance(value, Handles):
        return f"handle{value.parts}"
    if isinstance(value, memoryview):
        return f"view {np.asarray(value).dtype.char} {value.shape} {np.asarray(value).tolist()}"
    if isinstance(value, (list, dict, set, tuple)):
        if id(value) in seen:
            return f"again {seen[id(value)]}"
        seen[id(value)] = len(seen)
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{canon(k, seen)}: {canon(v, seen)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(canon(item, seen) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(canon(item, seen) for item in value) + ")"
    if isinstance(value, set):
        return "set " + ", ".join(sorted(canon(item, seen) for item in value))
    return f"{type(value).__name__} {value!r}"


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(str):
    pass


class Count(int):
    def __abs__(self):
        raise AssertionError("never asked")


class Names(list):
    pass


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Item:
    name: str
    price: float = 1.5
    kind: typing.ClassVar[str] = "class"


@attrs.define
class Box:
    width: int
    items: list


class Address(pydantic.BaseModel):
    street: str = pydantic.Field(alias="Street")
    secret: str = pydantic.Field(default="no", exclude=True)

    @pydantic.computed_field
    @property
    def upper(self) -> str:
        return self.street.upper()


class User(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    address: Address
    _private: int = 1


class Tags(pydantic.RootModel[list[str]]):
    pass


@pydantic.dataclasses.dataclass
class Sealed:
    name: str
    secret: str = pydantic.Field(default="no", exclude=True)


class Node:
    pass


@dataclasses.dataclass
class Fresh:
    """Its field is a new list each time."""

    n: int

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        return [value] if name == "n" else value


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def changing(container):
    """A container of which an item adds to it while it is written."""

    @dataclasses.dataclass
    class Adds:
        name: str = ""

        def __getattribute__(self, name):
            if name == "name":
                add = getattr(container, "append", None) or (
                    lambda item: container.update({item: item})
                )
                add("more")
            return object.__getattribute__(self, name)

    if isinstance(container, dict):
        container["a"] = Adds()
    else:
        container.append(Adds())
    return container


text = st.text(st.characters(exclude_categories=()))
moments = st.datetimes(timezones=st.just(timezone.utc)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, fold=0)
)
elements = st.sampled_from("?bBhHiIqQefd")
arrays = elements.flatmap(
    lambda code: st_numpy.arrays(code, st_numpy.array_shapes(min_dims=0, min_side=0))
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text, st.binary(), moments)
hashable = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text, st.binary())
values = st.recursive(
    st.one_of(leaves, arrays.map(lambda made: memoryview(made.copy()))),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(text, inner),
        # With one key at least that is no text, so that it stays a Map.
        st.dictionaries(hashable, inner).map(lambda items: {0: None} | items),
        st.sets(hashable),
    ),
)


def keep_what_goes_over_and_returns(there_and_back):
    """Raises for a value that comes back as another."""

    @hypothesis.settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @hypothesis.given(values)
    def check(value):
        returned = there_and_back(value)
        assert canon(returned) == canon(value)

    check()
