"""Python inside a Node.js process, and the JavaScript of its host.

`amphis.node` imports and calls that JavaScript; `amphis.js` has isolated runtimes, with nothing of the host
inside. This package is built into the process: there is nothing to
install, and outside of amphis (`npx amphis`, a `PythonHandler`, `npx amphis run`) there is none.

    from amphis import JavaScriptError, node

    try:
        render = await node.import_module("./render.mjs")
        html = await render.page({"user": user})
    except JavaScriptError as error:
        print(error.name, error.message, error.code)
"""

import re as _re
import sys as _sys
from importlib.machinery import ModuleSpec as _ModuleSpec

from amphis._native import (
    ConversionError,
    EngineUnavailable,
    Undefined,
    fill_aws_lambda,
    fill_js,
    undefined,
)

__all__ = [
    "ConversionError",
    "EngineUnavailable",
    "JavaScriptError",
    "JavaScriptFrame",
    "Undefined",
    "node",
    "undefined",
]


_fill = {"amphis.aws_lambda": fill_aws_lambda, "amphis.js": fill_js}


class _Finder:
    """Finds the modules of the package that are made when they are first imported."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return _ModuleSpec(name, cls, origin="built-in") if name in _fill else None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        _fill[module.__name__](module)


_sys.meta_path.append(_Finder)


def __getattr__(name):
    if name == "js":
        from importlib import import_module

        return import_module("amphis.js")
    raise AttributeError(f"module 'amphis' has no attribute {name!r}")


_FRAME_KEYS = {
    "function_name": "function",
    "file_name": "file",
    "line_number": "line",
    "column_number": "column",
}


class JavaScriptFrame:
    """One frame of a JavaScript stack.

    Attributes:
        function (str): its name as the stack has it, "" for none.
        file (str): path or URL.
        line (int | None): from 1.
        column (int | None): from 1.
    """

    __slots__ = ("column", "file", "function", "line")

    def __init__(self, function, file, line=None, column=None):
        self.function, self.file, self.line, self.column = function, file, line, column

    # As a dict with the names that jsrun has for them; what is not known is not there.

    def keys(self):
        return [key for key, name in _FRAME_KEYS.items() if getattr(self, name) not in (None, "")]

    def __contains__(self, key):
        return key in self.keys()

    def __getitem__(self, key):
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, _FRAME_KEYS[key])

    def get(self, key, default=None):
        return self[key] if key in self.keys() else default

    def __repr__(self):
        return f"JavaScriptFrame({self.function!r}, {self.file!r}, {self.line!r}, {self.column!r})"


_FRAME = _re.compile(
    r"^\s+at (?:(?P<function>.*?) \()?(?P<file>.*?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?\)?$"
)


class JavaScriptError(Exception):
    """What JavaScript threw.

    Attributes:
        name (str): "TypeError" and the like; "" for what is no error.
        message (str): its message; for what is no error, how Node.js shows it.
        stack (str): the whole stack as text, "" where there is none.
        frames (list[JavaScriptFrame]): the same in pieces, the innermost first.
        cause (object): what the error says that it came from, or None; an error is an exception here.
        code (object): its `code`, as Node.js' own errors have one ("ENOENT"), or None.
        properties (dict): its other own properties as far as they are data.
        thrown (object): what was thrown, for what is no error; else `undefined`.

    Raised on into JavaScript it is the error that it was there.
    """

    def __init__(
        self, name, message, stack="", *, cause=None, code=None, properties=None, thrown=undefined
    ):
        super().__init__(name, message)
        self.name = name
        self.message = message
        self.stack = stack
        self.cause = cause
        self.code = code
        self.properties = properties or {}
        self.thrown = thrown
        # The proxy of the error in JavaScript.
        self._original = None

    @property
    def frames(self):
        """The stack in pieces, the innermost first."""
        found = map(_FRAME.match, self.stack.split("\n"))
        return [
            JavaScriptFrame(
                each["function"] or "",
                each["file"],
                each["line"] and int(each["line"]),
                each["column"] and int(each["column"]),
            )
            for each in found
            if each
        ]

    def __str__(self):
        head = f"{self.name}: {self.message}" if self.name else f"JavaScript threw {self.message}"
        frames = [line for line in self.stack.split("\n") if line.lstrip().startswith("at ")]
        return "\n".join([head, *frames])


def _error(original, fields):
    """The error that JavaScript describes; for Rust."""
    properties = fields.get("props", {})
    name = fields.get("name", "")
    error = JavaScriptError(
        name,
        fields.get("message", ""),
        fields.get("stack", ""),
        cause=fields.get("cause"),
        code=fields.get("code"),
        properties=properties,
        thrown=undefined if name else properties.pop("thrown", undefined),
    )
    error._original = original
    if isinstance(error.cause, BaseException):
        error.__cause__ = error.cause
    return error
