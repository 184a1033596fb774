"""A module as it is: imports it and describes all that it offers."""

import ast
import importlib
import os
import sys
import traceback
import types
import typing

from .functions import describe_callable
from .hints import hints_of, is_class
from .kinds import Kinds
from .names import names_of

LONGEST_TEXT = 4096


def describe_types(path: str, app_dir: str, name: str) -> dict[str, object]:
    """Imports the file as the module of that name and describes what `import *` would give of it."""
    record_overloads()
    sys.path.insert(0, app_dir)
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        kind = type(error)
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        return {"importError": {"type": name, "traceback": own_traceback(error)}}
    file = getattr(module, "__file__", None)
    if file is None or not os.path.samefile(file, path):
        return {"otherModule": file or "a module of Python's own"}
    kinds = Kinds(module, app_dir)
    exports = [describe_export(module, each, kinds) for each in offered(module, path)]
    docstring = module.__doc__ if isinstance(module.__doc__, str) else None
    return {
        "module": name,
        "doc": docstring,
        "exports": [each for each in exports if each is not None],
        "definitions": kinds.definitions(),
    }


def offered(module: types.ModuleType, path: str) -> list[str]:
    listed = getattr(module, "__all__", None)
    if isinstance(listed, (list, tuple)) and all(isinstance(each, str) for each in listed):
        names = list(dict.fromkeys(listed))
    else:
        with open(path, "rb") as file:
            names = [each["name"] for each in names_of(ast.parse(file.read(), path))]
    return [each for each in names if hasattr(module, each)]


def describe_export(module: types.ModuleType, name: str, kinds: Kinds) -> dict[str, object] | None:
    value = getattr(module, name)
    if isinstance(value, (types.ModuleType, typing.TypeVar)) or kinds.is_type_variable(value):
        return None
    if kinds.is_alias(value):
        return {"name": name, "kind": "type", "type": kinds.module_alias(name, value)}
    if is_class(value):
        return {"name": name, "kind": "class", **kinds.describe_class_export(value)}
    if callable(value):
        described = describe_callable(value, kinds)
        if described is not None:
            return {"name": name, "kind": "function", **described}
    hint = hints_of(module).get(name)
    described = {"kind": "unknown"} if hint is None else kinds.of(hint)
    if described["kind"] == "unknown":
        # Not annotated, or with a bare `Final`.
        described = kinds.of_value(value)
    return {"name": name, "kind": "constant", "type": described, "atOnce": is_small(value)}


def is_small(value: object) -> bool:
    """Whether it comes with the module, as numbers and short texts do (src/calls/members.rs)."""
    if type(value) is str:
        return len(value) <= LONGEST_TEXT
    return value is None or type(value) in (bool, int, float)


def record_overloads() -> None:
    """`typing.get_overloads` is of Python 3.11: before it, overloads are forgotten."""
    if hasattr(typing, "get_overloads"):
        return
    recorded: dict[tuple[str, str], list[object]] = {}

    def overload(function: typing.Any) -> typing.Any:
        recorded.setdefault((function.__module__, function.__qualname__), []).append(function)
        return function

    def get_overloads(function: typing.Any) -> list[object]:
        key = (getattr(function, "__module__", ""), getattr(function, "__qualname__", ""))
        return recorded.get(key, [])

    typing.overload = overload  # type: ignore[assignment]
    typing.get_overloads = get_overloads  # type: ignore[attr-defined]


def own_traceback(error: BaseException) -> str:
    """The traceback from the module's own first frame on."""
    here = os.path.dirname(os.path.abspath(__file__))
    frame = error.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if not file.startswith((here, "<frozen importlib", os.path.dirname(importlib.__file__))):
            break
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))
