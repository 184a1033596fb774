"""From annotations and values to a description that knows nothing of Python's typing: trees of `kind`s."""

from __future__ import annotations

import collections
import collections.abc
import datetime
import decimal
import enum
import fractions
import inspect
import pathlib
import types
import typing
import uuid

from . import classes
from .arrays import (
    ARRAY_LIKE,
    describe_array,
    is_array,
    is_array_like,
    is_of_numpy,
    without_array_like,
)
from .functions import describe_signature
from .hints import Unresolved, is_class, resolve

Described = dict[str, typing.Any]

try:
    import typing_extensions
except ImportError:
    typing_extensions = typing  # type: ignore[assignment]


def special(name: str) -> tuple[typing.Any, ...]:
    """A form of typing in its own module and in the package of later forms, where they differ."""
    found = [getattr(module, name, None) for module in (typing, typing_extensions)]
    return tuple(each for each in found if each is not None)


ANY, SELF, NEVER = special("Any"), special("Self"), (*special("Never"), *special("NoReturn"))
LITERAL, ANNOTATED = special("Literal"), special("Annotated")
WRAPPERS = tuple(
    each
    for name in ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "TypeGuard", "TypeIs")
    for each in special(name)
)
GUARDS = (*special("TypeGuard"), *special("TypeIs"))
UNION = (typing.Union, types.UnionType)
ALIAS_TYPES = special("TypeAliasType")
TEXTS = (*special("LiteralString"), *special("AnyStr"))

SIMPLE: dict[typing.Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    bytearray: "bytes",
    memoryview: "buffer",
    type(None): "none",
    None: "none",
    object: "unknown",
    datetime.timedelta: "timedelta",
    datetime.datetime: "datetime",
    **dict.fromkeys((list, collections.deque), "list"),
    **dict.fromkeys((dict, collections.OrderedDict, collections.defaultdict), "dict"),
    **dict.fromkeys((set, frozenset), "set"),
    tuple: "tuple",
    type: "class-of",
}

# What becomes a text in JavaScript, and cannot be made there.
TEXTUAL = (
    datetime.date,
    datetime.time,
    uuid.UUID,
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PurePath,
)

GENERIC: dict[typing.Any, str] = {
    **dict.fromkeys((list, collections.deque), "list"),
    collections.abc.Sequence: "list",
    collections.abc.MutableSequence: "list",
    **dict.fromkeys((collections.abc.Iterable, collections.abc.Collection), "iterable"),
    **dict.fromkeys((set, frozenset), "set"),
    **dict.fromkeys((collections.abc.Set, collections.abc.MutableSet), "set"),
    **dict.fromkeys((dict, collections.OrderedDict, collections.defaultdict), "dict"),
    **dict.fromkeys((collections.abc.Mapping, collections.abc.MutableMapping), "dict"),
    **dict.fromkeys((collections.abc.Iterator, collections.abc.Generator), "iterator"),
    **dict.fromkeys((collections.abc.AsyncIterator, collections.abc.AsyncGenerator), "iterator"),
    collections.abc.AsyncIterable: "async-iterable",
    collections.abc.Awaitable: "awaitable",
    collections.abc.Coroutine: "awaitable",
    collections.abc.Callable: "callable",
    tuple: "tuple",
    type: "class-of",
}


# Classes that stand for constraints: no value is an instance of them.
PYDANTIC: dict[str, dict[str, typing.Any]] = {
    "AwareDatetime": {"kind": "datetime", "aware": True},
    "NaiveDatetime": {"kind": "datetime", "aware": False},
    "PastDatetime": {"kind": "datetime"},
    "FutureDatetime": {"kind": "datetime"},
    "PastDate": {"kind": "text", "python": "datetime.date"},
    "FutureDate": {"kind": "text", "python": "datetime.date"},
    "EmailStr": {"kind": "str"},
}


