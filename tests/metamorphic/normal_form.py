"""Emitted modules up to names: two texts are the same code if their normal forms are one text.

Values are numbered, not names: whether a name is used again for a later value does not matter, nor does
a statement that only gives a value a second name.
"""

import ast
import itertools


def normal_form(source):
    """Return `source` without docstrings and comments, in which every value has a number for a name."""
    tree = ast.parse(source)
    return ast.unparse(Module().rewritten(tree))


class Module:
    """Numbers values and functions in the order in which they come up."""

    def __init__(self):
        self.numbers = itertools.count()

    def fresh(self):
        return f"v{next(self.numbers)}"

    def bound(self, name, scope):
        scope[name] = self.fresh()
        return scope[name]

    def rewritten(self, tree):
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        scope = {function.name: self.fresh() for function in functions}
        tree.body = self.statements(tree.body, scope)
        return ast.fix_missing_locations(tree)

    def statements(self, statements, scope):
        return [new for old in without_docstring(statements) for new in self.statement(old, scope)]

    def statement(self, node, scope):
        """Return what stands for a statement; `scope`, from names to numbers, is brought up to date."""
        match node:
            case ast.Assign(targets=[ast.Name() as target], value=ast.Name() as value):
                scope[target.id] = scope.get(value.id, value.id)
                return []
            case ast.Assign(targets=targets):
                node.value = self.expression(node.value, scope)
                node.targets = [self.target(target, scope) for target in targets]
            case ast.For():
                return self.loop(node, scope)
            case ast.FunctionDef():
                self.function(node, scope)
            case _:
                return [self.expression(node, scope)]
        return [node]

    def loop(self, node, scope):
        """Values that a loop carries have one number for all its rounds, bound before it and in it."""
        node.iter = self.expression(node.iter, scope)
        carried = [name for name in stored_in_order(node.body) if name in scope]
        numbers = {name: self.fresh() for name in carried}
        before = [assignment(numbers[name], scope[name]) for name in carried]
        inside = scope | numbers
        node.target = self.target(node.target, inside)
        node.body = self.statements(node.body, inside)
        node.body += [assignment(numbers[name], inside[name]) for name in carried]
        scope |= inside | numbers
        return [*before, node]

    def function(self, node, scope):
        scope.setdefault(node.name, self.fresh())
        node.name = scope[node.name]
        inside = dict(scope)
        self.parameters(node.args, inside)
        node.body = self.statements(node.body, inside)

    def parameters(self, arguments, scope):
        arguments.defaults = [self.expression(default, scope) for default in arguments.defaults]
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            argument.arg = self.bound(argument.arg, scope)

    def target(self, node, scope):
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                name.id = self.bound(name.id, scope)
        return node

    def expression(self, node, scope):
        return Expression(self, scope).visit(node)


class Expression(ast.NodeTransformer):
    """Writes numbers for names."""

    def __init__(self, module, scope):
        self.module = module
        self.scope = scope

    def visit_Name(self, node):
        node.id = self.scope.get(node.id, node.id)
        return node

    def visit_Lambda(self, node):
        inside = dict(self.scope)
        self.module.parameters(node.args, inside)
        node.body = self.module.expression(node.body, inside)
        return node

    def visit_ListComp(self, node):
        inside = dict(self.scope)
        for generator in node.generators:
            generator.iter = self.module.expression(generator.iter, inside)
            generator.target = self.module.target(generator.target, inside)
        node.elt = self.module.expression(node.elt, inside)
        return node


def without_docstring(body):
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text and isinstance(first.value.value, str) else body


def stored_in_order(statements):
    """Return the names that statements bind, each once, in order."""
    names = [
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return list(dict.fromkeys(names))


def assignment(name, value):
    return ast.Assign([ast.Name(name, ast.Store())], ast.Name(value, ast.Load()))
