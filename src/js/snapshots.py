"""Snapshots: what a runtime is to begin with, as bytes. They hold scripts, and the code that V8 has made of them."""

import functools as _functools
import hashlib as _hashlib
import hmac as _hmac
import json as _json
import logging as _logging
import struct as _struct

from amphis._js import Runtime, Snapshot
from amphis._js import engine_name as _engine_name

_log = _logging.getLogger("amphis.js")

_MAGIC = b"AMPHISJS"
_FORMAT = 1
# Magic and format, SHA-256 of all that follows the seal, the seal itself.
_HEAD = _struct.Struct("<8sI32s32s")
_LENGTHS = _struct.Struct("<II")

# What this process has made it knows again by its digest.
_made_here = set()


def _key(key):
    if not isinstance(key, (bytes, bytearray)):
        message = f"The key of a snapshot must be bytes, not {type(key).__name__}"
        raise TypeError(message)
    if len(key) < 16:
        message = "The key of a snapshot must have 16 bytes at least"
        raise ValueError(message)
    return bytes(key)


def _seal(key, body):
    if key is None:
        return bytes(32)
    return _hmac.new(key, _MAGIC + _FORMAT.to_bytes(4, "little") + body, "sha256").digest()


class SnapshotBuilder:
    """Runs scripts, and makes bytes of them with which runtimes begin: `RuntimeConfig(snapshot=…)`.

    A runtime runs the scripts again; what V8 has compiled of them is in the bytes, so that this takes a fraction of the
    time. What they compute is not: `Date.now()` and `Math.random()` are those of each runtime.

    Args:
        bootstrap: a script that is run first.
        enable_console: whether what the scripts write by `console` goes to the logger `amphis.js.console`, or nowhere.
        key: 16 bytes or more. Who has it as `snapshot_key` may use what V8 has compiled; without one, this process may.
    """

    __slots__ = ("_engine", "_key", "_runtime", "_scripts")
    __module__ = "amphis.js"

    def __init__(self, *, bootstrap=None, enable_console=False, key=None):
        self._key = None if key is None else _key(key)
        # What it depends on is settled before there is a runtime.
        self._engine = _engine_name()
        self._runtime = Runtime(enable_console=bool(enable_console))
        self._scripts = []
        if bootstrap is not None:
            self.execute_script("<bootstrap>", bootstrap)

    def _open(self):
        if self._runtime is None:
            message = "Snapshot already built"
            raise RuntimeError(message)
        return self._runtime

    def execute_script(self, name, source):
        """Runs a script, and keeps it for the snapshot if it does not throw.

        Args:
            name: what stacks call it.
            source: a script, not a module.

        Raises:
            JavaScriptError: what it threw.
        """
        self._open()._record(name, source)
        self._scripts.append((name, source))

    def build(self):
        """The bytes; the builder is at its end."""
        runtime = self._open()
        self._runtime = None
        with runtime:
            codes = [runtime._code_of(number) for number in range(len(self._scripts))]
        facts = _json.dumps({"engine": self._engine}).encode()
        parts = [_LENGTHS.pack(len(facts), len(self._scripts)), facts]
        for (name, source), code in zip(self._scripts, codes, strict=True):
            for part in (name.encode(), source.encode(), code):
                parts += [_struct.pack("<I", len(part)), part]
        body = b"".join(parts)
        digest = _hashlib.sha256(body).digest()
        _made_here.add(digest)
        return _HEAD.pack(_MAGIC, _FORMAT, digest, _seal(self._key, body)) + body

    create_snapshot = build

    def __repr__(self):
        state = "built" if self._runtime is None else f"{len(self._scripts)} scripts"
        return f"<SnapshotBuilder ({state})>"


def _wrong(why):
    return ValueError(f"These bytes are no snapshot that can be used: {why}. Build it again.")


def _parts(body):
    """The facts, and the scripts as names, sources and codes."""
    view = memoryview(body)
    length, count = _LENGTHS.unpack_from(view)
    place = _LENGTHS.size

    def take(size):
        nonlocal place
        part = view[place : place + size]
        if len(part) != size:
            raise _wrong("they are cut short")
        place += size
        return bytes(part)

    facts = _json.loads(take(length))
    scripts = []
    for _ in range(count):
        name, source, code = (take(int.from_bytes(take(4), "little")) for _ in range(3))
        scripts.append((name.decode(), source.decode(), code))
    return facts, scripts


@_functools.lru_cache(maxsize=8)
def _read(data, key, is_trusted):
    """What is in the bytes, for `Runtime`. Code is taken from those only who may be trusted with it."""
    if len(data) < _HEAD.size or data[:8] != _MAGIC:
        raise _wrong(
            "they do not begin as one does" if data[:8] != _MAGIC else "they are cut short"
        )
    _, version, digest, seal = _HEAD.unpack_from(data)
    if version != _FORMAT:
        raise _wrong(f"they have format {version}, and this version of amphis reads {_FORMAT}")
    body = data[_HEAD.size :]
    if _hashlib.sha256(body).digest() != digest:
        raise _wrong("they are cut short, or were changed")
    may_have_code = is_trusted or digest in _made_here
    if not may_have_code and key is not None:
        may_have_code = _hmac.compare_digest(_seal(key, body), seal)
    try:
        facts, scripts = _parts(body)
    except (_struct.error, ValueError, TypeError) as error:
        raise _wrong(f"what they hold cannot be read ({error})") from error
    if not may_have_code:
        why = "another process has made it, and snapshot_key is not its key"
    elif facts.get("engine") != _engine_name():
        why = f"it was made for Node.js {facts.get('engine')}, and this is {_engine_name()}"
    else:
        return Snapshot(scripts)
    _log.info("The code in a snapshot is not used, and its scripts are compiled: %s", why)
    return Snapshot([(name, source, b"") for name, source, _ in scripts])


def _snapshot(data, key, is_trusted):
    if not isinstance(data, (bytes, bytearray, memoryview)):
        message = f"snapshot must be bytes, as SnapshotBuilder.build() gives them, not {type(data).__name__}"
        raise TypeError(message)
    return _read(bytes(data), None if key is None else _key(key), bool(is_trusted))
