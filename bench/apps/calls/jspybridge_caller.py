"""Calls JavaScript by JSPyBridge: a Node process of its own, asked over pipes."""

import orders
import timing


def start():
    # It starts that process when it is imported.
    from javascript import require

    return require("./functions.cjs")


functions = start()


def measure(order):
    return timing.blocking(getattr(functions, order["what"]), order["milliseconds"])


orders.obey({"measure": measure})
