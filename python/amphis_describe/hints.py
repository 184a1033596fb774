"""The annotations of functions, classes and modules, resolved: texts of PEP 563 and the lazy ones of PEP 649 too."""

import inspect
import sys
import types
import typing

Hints = dict[str, typing.Any]


def is_class(value: typing.Any) -> bool:
    """Whether it is a class, and no `list[int]`, which says it is one on Python 3.10."""
    return isinstance(value, type) and not isinstance(value, types.GenericAlias)


class Unresolved:
    """An annotation that cannot be evaluated: what it names is not there when the program runs."""

    def __init__(self, why: str) -> None:
        self.why = why


def hints_of(owner: typing.Any, cls: type | None = None) -> Hints:
    """The annotations of a function, class or module; one that cannot be resolved spoils no other.

    Args:
        cls: whose method it is: the names that are known within it
    """
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception:
        return one_by_one(owner, cls)


def names_within(cls: type | None, owner: typing.Any) -> Hints:
    """What is known in a class, and the type parameters, which Python 3.12.1 itself forgets."""
    inner = {} if cls is None else dict(vars(cls))
    for each in (cls, owner):
        inner.update({one.__name__: one for one in getattr(each, "__type_params__", ())})
    return inner


def one_by_one(owner: typing.Any, cls: type | None) -> Hints:
    hints: Hints = {}
    if isinstance(owner, type):
        for base in reversed(owner.__mro__):
            scope = vars(sys.modules.get(base.__module__, types))
            for name, hint in raw(base).items():
                hints[name] = resolve(name, hint, scope, names_within(base, base), base)
        return hints
    while hasattr(owner, "__wrapped__"):
        owner = owner.__wrapped__
    scope = (
        vars(owner) if isinstance(owner, types.ModuleType) else getattr(owner, "__globals__", {})
    )
    for name, hint in raw(owner).items():
        hints[name] = resolve(name, hint, scope, names_within(cls, owner), owner)
    return hints


def signature_of(function: typing.Any) -> inspect.Signature:
    """Its parameters; where annotations are lazy, those that cannot be evaluated do no harm."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def raw(owner: typing.Any) -> Hints:
    if sys.version_info >= (3, 14):
        import annotationlib

        # What is not defined becomes a ForwardRef where others are values.
        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
    try:
        return dict(inspect.get_annotations(owner))
    except TypeError:
        return {}


def resolve(
    name: str, hint: typing.Any, scope: Hints, local: Hints | None, owner: typing.Any
) -> typing.Any:
    """By way of a function with that one annotation: `get_type_hints` takes those on every version."""
    bearer = types.FunctionType((lambda: None).__code__, dict(scope))
    bearer.__annotations__ = {name: hint}
    parameters = getattr(owner, "__type_params__", ())
    if parameters:
        bearer.__type_params__ = parameters  # type: ignore[attr-defined]
    try:
        return typing.get_type_hints(bearer, localns=local, include_extras=True)[name]
    except Exception as error:
        return Unresolved(f"{type(error).__name__}: {error}")
