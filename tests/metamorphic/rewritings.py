"""Rewritings of the syntax tree of a straight-line function that change how it is written, not what it is.

Each takes the tree of one function in which every name is bound once, and returns another such tree.
"""

import ast
import copy


def names(node, context):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def used(node):
    return names(node, ast.Load)


def bound(node):
    return names(node, ast.Store)


def parameters(function):
    return [argument.arg for argument in function.args.args]


def simple(statement):
    """Return the name that a statement binds, if that is all it does."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def rebuilt(function, body):
    function = copy.deepcopy(function)
    function.body = body
    return ast.fix_missing_locations(function)


class Substitute(ast.NodeTransformer):
    """Put expressions in the place of names."""

    def __init__(self, expressions):
        self.expressions = expressions

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load) and node.id in self.expressions:
            return copy.deepcopy(self.expressions[node.id])
        return node


def inlined(function):
    """Write every temporary out where it is used: what was named is written twice."""
    known, body = {}, []
    rebound = {name for s in function.body if not simple(s) for name in bound(s)}
    for statement in copy.deepcopy(function.body):
        statement = Substitute(known).visit(statement)
        name = simple(statement)
        if name and name not in rebound:
            known[name] = statement.value
        else:
            body.append(statement)
    return rebuilt(function, body)


class NameEverything(ast.NodeTransformer):
    """Give each call, operation and item of an expression a name of its own."""

    def __init__(self):
        self.statements = []
        self.count = 0

    def visit_Lambda(self, node):
        return node

    def named(self, node):
        node = self.generic_visit(node)
        self.count += 1
        name = f"t{self.count}"
        self.statements.append(ast.Assign([ast.Name(name, ast.Store())], node))
        return ast.Name(name, ast.Load())

    visit_Call = visit_BinOp = visit_UnaryOp = named

    def visit_Subscript(self, node):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "at":
            return self.generic_visit(node)
        return self.named(node)


def named(function):
    """Give every subexpression a name."""
    namer, body = NameEverything(), []
    for statement in copy.deepcopy(function.body):
        if isinstance(statement, ast.Assign | ast.Return):
            statement.value = namer.visit(statement.value)
        body += namer.statements
        namer.statements = []
        body.append(statement)
    return rebuilt(function, body)


def reordered(function):
    """Put every statement as late as what depends on it allows, the first ones last."""
    *waiting, final = copy.deepcopy(function.body)
    ordered = [final]
    while waiting:
        index = next(i for i, s in enumerate(waiting) if not bound(s) & uses_in(waiting, i))
        statement = waiting.pop(index)
        ordered.insert(0, statement)
    return rebuilt(function, ordered)


def uses_in(statements, index):
    """Return the names that statements other than the one at `index` use, or bind anew."""
    others = statements[:index] + statements[index + 1 :]
    later = {name for s in others for name in used(s)}
    rebound = {name for s in statements[index + 1 :] for name in bound(s)}
    return later | rebound


def overwritten(function):
    """Use one name for many values: each takes the name of one that is not needed any more."""
    function = named(function)
    taken, names_of, free, body = 0, {}, [], []
    fixed = {name for s in function.body if not simple(s) for name in bound(s)}
    for index, statement in enumerate(function.body):
        later = {name for s in function.body[index + 1 :] for name in used(s)}
        statement = Rename(names_of).visit(copy.deepcopy(statement))
        for original in [o for o in names_of if o not in later]:
            free.append(names_of.pop(original))
        name = simple(statement)
        if name and name not in fixed:
            if not free:
                taken += 1
                free.append(f"v{taken}")
            names_of[name] = free.pop()
            statement.targets[0].id = names_of[name]
        body.append(statement)
    return rebuilt(function, body)


class Rename(ast.NodeTransformer):
    """Change names."""

    def __init__(self, table):
        self.table = table

    def visit_Name(self, node):
        node.id = self.table.get(node.id, node.id)
        return node


def renamed(function):
    """Call everything something else, but for the parameters."""
    own = {name for statement in function.body for name in bound(statement)} - set(
        parameters(function)
    )
    table = {name: f"renamed_{i}" for i, name in enumerate(sorted(own))}
    return rebuilt(function, [Rename(table).visit(s) for s in copy.deepcopy(function.body)])


def walrus(function):
    """Bind temporaries inside the one statement that uses them."""
    body = copy.deepcopy(function.body)
    result = []
    for index, statement in enumerate(body):
        previous = simple(result[-1]) if result else None
        later = {name for s in body[index + 1 :] for name in used(s)}
        if previous and previous not in later and isinstance(statement, ast.Assign | ast.Return):
            binder = BindAtFirstUse(previous, result[-1].value)
            value = binder.visit(statement.value)
            if binder.done:
                statement.value = value
                result.pop()
        result.append(statement)
    return rebuilt(function, result)


class BindAtFirstUse(ast.NodeTransformer):
    """Replace the first use of a name by an assignment expression."""

    def __init__(self, name, value):
        self.name, self.value, self.done = name, value, False

    def visit_Lambda(self, node):
        return node

    def visit_Name(self, node):
        if self.done or node.id != self.name:
            return node
        self.done = True
        return ast.NamedExpr(ast.Name(self.name, ast.Store()), self.value)


def in_local_function(function):
    """Move the whole body into a function inside."""
    inner = copy.deepcopy(function)
    inner.name = "inner"
    call = ast.Call(
        ast.Name("inner", ast.Load()),
        [ast.Name(name, ast.Load()) for name in parameters(function)],
        [],
    )
    return rebuilt(function, [inner, ast.Return(call)])


def with_unused_work(function):
    """Compute things that nothing needs."""
    first = parameters(function)[0]
    extra = ast.parse(f"unused = ({first}, {first})\nalso_unused = unused[0]\ndel also_unused").body
    return rebuilt(function, [*extra, *copy.deepcopy(function.body)])


SAME_CODE = {
    f.__name__: f
    for f in (inlined, named, reordered, overwritten, renamed, walrus, with_unused_work)
}
SAME_VALUES = {"in_local_function": in_local_function}