class Kinds:
    """Describes types, and keeps the definitions of those that have names."""

    def __init__(self, module: types.ModuleType, app_dir: str) -> None:
        self.module = module
        self.app_dir = app_dir
        self.own_class: type | None = None
        self.known: dict[str, Described] = {}
        self.resolving: set[str] = set()

    def definitions(self) -> dict[str, Described]:
        return self.known

    def of_hint(self, name: str, hints: dict[str, typing.Any], fallback: typing.Any) -> Described:
        hint = hints.get(name, fallback)
        if hint is inspect.Parameter.empty:
            return unknown("not annotated")
        if isinstance(hint, str):
            return unknown(f"{hint} cannot be resolved")
        return self.of(hint)

    def of(self, hint: typing.Any) -> Described:
        try:
            return self.describe(hint)
        except RecursionError:
            return unknown("it is nested too deeply")

    def describe(self, hint: typing.Any) -> Described:
        if isinstance(hint, Unresolved):
            return unknown(hint.why)
        if isinstance(hint, (str, typing.ForwardRef)):
            return self.forward(getattr(hint, "__forward_arg__", hint))
        if is_one_of(hint, ANY):
            return {"kind": "any"}
        if is_one_of(hint, SELF) and self.own_class is not None:
            return self.reference(self.own_class, ())
        if is_one_of(hint, NEVER):
            return {"kind": "never"}
        if is_one_of(hint, TEXTS):
            return {"kind": "str"}
        if isinstance(hint, typing.TypeVar) or is_named(hint, "TypeVar"):
            return self.variable(hint)
        if self.is_type_variable(hint):
            return unknown(f"{hint} stands for parameters")
        if isinstance(hint, typing.NewType):
            return self.alias(hint, hint.__name__, lambda: hint.__supertype__, ())
        if hint is ARRAY_LIKE or is_array_like(hint):
            return {"kind": "array-like"}
        # `Pair[int]` says on Python 3.10 that it is one, too.
        if typing.get_origin(hint) is None and ALIAS_TYPES and isinstance(hint, ALIAS_TYPES):
            return self.alias(hint, hint.__name__, lambda: hint.__value__, hint.__type_params__)
        if is_array(hint):
            return describe_array(hint)
        if typing.get_origin(hint) is not None:
            return self.generic(hint)
        if is_class(hint) or hint is None:
            return self.plain(hint)
        # A bare form such as `typing.Sequence` has an origin; what is left is none that is known.
        return unknown(f"{shown_type(hint)} has no counterpart")

    def forward(self, text: str) -> Described:
        """A name that was not there yet when it was written, as in an alias that contains itself."""
        value = vars(self.module).get(text)
        if value is not None and self.is_alias(value):
            return self.module_alias(text, value)
        if text in self.resolving:
            return unknown(f"{text} contains itself")
        self.resolving.add(text)
        try:
            return self.of(resolve("it", text, vars(self.module), None, None))
        finally:
            self.resolving.discard(text)

    def plain(self, hint: typing.Any) -> Described:
        if hint in SIMPLE:
            kind = SIMPLE[hint]
            return self.bare(kind) if kind in ("list", "dict", "set", "tuple") else {"kind": kind}
        named = PYDANTIC.get(hint.__name__) if hint.__module__.startswith("pydantic.") else None
        if named is not None:
            return dict(named)
        if hint is complex:
            return unknown("complex numbers cannot be converted")
        if hint in GENERIC:
            return self.bare(GENERIC[hint])
        scalar = numpy_scalar(hint)
        if scalar is not None:
            return {"kind": scalar}
        if issubclass(hint, BaseException):
            return {"kind": "error"}
        if issubclass(hint, TEXTUAL):
            return {"kind": "text", "python": shown_type(hint)}
        if issubclass(hint, enum.Enum) or classes.is_record(hint):
            return self.reference(hint, ())
        if issubclass(hint, tuple) and hasattr(hint, "_fields"):
            return self.reference(hint, ())
        # Subclasses are written as what they are based on.
        for base in (datetime.datetime, datetime.timedelta, bool, int, float, str, bytes):
            if issubclass(hint, base):
                return {"kind": SIMPLE[base]}
        if issubclass(hint, collections.Counter):
            return {"kind": "dict", "key": unknown(), "value": {"kind": "int"}}
        for base in (list, dict, set, frozenset):
            if issubclass(hint, base):
                return self.subclass_of(hint, base)
        return self.reference(hint, ())

    def subclass_of(self, hint: type, base: type) -> Described:
        """`class Names(list[str])` is a list of texts."""
        for each in getattr(hint, "__orig_bases__", ()):
            if typing.get_origin(each) is base:
                return self.generic(each)
        return self.bare(SIMPLE[base])

    def bare(self, kind: str) -> Described:
        if kind == "dict":
            return {"kind": "dict", "key": {"kind": "str"}, "value": unknown()}
        if kind == "tuple":
            return {"kind": "list", "of": unknown()}
        if kind == "callable":
            return {"kind": "callable", "parameters": None, "result": unknown()}
        return {"kind": kind, "of": unknown()}

    def generic(self, hint: typing.Any) -> Described:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if is_one_of(origin, ANNOTATED):
            return self.of(arguments[0])
        if is_one_of(origin, WRAPPERS):
            if is_one_of(origin, GUARDS):
                return {"kind": "bool"}
            return self.of(arguments[0])
        if is_one_of(origin, UNION):
            described = [self.of(each) for each in without_array_like(arguments)]
            return {"kind": "union", "of": described}
        if is_one_of(origin, LITERAL):
            return {"kind": "union", "of": [self.literal(each) for each in arguments]}
        if ALIAS_TYPES and isinstance(origin, ALIAS_TYPES):
            if is_of_numpy(origin):
                return self.of(origin.__value__[arguments])
            inner = self.alias(
                origin, origin.__name__, lambda: origin.__value__, origin.__type_params__
            )
            return {**inner, "arguments": [self.of(each) for each in arguments]}
        if origin is collections.Counter:
            return {"kind": "dict", "key": self.of(arguments[0]), "value": {"kind": "int"}}
        kind = GENERIC.get(origin)
        if kind is None:
            return self.reference(origin, arguments)
        if kind == "tuple":
            return self.tuple(arguments)
        if not arguments:
            return self.bare(kind)
        if kind == "dict":
            key, value = (self.of(each) for each in arguments)
            return {"kind": "dict", "key": key, "value": value}
        if kind == "callable":
            return self.callable(arguments)
        # The result of a coroutine is the last of three; what a generator gives is the first.
        last = origin is collections.abc.Coroutine
        return {"kind": kind, "of": self.of(arguments[-1 if last else 0])}

    def tuple(self, arguments: tuple[typing.Any, ...]) -> Described:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"kind": "list", "of": self.of(arguments[0])}
        # `tuple[()]` has one argument before Python 3.11.
        given = () if arguments == ((),) else arguments
        unpacked = [each for each in given if is_unpacked(each)]
        if unpacked:
            return {"kind": "list", "of": unknown("an unpacked tuple has no counterpart")}
        return {"kind": "tuple", "of": [self.of(each) for each in given]}

    def callable(self, arguments: tuple[typing.Any, ...]) -> Described:
        *given, result = arguments
        parameters = given[0] if len(given) == 1 else given
        described = [self.of(each) for each in parameters] if isinstance(parameters, list) else None
        return {"kind": "callable", "parameters": described, "result": self.of(result)}

    def literal(self, value: typing.Any) -> Described:
        if isinstance(value, enum.Enum):
            inner = self.literal(value.value)
            # A plain member equals no value of JavaScript's.
            return inner if isinstance(value, (str, int)) else {**inner, "member": str(value)}
        if value is None or isinstance(value, (bool, str)):
            return {"kind": "literal", "value": value}
        if isinstance(value, int):
            return {"kind": "literal-int", "value": str(value)}
        return self.of_value(value)

    def variable(self, hint: typing.Any) -> Described:
        described: Described = {"kind": "variable", "name": hint.__name__}
        if hint.__constraints__:
            described["bound"] = {
                "kind": "union",
                "of": [self.of(each) for each in hint.__constraints__],
            }
        elif hint.__bound__ is not None:
            described["bound"] = self.of(hint.__bound__)
        return described

    def is_type_variable(self, value: typing.Any) -> bool:
        return any(is_named(value, name) for name in ("TypeVar", "ParamSpec", "TypeVarTuple"))

    def is_alias(self, value: typing.Any) -> bool:
        """Whether a name of the module is one of a type, and of nothing else."""
        if isinstance(value, typing.NewType) or (ALIAS_TYPES and isinstance(value, ALIAS_TYPES)):
            return True
        if classes.is_typed_dict(value):
            return True
        return not is_class(value) and typing.get_origin(value) is not None

    def module_alias(self, name: str, value: typing.Any) -> Described:
        """An alias by the name that the module gives it."""
        if isinstance(value, typing.NewType) or (ALIAS_TYPES and isinstance(value, ALIAS_TYPES)):
            described = self.of(value)
        elif classes.is_typed_dict(value):
            described = self.reference(value, ())
        else:
            described = None
        if described is not None and self.known[described["id"]]["name"] == name:
            return described
        identity = f"{self.module.__name__}.{name}"
        if identity not in self.known:
            self.known[identity] = {"kind": "alias", "name": name}
            self.known[identity]["type"] = described or self.of(value)
        return {"kind": "reference", "id": identity, "arguments": []}

    def alias(
        self,
        hint: typing.Any,
        name: str,
        value: collections.abc.Callable[[], typing.Any],
        parameters: tuple[typing.Any, ...],
    ) -> Described:
        identity = f"{hint.__module__}.{name}"
        if identity not in self.known:
            known: Described = {"kind": "alias", "name": name}
            self.known[identity] = known
            known["parameters"] = [self.of(each) for each in parameters]
            try:
                known["type"] = self.of(value())
            except Exception as error:
                known["type"] = unknown(f"{type(error).__name__}: {error}")
        return {"kind": "reference", "id": identity, "arguments": []}

    def reference(self, cls: typing.Any, arguments: tuple[typing.Any, ...]) -> Described:
        generic = getattr(cls, "__pydantic_generic_metadata__", None)
        if generic and generic["origin"] is not None:
            cls, arguments = generic["origin"], generic["args"]
        identity = f"{cls.__module__}.{cls.__qualname__}"
        if identity not in self.known:
            known: Described = {"kind": "opaque", "name": cls.__name__}
            self.known[identity] = known
            before, self.own_class = self.own_class, cls
            try:
                known.update(classes.define(cls, self))
            finally:
                self.own_class = before
        return {
            "kind": "reference",
            "id": identity,
            "arguments": [self.of(each) for each in arguments],
        }

    def describe_class_export(self, cls: type) -> Described:
        described = self.plain(cls)
        if described["kind"] == "reference":
            # Of a generic class the call decides what its instance is of.
            described["arguments"] = self.known[described["id"]].get("parameters", [])
        before, self.own_class = self.own_class, cls
        try:
            constructor = classes.describe_constructor(cls, self)
            return {"instance": described, **constructor, "statics": classes.statics_of(cls, self)}
        finally:
            self.own_class = before

    def of_value(self, value: typing.Any, depth: int = 3) -> Described:
        """The type of a constant that has no annotation."""
        if depth == 0:
            return unknown()
        if is_array(type(value)):
            return describe_array(type(value), value)
        if isinstance(value, (bool, int, float, str, bytes)) or value is None:
            return self.plain(type(value))
        if isinstance(value, datetime.datetime):
            return {"kind": "datetime", "aware": value.tzinfo is not None}
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return {"kind": "tuple", "of": [self.of_value(each, depth - 1) for each in value]}
        if type(value) in (list, set, frozenset, collections.deque):
            kind = SIMPLE[type(value)]
            return {"kind": kind, "of": self.of_values(list(value), depth)}
        if type(value) in (dict, collections.OrderedDict, collections.defaultdict):
            key = self.of_values(list(value), depth) if value else {"kind": "str"}
            return {"kind": "dict", "key": key, "value": self.of_values([*value.values()], depth)}
        return self.plain(type(value))

    def of_values(self, values: list[typing.Any], depth: int) -> Described:
        kinds: list[Described] = []
        for value in values[:1000]:
            described = self.of_value(value, depth - 1)
            if described not in kinds:
                kinds.append(described)
        if not kinds or len(kinds) > 4:
            return unknown()
        return kinds[0] if len(kinds) == 1 else {"kind": "union", "of": kinds}

    def method(self, function: typing.Any, *, drops_first: bool) -> Described:
        from .functions import describe_callable

        return describe_callable(function, self, drops_first=drops_first) or {"signatures": []}

    def signature(self, function: typing.Any) -> Described | None:
        return describe_signature(function, self)


