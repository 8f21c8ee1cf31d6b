"""Emitted modules up to names: two texts are the same code if their normal forms are one text."""

import ast


def normal_form(source):
    """Return `source` without docstrings and comments, its own names numbered as they come up."""
    tree = ast.parse(source)
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Module):
            node.body = without_docstring(node.body)
    Number(own).visit(tree)
    return ast.unparse(tree)


def without_docstring(body):
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text and isinstance(first.value.value, str) else body


class Number(ast.NodeTransformer):
    """Number local names and the module's own functions in order of appearance; parameters stay."""

    def __init__(self, functions):
        self.functions = functions
        self.numbers = {}
        self.locals = set()

    def visit_FunctionDef(self, node):
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        stored = {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        outer, self.locals = self.locals, (stored - {a.arg for a in arguments}) | self.locals
        node.name = self.number(node.name)
        self.generic_visit(node)
        self.locals = outer
        return node

    def visit_Name(self, node):
        if node.id in self.locals or node.id in self.functions:
            node.id = self.number(node.id)
        return node

    def number(self, name):
        return self.numbers.setdefault(name, f"n{len(self.numbers)}")
