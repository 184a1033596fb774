"""What calls between the languages need in Python."""

import contextlib
import contextvars
import inspect
import threading

# The owner of the code that runs, by its number in Rust.
owner = contextvars.ContextVar("amphis_owner")


async def awaiting(awaitable):
    """A coroutine of what can be awaited and is none."""
    return await awaitable


def next_of(iterator):
    """The next value of an iterator, as a tuple; an empty one at its end."""
    for value in iterator:
        return (value,)
    return ()


def iterator_of(value):
    """What gives the values of an iterable, one by one."""
    if hasattr(type(value), "__aiter__"):
        return value.__aiter__()
    return iter(value)


def is_async(function):
    """Whether calling it gives something to be awaited at once, for what is no plain function."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004
    )


def settle(future, value, error):
    """Settles a future on its own loop."""
    if not future.done():
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def settle_later(loop, future, value, error):
    # Where its loop is closed nobody waits any more.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle, future, value, error)


def start_thread(work, name):
    # No daemon, which would be ended in the middle of its work; as the threads of concurrent.futures.
    threading.Thread(target=work, name=name, daemon=False).start()


def names_of(module):
    """What `from module import *` would give, or all there is where that is not defined."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if isinstance(name, str)]
    return [name for name in dir(module) if not name.startswith("_")]


def nearest(name, names):
    import difflib

    found = difflib.get_close_matches(name, names, 1)
    return found[0] if found else None


def explain_missing(obj, name, error):
    """An AttributeError that says which name was meant."""
    try:
        meant = nearest(name, [each for each in dir(obj) if not each.startswith("_")])
    except Exception:
        meant = None
    kind = f"module {obj.__name__!r}" if inspect.ismodule(obj) else f"{type(obj).__name__!r} object"
    hint = f" Did you mean {meant!r}?" if meant else ""
    explained = AttributeError(f"{kind} has no attribute {name!r}.{hint}", name=name, obj=obj)
    return explained.with_traceback(None)
