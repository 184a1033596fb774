"""The names that a module offers, from its syntax tree: nothing of it is run."""

import ast
import json
import math
from collections.abc import Iterator

MAX_SAFE_INTEGER = 2**53 - 1


def describe_names(path: str) -> dict[str, object]:
    """The names of a file as `import *` would give them, less what it has imported itself.

    A literal comes with its value as JavaScript's source text.
    """
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except (SyntaxError, ValueError) as error:
        # A null byte is a ValueError.
        text = getattr(error, "msg", None) or str(error)
        at = {"line": getattr(error, "lineno", None), "column": getattr(error, "offset", None)}
        return {"syntaxError": {"message": text, **at}}
    except RecursionError:
        return {"syntaxError": {"message": "it is nested too deeply", "line": None, "column": None}}
    return {"names": names_of(tree)}


def names_of(tree: ast.Module) -> list[dict[str, str]]:
    found = Names()
    found.visit_body(tree.body)
    if found.listed is None:
        names = [name for name in found.kinds if not name.startswith("_")]
        names = [name for name in names if found.kinds[name] != "import"]
    else:
        names = list(dict.fromkeys(found.listed))
    return [found.describe(name) for name in names]


class Names:
    """What the top level of a module binds, also within `if`, `try`, `with` and loops."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self.values: dict[str, str] = {}
        # What `__all__` says, where it can be read without running anything.
        self.listed: list[str] | None = None

    def describe(self, name: str) -> dict[str, str]:
        value = self.values.get(name)
        if value is not None and self.kinds.get(name) == "constant":
            return {"name": name, "kind": "literal", "value": value}
        return {"name": name, "kind": self.kinds.get(name, "unknown")}

    def bind(self, name: str, kind: str, value: str | None = None) -> None:
        # The value of what is bound twice is not known.
        if name in self.kinds or value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = value
        self.kinds[name] = kind

    def visit_body(self, body: list[ast.stmt], is_sure: bool = True) -> None:
        for statement in body:
            self.visit(statement, is_sure)

    def visit(self, node: ast.stmt, is_sure: bool) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.bind(node.name, "function")
                self.forget_globals(node)
            case ast.ClassDef():
                self.bind(node.name, "class")
                self.forget_globals(node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.assign(target, value if is_sure else None)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.assign(target, value if is_sure else None)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                if name == "__all__":
                    self.list_more(value)
                else:
                    self.values.pop(name, None)
            case ast.Expr(value=ast.Call(func=function, args=[argument])):
                if isinstance(function, ast.Attribute) and is_name(function.value, "__all__"):
                    self.list_more(
                        ast.List(elts=[argument]) if function.attr == "append" else argument
                    )
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    self.bind((alias.asname or alias.name).split(".")[0], "import")
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.kinds.pop(target.id, None)
            case _:
                self.visit_inner(node)

    def visit_inner(self, node: ast.stmt) -> None:
        if type(node).__name__ == "TypeAlias":
            self.bind(node.name.id, "type")
        for target in targets_of(node):
            self.assign(target, None)
        # What only the checker of types sees is not there.
        if isinstance(node, ast.If) and is_type_checking(node.test):
            self.visit_body(node.orelse, False)
            return
        for part in ("body", "orelse", "finalbody"):
            inner = getattr(node, part, None)
            if isinstance(inner, list):
                self.visit_body(inner, False)
        for handler in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            self.visit_body(handler.body, False)

    def assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if is_name(target, "__all__"):
            self.listed = strings_of(value)
            return
        if isinstance(target, ast.Name):
            self.bind(target.id, "constant", None if value is None else literal(value))
            return
        # A pattern: `a, *b = …`.
        for inner in names_in(target):
            self.bind(inner, "constant")

    def list_more(self, value: ast.expr) -> None:
        more = strings_of(value)
        self.listed = None if more is None or self.listed is None else [*self.listed, *more]

    def forget_globals(self, node: ast.AST) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Global):
                for name in inner.names:
                    self.values.pop(name, None)
                    self.kinds.setdefault(name, "constant")


def targets_of(node: ast.stmt) -> Iterator[ast.expr]:
    if isinstance(node, (ast.For, ast.AsyncFor)):
        yield node.target
    if isinstance(node, (ast.With, ast.AsyncWith)):
        yield from (item.optional_vars for item in node.items if item.optional_vars is not None)


def names_in(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from names_in(target.value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from names_in(element)


def is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def is_type_checking(test: ast.expr) -> bool:
    return is_name(test, "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def strings_of(node: ast.expr | None) -> list[str] | None:
    """The texts of a list or tuple that is written out; None where they are made otherwise."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = strings_of(node.left), strings_of(node.right)
        return None if left is None or right is None else [*left, *right]
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    texts = [each.value for each in node.elts if isinstance(each, ast.Constant)]
    names = [text for text in texts if isinstance(text, str)]
    return names if len(names) == len(node.elts) else None


def literal(node: ast.expr) -> str | None:
    """A literal as JavaScript writes it; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = node.operand.value if isinstance(node.operand, ast.Constant) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return written(-value)
        return None
    return written(node.value) if isinstance(node, ast.Constant) else None


def written(value: object) -> str | None:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) <= MAX_SAFE_INTEGER else f"{value:#x}n"
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return repr(value)
    # Escaped to ASCII.
    return json.dumps(value) if isinstance(value, str) else None
