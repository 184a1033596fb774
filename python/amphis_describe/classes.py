"""Classes: those whose instances are data (dataclasses, pydantic's models and others), enums, and plain ones."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import os
import sys
import typing

from .functions import describe_signature, docstring
from .hints import Hints, hints_of, is_class, signature_of

if typing.TYPE_CHECKING:
    from .kinds import Described, Kinds

# The documentation of a base class says nothing of this one.
GENERIC_DOCS = ("An enumeration.", "Create a collection of name/value pairs.")


def is_typed_dict(cls: typing.Any) -> bool:
    return is_class(cls) and issubclass(cls, dict) and hasattr(cls, "__required_keys__")


def is_model(cls: typing.Any) -> bool:
    """Whether it is one of pydantic's, of the second version on."""
    return (
        is_class(cls)
        and isinstance(
            getattr(cls, "__pydantic_fields__", None) or getattr(cls, "model_fields", None), dict
        )
        and hasattr(cls, "__pydantic_core_schema__")
    )


def is_attrs(cls: typing.Any) -> bool:
    return is_class(cls) and hasattr(cls, "__attrs_attrs__")


def is_record(cls: typing.Any) -> bool:
    """Whether its instances, as data, are objects with the same keys always."""
    if not is_class(cls):
        return False
    return is_typed_dict(cls) or dataclasses.is_dataclass(cls) or is_model(cls) or is_attrs(cls)


def own_doc(cls: type) -> str | None:
    text = vars(cls).get("__doc__")
    if not isinstance(text, str) or text.startswith((f"{cls.__name__}(", *GENERIC_DOCS)):
        return None
    return inspect.cleandoc(text).strip() or None


def parameters_of(cls: type, kinds: Kinds) -> list[Described]:
    generic = getattr(cls, "__pydantic_generic_metadata__", None)
    parameters = (generic and generic["parameters"]) or getattr(cls, "__parameters__", ())
    return [kinds.of(each) for each in parameters if isinstance(each, typing.TypeVar)]


def define(cls: type, kinds: Kinds) -> Described:
    common: Described = {"doc": own_doc(cls), "parameters": parameters_of(cls, kinds)}
    if issubclass(cls, enum.Enum):
        return {**common, **define_enum(cls, kinds)}
    if is_typed_dict(cls):
        return {**common, "kind": "typed-dict", "fields": typed_dict_fields(cls, kinds)}
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        hints = hints_of(cls)
        fields = [field(name, hints, kinds) for name in cls._fields]
        return {**common, "kind": "named-tuple", "fields": fields}
    if is_record(cls):
        return {**common, "kind": "record", "fields": record_fields(cls, kinds)}
    if not is_own(cls, kinds):
        return {
            **common,
            "doc": None,
            "kind": "opaque",
            "python": f"{cls.__module__}.{cls.__qualname__}",
        }
    return {**common, "kind": "class", **members_of(cls, kinds)}