def unknown(why: str | None = None) -> Described:
    return {"kind": "unknown"} if why is None else {"kind": "unknown", "why": why}


def is_one_of(value: typing.Any, others: tuple[typing.Any, ...]) -> bool:
    # By identity: what is compared may have an `__eq__` of its own.
    return any(value is each for each in others)


def is_named(value: typing.Any, name: str) -> bool:
    cls = type(value)
    return cls.__name__ == name and cls.__module__ in ("typing", "typing_extensions")


def is_unpacked(value: typing.Any) -> bool:
    return getattr(value, "__unpacked__", False) is True or is_one_of(
        typing.get_origin(value), special("Unpack")
    )


def numpy_scalar(cls: type) -> str | None:
    """What a scalar of numpy's is written as."""
    names = [f"{each.__module__}.{each.__name__}" for each in cls.__mro__]
    for name, kind in (
        ("numpy.bool", "bool"),
        ("numpy.bool_", "bool"),
        ("numpy.integer", "int"),
        ("numpy.floating", "float"),
        ("numpy.str_", "str"),
    ):
        if name in names:
            return kind
    return None


def shown_type(hint: typing.Any) -> str:
    if is_class(hint):
        # By where it is had from: some live in a private module.
        parts = [each for each in hint.__module__.split(".") if not each.startswith("_")]
        return ".".join([*(parts if parts != ["builtins"] else []), hint.__qualname__])
    return str(hint)
