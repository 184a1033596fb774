"""How much memory this process has."""

import os


def resident():
    """Bytes that are in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
