"""Sets up `logging` before an app is imported, as the options `logLevel` and `logConfig` say."""

import json
import logging
import logging.config
import os
import sys

TRACE = 5

# Apps share one Python: what the file of another app says is not said twice.
applied = None


def configure(level, path, folder):
    """Applies both options; returns what is wrong with the file, None if nothing is.

    The file may name classes of the app, which are in `folder`.
    """
    if level is not None:
        set_level(level)
    if path is None or path == applied:
        return None
    sys.path.insert(0, folder)
    try:
        apply(path)
    except Exception as exc:
        return f"The logging configuration {path} cannot be used: {described(exc)}"
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    return None


def set_level(name):
    """What is shown as long as nobody gives the root logger a handler.

    That is `logging.lastResort`, which any configuration takes out of use, whenever it comes.
    """
    logging.addLevelName(TRACE, "TRACE")
    level = logging.getLevelName(name.upper())
    root, last = logging.getLogger(), logging.lastResort
    if root.handlers or last is None:
        return
    root.setLevel(level)
    last.setLevel(level)
    last.setFormatter(logging.Formatter(logging.BASIC_FORMAT))


class Unusable(Exception):
    """The message says why, and what to do."""


def apply(path):
    global applied
    if not os.path.isfile(path):
        raise Unusable("there is no such file. Name one that exists.")
    kind = os.path.splitext(path)[1].lower()
    if kind in (".json", ".yaml", ".yml"):
        config = read_json(path) if kind == ".json" else read_yaml(path)
        if not isinstance(config, dict):
            raise Unusable("it is not an object. Write it as logging.config.dictConfig takes it.")
        logging.config.dictConfig(config)
    else:
        logging.config.fileConfig(path, disable_existing_loggers=False)
    applied = path


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_yaml(path):
    try:
        import yaml
    except ImportError:
        raise Unusable(
            f"YAML needs PyYAML. Install it with `{sys.executable} -m pip install pyyaml`, "
            "or write the file as .json."
        ) from None
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def described(exc):
    """An exception with the one at its root, in one line."""
    if isinstance(exc, Unusable):
        return str(exc)
    root = exc
    while root.__cause__ is not None:
        root = root.__cause__
    reasons = [brief(exc)] if root is exc else [brief(exc), f"({brief(root)})"]
    return " ".join(" ".join(reasons).split()).rstrip(".") + ". Correct it."


def brief(exc):
    # What a KeyError says is no more than the key.
    kind = "" if isinstance(exc, ValueError) else f"{type(exc).__name__}: "
    return f"{kind}{exc}"
