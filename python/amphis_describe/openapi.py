"""The OpenAPI document of an app, as the app itself makes it; nothing is served for it."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import reduce

from amphis_describe.module import own_traceback

# Where middlewares of common frameworks keep the app that is behind them.
BEHIND = ("app", "_app", "application", "wrapped", "asgi_app")


def describe_openapi(app_dir: str, target: str, factory: str) -> dict[str, object]:
    """The document as text; else what kept it from being made."""
    sys.path.insert(0, app_dir)
    name, _, attribute = target.partition(":")
    try:
        app = reduce(getattr, attribute.split("."), importlib.import_module(name))
        if factory:
            app = app()
        make = next(makers(app), None)
        if make is None:
            return {
                "without": f"{type(app).__module__}.{type(app).__qualname__}".removeprefix(
                    "builtins."
                )
            }
        # As FastAPI serves it, but to be read.
        return {"text": json.dumps(make(), indent=2, ensure_ascii=False, allow_nan=False)}
    except BaseException as error:
        kind = type(error)
        return {
            "raised": {
                "type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
                "message": str(error),
                "traceback": own_traceback(error),
            }
        }


def makers(app: object) -> Iterator[Callable[[], object]]:
    """What makes a document, of the app and of what is behind it."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        make = getattr(app, "openapi", None)
        if callable(make):
            yield make
        schema = getattr(app, "openapi_schema", None)
        if callable(getattr(schema, "to_schema", None)):
            yield schema.to_schema
        app = next(
            (each for each in (getattr(app, name, None) for name in BEHIND) if each is not None),
            None,
        )
