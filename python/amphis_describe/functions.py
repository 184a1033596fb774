"""Functions and methods: their parameters, what they give, their overloads."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable

from .hints import hints_of, signature_of

if typing.TYPE_CHECKING:
    from .kinds import Kinds

# A default that is written out in the documentation.
LONGEST_DEFAULT = 40


def describe_callable(
    function: typing.Any, kinds: Kinds, *, drops_first: bool = False
) -> dict[str, object] | None:
    """None where it has no signature that could be told."""
    overloads = [
        described
        for each in overloads_of(function)
        if (described := describe_signature(each, kinds, drops_first)) is not None
    ]
    own = describe_signature(function, kinds, drops_first)
    if own is None and not overloads:
        return {"doc": docstring(function), "signatures": []}
    return {"doc": docstring(function), "signatures": overloads or [own]}


def overloads_of(function: typing.Any) -> list[typing.Any]:
    inner = inspect.unwrap(function) if callable(function) else function
    inner = getattr(inner, "__func__", inner)
    try:
        return list(typing.get_overloads(inner))
    except AttributeError:
        return []


def docstring(owner: typing.Any) -> str | None:
    text = getattr(owner, "__doc__", None)
    # Partial functions have that of their class.
    if not isinstance(text, str) or isinstance(owner, functools.partial):
        return None
    return inspect.cleandoc(text).strip() or None


def describe_signature(
    function: typing.Any, kinds: Kinds, drops_first: bool = False
) -> dict[str, object] | None:
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):
        return None
    inner = innermost(function)
    hints = hints_of(inner, kinds.own_class)
    parameters = list(signature.parameters.values())[1 if drops_first else 0 :]
    described = [describe_parameter(each, hints, kinds) for each in parameters]
    return {"parameters": described, "result": describe_result(inner, signature, hints, kinds)}


def innermost(function: typing.Any) -> typing.Any:
    """What bears the annotations and knows whether it is async."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.ismethod(function):
            function = function.__func__
        elif not isinstance(function, type) and not inspect.isroutine(function):
            own = inspect.getattr_static(type(function), "__call__", None)
            if not inspect.isfunction(own):
                return function
            function = own
        else:
            return function


def describe_parameter(
    parameter: inspect.Parameter, hints: dict[str, typing.Any], kinds: Kinds
) -> dict[str, object]:
    described: dict[str, object] = {
        "name": parameter.name,
        "kind": {
            inspect.Parameter.POSITIONAL_ONLY: "positional",
            inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
            inspect.Parameter.VAR_POSITIONAL: "rest",
            inspect.Parameter.KEYWORD_ONLY: "keyword",
            inspect.Parameter.VAR_KEYWORD: "keywords",
        }[parameter.kind],
        "type": kinds.of_hint(parameter.name, hints, parameter.annotation),
    }
    if parameter.default is not inspect.Parameter.empty:
        described["default"] = shown(parameter.default)
    return described


def shown(value: object) -> str | None:
    try:
        text = repr(value)
    except Exception:
        return None
    # An address says nothing.
    return text if len(text) <= LONGEST_DEFAULT and " at 0x" not in text else None


def describe_result(
    function: Callable[..., object],
    signature: inspect.Signature,
    hints: dict[str, typing.Any],
    kinds: Kinds,
) -> dict[str, object]:
    result = kinds.of_hint("return", hints, signature.return_annotation)
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if is_generator and result["kind"] != "iterator":
        # `-> Iterable[T]`, or nothing.
        of = result["of"] if result["kind"] in ("iterable", "awaited-each") else result
        return {"kind": "iterator", "of": of}
    if inspect.iscoroutinefunction(function) and result["kind"] == "awaitable":
        return {"kind": "awaitable", "of": result["of"]}
    return result
