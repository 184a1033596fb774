"""What an exception has to say, as text and in parts, whatever its own methods do."""

import importlib
import itertools
import json
import traceback

MESSAGE_LIMIT = 64 * 1024
TRACEBACK_LIMIT = 256 * 1024
# The parts are for people to look at: beyond these the text has the rest.
FRAME_LIMIT = 200
FRAME_TEXT_LIMIT = 2 * 1024
CHAIN_LIMIT = 20
# As `traceback` has them.
GROUP_WIDTH = 15
GROUP_DEPTH = 10
REPEATED_LIMIT = 3


def describe(exc):
    """One line of ASCII JSON: type, message, traceback and exceptions."""
    kind, message, text, exceptions = report(exc)
    head = json.dumps({"type": kind, "message": message, "traceback": text})
    return f'{head[:-1]}, "exceptions": {exceptions}}}'


def report(exc):
    """Type, message, traceback, and as one line of ASCII JSON the exceptions that it is made of."""
    try:
        kind = type_name(type(exc))
    except BaseException:
        kind = "Exception"
    try:
        message = str(exc)
    except BaseException:
        message = f"<{kind} whose str() failed>"
    formatted = None
    try:
        tb = app_traceback(exc)
        formatted = traceback.TracebackException(type(exc), exc, tb, compact=True)
        text = "".join(formatted.format())
    except BaseException:
        text = f"{kind}: {message}\n<its traceback could not be formatted>\n"
    try:
        exceptions = json.dumps(chain_of(formatted))
    except BaseException:
        exceptions = "[]"
    return kind, shortened(message, MESSAGE_LIMIT), shortened(text, TRACEBACK_LIMIT), exceptions


def type_name(cls):
    module, name = cls.__module__, cls.__qualname__
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def app_traceback(exc):
    """The traceback from the first frame that is neither ours nor the import system's."""
    tb = exc.__traceback__
    while tb is not None and is_machinery(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def is_machinery(filename):
    return filename.startswith(("<amphis>", "<frozen importlib")) or filename == IMPORTLIB


IMPORTLIB = importlib.__file__


def chain_of(formatted, depth=0):
    """The exception and what it came from, in the order in which Python prints them.

    `relation` says how one stands to the one before it.
    """
    chain = []
    while formatted is not None and len(chain) < CHAIN_LIMIT:
        cause, context = formatted.__cause__, formatted.__context__
        if cause is not None:
            earlier, relation = cause, "cause"
        elif context is not None and not formatted.__suppress_context__:
            earlier, relation = context, "context"
        else:
            earlier, relation = None, None
        chain.append(
            {
                "text": shortened("".join(formatted.format_exception_only()), MESSAGE_LIMIT),
                "relation": relation,
                "frames": frames_of(formatted.stack),
                "group": group_of(formatted, depth),
                "syntax": syntax_of(formatted),
            }
        )
        formatted = earlier
    # What the oldest one came from was left out.
    chain[-1]["relation"] = None
    chain.reverse()
    return chain


def group_of(formatted, depth):
    # Before 3.11 the backport adds it.
    members = getattr(formatted, "exceptions", None) or ()
    if depth >= GROUP_DEPTH:
        return []
    return [chain_of(member, depth + 1) for member in members[:GROUP_WIDTH]]


def syntax_of(formatted):
    """The place that a SyntaxError is about, which is no frame."""
    line = getattr(formatted, "lineno", None)
    file = getattr(formatted, "filename", None)
    return {"file": file, "line": int(line)} if line and file else None


def frames_of(stack):
    """The frames, outermost first; of those that repeat, as in a recursion, the first few."""
    kept = []
    for _, run in itertools.groupby(
        stack, lambda frame: (frame.filename, frame.lineno, frame.name)
    ):
        same = list(run)
        kept += [(frame, {}) for frame in same[:REPEATED_LIMIT]]
        if len(same) > REPEATED_LIMIT:
            kept[-1][1]["repeated"] = len(same) - REPEATED_LIMIT
    if len(kept) > FRAME_LIMIT:
        half = FRAME_LIMIT // 2
        kept[half - 1][1]["omitted"] = len(kept) - 2 * half
        kept = kept[:half] + kept[-half:]
    return [{**frame_of(stack, frame), **more} for frame, more in kept]


def frame_of(stack, frame):
    if hasattr(stack, "format_frame_summary"):
        text = stack.format_frame_summary(frame)
    else:
        # Before 3.11.
        text = "".join(traceback.StackSummary.from_list([frame]).format())
    return {
        "file": shortened(frame.filename, FRAME_TEXT_LIMIT),
        "line": frame.lineno,
        "name": shortened(frame.name, FRAME_TEXT_LIMIT),
        "text": shortened(text, FRAME_TEXT_LIMIT),
    }


def shortened(text, limit):
    if len(text) > limit:
        half = limit // 2
        omitted = f"\n[... {len(text) - 2 * half} characters left out ...]\n"
        text = text[:half] + omitted + text[-half:]
    # Lone surrogates, as in names of files that are not UTF-8, are no text for Rust and JavaScript.
    return text.encode("utf-8", "backslashreplace").decode()
