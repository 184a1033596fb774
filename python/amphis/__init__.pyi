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

from typing import Any, Final, Literal, final

from . import node as node

__all__ = [
    "ConversionError",
    "EngineUnavailable",
    "JavaScriptError",
    "JavaScriptFrame",
    "Undefined",
    "node",
    "undefined",
]

class JavaScriptFrame:
    """One frame of a JavaScript stack.

    Attributes:
        function (str): its name as the stack has it, "" for none.
        file (str): path or URL.
        line (int | None): from 1.
        column (int | None): from 1.
    """

    __slots__ = ("column", "file", "function", "line")

    function: str
    file: str
    line: int | None
    column: int | None

    def __init__(
        self, function: str, file: str, line: int | None = None, column: int | None = None
    ) -> None: ...
    def keys(self) -> list[str]: ...
    def __contains__(self, key: object) -> bool: ...
    def __getitem__(self, key: str) -> str | int: ...
    def get(self, key: str, default: Any = ...) -> Any: ...

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

    name: str
    message: str
    stack: str
    cause: Any
    code: Any
    properties: dict[str, Any]
    thrown: Any

    def __init__(
        self,
        name: str,
        message: str,
        stack: str = "",
        *,
        cause: object = None,
        code: object = None,
        properties: dict[str, Any] | None = None,
        thrown: object = ...,
    ) -> None: ...
    @property
    def frames(self) -> list[JavaScriptFrame]:
        """The stack in pieces, the innermost first."""

class ConversionError(TypeError):
    """A value that the other language cannot have.

    Attributes:
        path (str): its place, as `args[0].user.tags[3]`; the message begins with it.
    """

    path: str

@final
class Undefined:
    """JavaScript's `undefined`. There is one, `amphis.undefined`; it is false, and equal to nothing but itself."""

    def __bool__(self) -> Literal[False]: ...

undefined: Final[Undefined]
"""What JavaScript says where there is nothing: what a function without `return` gives, a property that is not there."""

class EngineUnavailable(ImportError):
    """This Node.js has no engine for isolated runtimes: the message says why, and which versions have one."""
