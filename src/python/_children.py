"""Child processes of uvloop's loops, started and waited for as asyncio does it.

uvloop's own way is made for a process that has one libuv. Beside Node's it fails twice: both
install a handler for SIGCHLD, reset it with their last child, and so blind each other (children of
either are never seen to exit); and while uvloop forks, its handler for forked children runs in
Node's as well, where it waits for a GIL that nobody holds, and Node's main thread for that child.
asyncio's transport forks without such handlers and needs no signal.
"""

import os
import threading
from asyncio.unix_events import _UnixSubprocessTransport
from subprocess import PIPE


def adopt(loop_class):
    """Gives a class of loops asyncio's children, whoever makes loops of it."""

    async def subprocess_exec(self, protocol_factory, program, *args, shell=False, **options):
        if shell:
            raise ValueError("shell must be False")
        return await spawn(self, protocol_factory, (program, *args), False, **options)

    async def subprocess_shell(self, protocol_factory, cmd, *, shell=True, **options):
        if not shell:
            raise ValueError("shell must be True")
        return await spawn(self, protocol_factory, cmd, True, **options)

    loop_class.subprocess_exec = subprocess_exec
    loop_class.subprocess_shell = subprocess_shell


async def spawn(
    loop, protocol_factory, args, shell, *, stdin=PIPE, stdout=PIPE, stderr=PIPE, **options
):
    for name in ("universal_newlines", "text", "encoding", "errors"):
        if options.pop(name, None):
            raise ValueError(f"{name} is not supported: the pipes of a child carry bytes")
    if options.pop("bufsize", 0) != 0:
        raise ValueError("bufsize must be 0")
    protocol = protocol_factory()
    connected = loop.create_future()
    transport = _UnixSubprocessTransport(
        loop, protocol, args, shell, stdin, stdout, stderr, 0, waiter=connected, **options
    )
    watch(loop, transport)
    try:
        await connected
    except BaseException:
        transport.close()
        await transport._wait()
        raise
    return transport, protocol


def watch(loop, transport):
    """Tells the transport when its process has exited."""
    process = transport.get_extra_info("subprocess")

    def exited():
        # Popen's own wait is the one that also knows a status that somebody has fetched before.
        transport._process_exited(process.wait())

    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        # macOS, and Linux before 5.3.
        thread = threading.Thread(target=wait, args=(loop, process, exited), daemon=True)
        thread.start()
        return

    def reap():
        loop.remove_reader(descriptor)
        os.close(descriptor)
        exited()

    loop.add_reader(descriptor, reap)


def wait(loop, process, exited):
    process.wait()
    if not loop.is_closed():
        loop.call_soon_threadsafe(exited)
