"""Stands for the package `amphis`, which is built into the processes of amphis, wherever there is none.

`npx amphis venv` puts it into an environment for its types. Inside of amphis the built-in package comes first.
"""

raise ImportError(
    "amphis is built into the Node.js process that it runs Python in, and this Python runs by itself. Run it there: "
    "`npx amphis run script.py`, `npx amphis run -m pytest`, `npx amphis main:app`, or by a PythonHandler.",
    name="amphis",
)
