"""Says what a Python module offers, for JavaScript to import it and for TypeScript to know its types.

amphis runs it in a process of its own: ``python amphis_describe names FILE``, ``python amphis_describe types FILE``.
"""
