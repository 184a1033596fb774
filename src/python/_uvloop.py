"""What uvloop must not do in a process that Node shares: its children and its pipes, done otherwise.

uvloop's own children are made for a process that has one libuv. Beside Node's they fail twice: both
libuvs install a handler for SIGCHLD, reset it with their last child, and so blind each other
(children of either are never seen to exit); and while uvloop forks, its handler for forked children
runs in Node's as well, where it waits for a GIL that nobody holds, and Node's main thread for that
child. asyncio's transport forks without such handlers and needs no signal.

And uvloop closes the file of a pipe after libuv has closed its descriptor, counting on EBADF; by then
a thread of Node's may have been given the same number, and loses its descriptor.
"""

import os
import select
import socket
import stat
import sys
import threading
from asyncio.unix_events import _UnixSubprocessTransport
from subprocess import PIPE, Popen


def adopt_module(module):
    """Has `uvloop.loop` offer a class of loops that gets along with Node, which `uvloop` derives its own from."""

    class Loop(module.Loop):
        pass

    Loop.__module__ = module.__name__
    Loop.__qualname__ = "Loop"
    adopt(Loop)
    module.Loop = Loop
    # Where the package was there before, it has derived its own already.
    derived = getattr(sys.modules.get("uvloop"), "Loop", None)
    if derived is not None:
        adopt(derived)


def adopt(loop_class):
    """Changes the class itself."""
    connect_read_pipe = loop_class.connect_read_pipe
    connect_write_pipe = loop_class.connect_write_pipe

    async def connect_safely(connect, loop, protocol_factory, pipe):
        if isinstance(pipe, socket.socket):
            return await connect(loop, protocol_factory, pipe)
        return await connect(loop, protocol_factory, Pipe(pipe))

    async def read_pipe(self, protocol_factory, pipe):
        return await connect_safely(connect_read_pipe, self, protocol_factory, pipe)

    async def write_pipe(self, protocol_factory, pipe):
        return await connect_safely(connect_write_pipe, self, protocol_factory, pipe)

    async def subprocess_exec(self, protocol_factory, program, *args, shell=False, **options):
        if shell:
            raise ValueError("shell must be False")
        return await spawn(self, protocol_factory, (program, *args), False, **options)

    async def subprocess_shell(self, protocol_factory, cmd, *, shell=True, **options):
        if not shell:
            raise ValueError("shell must be True")
        return await spawn(self, protocol_factory, cmd, True, **options)

    loop_class.connect_read_pipe = read_pipe
    loop_class.connect_write_pipe = write_pipe
    loop_class.subprocess_exec = subprocess_exec
    loop_class.subprocess_shell = subprocess_shell


class Pipe:
    """A file of which libuv gets a descriptor of its own, so that each is closed once."""

    def __init__(self, file):
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        if hasattr(select, "epoll"):
            # libuv would abort the process over what can't be polled, such as /dev/null.
            with select.epoll() as poller:
                poller.register(file.fileno())
        self.file = file
        self.descriptor = os.dup(file.fileno())

    def __getattr__(self, name):
        return getattr(self.file, name)

    def fileno(self):
        return self.descriptor

    def close(self):
        self.file.close()


class ChildTransport(_UnixSubprocessTransport):
    def _start(self, args, shell, stdin, stdout, stderr, bufsize, **options):
        # Socket pairs, as uvloop has them: pipes can't be half closed, which write_eof has to do, and
        # of a socket object uvloop takes the descriptor away instead of closing it a second time.
        ours, theirs = {}, {}
        try:
            for name, stream in ("stdin", stdin), ("stdout", stdout), ("stderr", stderr):
                theirs[name] = stream
                if stream == PIPE:
                    ours[name], theirs[name] = socket.socketpair()
            self._proc = Popen(args, shell=shell, bufsize=bufsize, **theirs, **options)
        except BaseException:
            for end in ours.values():
                end.close()
            raise
        finally:
            for name in ours:
                theirs[name].close()
        for name, end in ours.items():
            setattr(self._proc, name, end)


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
    transport = ChildTransport(
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
