"""Prints the reference of `amphis.js` as Markdown: signatures of the stubs, words of the docstrings.

Under `amphis run`, with the path of the stubs.
"""

import ast
import inspect
import re
import sys

from amphis import js

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
ITEM = re.compile(r"^    (\w+): (.*)$")


def signature(node):
    """Of a function in the stubs, without `self` and with `…` for defaults, which the text names."""
    arguments = node.args
    arguments.args = [each for each in arguments.args if each.arg not in ("self", "cls")]
    arguments.posonlyargs = [
        each for each in arguments.posonlyargs if each.arg not in ("self", "cls")
    ]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    kind = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{kind}{node.name}({ast.unparse(arguments)}){returns}".replace("=...", "=…").replace(
        " = ...", "=…"
    )


def prose(text):
    """A docstring, whose sections become lists."""
    lines = []
    in_section = False
    for line in inspect.cleandoc(text).split("\n"):
        if SECTION.match(line):
            in_section = True
            lines.append(f"{line}\n")
            continue
        item = ITEM.match(line) if in_section else None
        if item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif in_section and line.startswith("        "):
            lines[-1] += " " + line.strip()
        else:
            in_section = in_section and line.startswith("    ")
            lines.append(line)
    return "\n".join(lines)


def words_of(owner, name, node):
    """What is said where it runs, or in the stubs."""
    found = inspect.getattr_static(owner, name, None)
    text = inspect.getdoc(found) if found is not None else None
    return prose(text or ast.get_docstring(node) or "")


def own_methods(node):
    """Those that have names of their own; of overloads the first."""
    seen = set()
    for each in node.body:
        if (
            isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
            and not each.name.startswith("_")
            and each.name not in seen
        ):
            seen.add(each.name)
            yield each


def is_property(node):
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def class_of(node):
    bases = ", ".join(ast.unparse(each) for each in node.bases)
    yield f"## `{node.name}{f'({bases})' if bases else ''}`"
    doc = prose(getattr(js, node.name).__doc__ or ast.get_docstring(node) or "")
    if doc:
        yield doc
    # An exception or a coroutine is one to everybody.
    for method in own_methods(node):
        if method.name in ("send", "throw") or (
            node.name == "JsPromise" and method.name == "close"
        ):
            continue
        shown = method.name if is_property(method) else signature(method)
        yield f"**`{shown}`**"
        words = words_of(getattr(js, node.name), method.name, method)
        if words:
            yield words


def function_of(node):
    yield f"**`js.{signature(node)}`**"
    yield words_of(js, node.name, node)


def main(stubs):
    with open(stubs, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    order = {"Runtime": 0, "RuntimeConfig": 1, "RuntimeStats": 2, "JsFunction": 3, "JsPromise": 4}
    classes = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in js.__all__
    ]
    parts = []
    for node in sorted(classes, key=lambda each: order.get(each.name, len(order))):
        parts.extend(class_of(node))
    parts.append("## Functions")
    for node in own_methods(tree):
        if node.name in js.__all__:
            parts.extend(function_of(node))
    print("\n\n".join(parts))


main(sys.argv[1])
