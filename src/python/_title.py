"""`setproctitle` in a process whose arguments are Node's."""


def adopt_title(module, set_title):
    """Has `setproctitle` set the title of this process as Node does.

    By itself it does nothing here: it looks for Python's arguments in front of the environment, and there
    are Node's. Could it find them, it would write over the environment, which Node's threads read.
    """
    if not hasattr(module, "setproctitle"):
        # The package around the extension module, which is about to import it.
        return
    change, own = module.setproctitle, module.getproctitle
    given = []

    def setproctitle(title):
        """setproctitle(title) -- Change the process title."""
        if set_title(title):
            given[:] = [title]
        else:
            change(title)

    def getproctitle():
        """getproctitle() -- Get the current process title."""
        return given[0] if given else own() or command_line()

    module.setproctitle = setproctitle
    module.getproctitle = getproctitle


def command_line():
    try:
        with open("/proc/self/cmdline", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().rstrip("\0").replace("\0", " ")
    except OSError:
        return ""
