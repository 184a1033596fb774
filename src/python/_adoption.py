"""Changes extension modules when they are imported, before anybody else has them.

Imports next to nothing: it may run before `site`, and before scripts that expect a plain Python.
"""

import sys
from _frozen_importlib_external import ExtensionFileLoader


def adopt(changes):
    """Has the module of each name changed by its function, right after it was executed, or now."""
    execute = ExtensionFileLoader.exec_module

    def exec_module(self, module):
        execute(self, module)
        change = changes.get(module.__name__)
        if change is not None:
            change(module)

    # In the class itself: finders, and whoever makes a loader by hand, keep what they have. A finder in front of the
    # others would also find the frozen modules of the standard library, as files.
    ExtensionFileLoader.exec_module = exec_module

    # Where nobody tells in time, `site` may have imported one of them before.
    for name, change in changes.items():
        if name in sys.modules:
            change(sys.modules[name])