def is_own(cls: type, kinds: Kinds) -> bool:
    """Whether it is of the app: the classes of packages have hundreds of methods."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        return False
    inside = os.path.commonpath([os.path.realpath(file), os.path.realpath(kinds.app_dir)])
    return inside == os.path.realpath(kinds.app_dir) and "-packages" not in file


def define_enum(cls: type[enum.Enum], kinds: Kinds) -> Described:
    if issubclass(cls, enum.Flag):
        return {"kind": "flags", "mixed": issubclass(cls, int)}
    members = [
        {"name": name, "type": kinds.literal(member.value)}
        for name, member in cls.__members__.items()
        if member.name == name
    ]
    return {"kind": "enum", "members": members, "mixed": issubclass(cls, (str, int, float))}


def field(name: str, hints: Hints, kinds: Kinds, **more: object) -> Described:
    described = kinds.of_hint(name, hints, inspect.Parameter.empty)
    return {"name": name, "type": described, **more}


def typed_dict_fields(cls: typing.Any, kinds: Kinds) -> list[Described]:
    hints = hints_of(cls)
    fields = []
    for name, hint in hints.items():
        is_optional = name not in cls.__required_keys__
        # Texts of PEP 563 hide these from the class itself.
        for origin in wrappers_of(hint):
            is_optional = {"NotRequired": True, "Required": False}.get(origin, is_optional)
        fields.append(field(name, hints, kinds, optional=is_optional))
    return fields


def wrappers_of(hint: typing.Any) -> list[str]:
    """`NotRequired` and others, however they are nested."""
    names = []
    while (origin := typing.get_origin(hint)) is not None:
        name = getattr(origin, "_name", None) or getattr(origin, "__name__", "")
        if name not in ("Required", "NotRequired", "ReadOnly", "Annotated"):
            break
        names.append(name)
        hint = typing.get_args(hint)[0]
    return names


def record_fields(cls: typing.Any, kinds: Kinds) -> list[Described]:
    hints = hints_of(cls)
    if is_model(cls):
        fields = cls.__pydantic_fields__
        return [
            {
                **field(name, {name: info.annotation, **hints}, kinds),
                "doc": info.description,
            }
            for name, info in fields.items()
        ]
    if is_attrs(cls):
        return [field(each.name, hints, kinds) for each in cls.__attrs_attrs__]
    return [field(each.name, hints, kinds) for each in dataclasses.fields(cls)]


def bases_of(cls: type, kinds: Kinds) -> list[type]:
    return [each for each in cls.__mro__ if is_own(each, kinds)]


def members_of(cls: type, kinds: Kinds) -> Described:
    """What an instance of a plain class has: attributes with annotations, properties, methods."""
    hints = hints_of(cls)
    attributes: dict[str, Described] = {}
    methods: dict[str, Described] = {}
    for base in reversed(bases_of(cls, kinds)):
        for name in raw_names(base):
            if name in hints and not name.startswith("_"):
                attributes[name] = field(name, hints, kinds)
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(value, property) or type(value).__name__ == "cached_property":
                getter = value.fget if isinstance(value, property) else value.func
                own = hints_of(getter, cls)
                described = kinds.of_hint("return", own, inspect.Parameter.empty)
                attributes[name] = {"name": name, "type": described, "doc": docstring(value)}
            elif inspect.isroutine(value) and not isinstance(value, (staticmethod, classmethod)):
                methods[name] = {"name": name, **kinds.method(value, drops_first=True)}
    return {"fields": list(attributes.values()), "methods": list(methods.values())}


def raw_names(cls: type) -> list[str]:
    from .hints import raw

    return list(raw(cls))


def statics_of(cls: type, kinds: Kinds) -> list[Described]:
    """Class methods and static ones, of the app's own classes."""
    found: dict[str, Described] = {}
    for base in reversed(bases_of(cls, kinds)):
        for name, value in vars(base).items():
            if not name.startswith("_") and isinstance(value, (staticmethod, classmethod)):
                bound = getattr(cls, name)
                found[name] = {"name": name, **kinds.method(bound, drops_first=False)}
    return list(found.values())


def describe_constructor(cls: typing.Any, kinds: Kinds) -> Described:
    doc = own_doc(cls)
    if issubclass(cls, enum.Enum):
        value = {"name": "value", "kind": "positional", "type": {"kind": "any"}}
        return {"doc": doc, "signatures": [{"parameters": [value]}]}
    if issubclass(cls, BaseException) and not inspect.isfunction(cls.__init__):
        # Which takes anything, though not every Python tells so.
        values = {"name": "args", "kind": "rest", "type": {"kind": "any"}}
        return {"doc": doc, "signatures": [{"parameters": [values]}]}
    try:
        signature = signature_of(cls)
    except (TypeError, ValueError):
        return {"doc": doc, "signatures": []}
    hints = constructor_hints(cls)
    from .functions import describe_parameter

    parameters = [describe_parameter(each, hints, kinds) for each in signature.parameters.values()]
    # Models make of texts and dicts what their fields want.
    return {"doc": doc, "signatures": [{"parameters": parameters, "validated": is_model(cls)}]}


def constructor_hints(cls: typing.Any) -> Hints:
    if is_model(cls):
        hints = hints_of(cls)
        # Its parameters are called by their aliases.
        for name, info in cls.__pydantic_fields__.items():
            for alias in (info.alias, info.validation_alias):
                if isinstance(alias, str):
                    hints.setdefault(alias, hints.get(name, info.annotation))
        return hints
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return hints_of(cls)
    # In the order in which Python takes them.
    for name in ("__init__", "__new__"):
        function = getattr(cls, name, None)
        if inspect.isfunction(function):
            return hints_of(function, cls)
    return {}


__all__ = ["define", "describe_signature", "is_record", "is_typed_dict"]
