"""Wrong versions of a rule, made by changing what one of its templates returns."""

import ast
import dataclasses
import importlib.util
import inspect
import textwrap


def scaled(expression):
    return ast.BinOp(expression, ast.Mult(), ast.Constant(1.001))


def negated(expression):
    return ast.UnaryOp(ast.USub(), expression)


def dropped(expression):
    return ast.Constant(0.0)


def shifted(expression):
    return ast.BinOp(expression, ast.Add(), ast.Constant(0.001))


# what is wrong: (the template of the rule, what becomes of its result)
MUTATIONS = {
    "the inverse is off by 0.1 %": ("inverse", scaled),
    "the log-slope has the other sign": ("log_slope", negated),
    "the log-slope is dropped": ("log_slope", dropped),
    "the log-slope is off by 0.001": ("log_slope", shifted),
}


def part_of(rule, part):
    """Return the part that inverses use: of two forms of the log-slope, that for the way back."""
    has_both = part == "log_slope" and rule.log_slope_back is not None
    return "log_slope_back" if has_both else part


def result(template):
    """Return the expression that a template returns."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(template))).body[0]
    return definition.body[-1].value


def applies(rule, mutation):
    """Whether the mutated rule differs: the sign of zero and what is dropped from it do not matter."""
    part, change = MUTATIONS[mutation]
    template = getattr(rule, part_of(rule, part))
    if template is None:
        return False
    value = result(template)
    return change not in (negated, dropped) or ast.unparse(value) != "0.0"


def mutated(rule, mutation, folder):
    """Return `rule` with one template changed; its text is written to `folder`, where it can be read."""
    part, change = MUTATIONS[mutation]
    part = part_of(rule, part)
    template = getattr(rule, part)
    definition = ast.parse(textwrap.dedent(inspect.getsource(template))).body[0]
    definition.body[-1].value = change(definition.body[-1].value)
    path = folder / f"{rule.name}_{change.__name__}_{part}.py"
    path.write_text(ast.unparse(ast.fix_missing_locations(definition)) + "\n")
    return dataclasses.replace(
        rule, **{part: imported(path, part, template.__globals__), "name": ""}
    )


def imported(path, name, scope):
    """Run the file as a module in which the names of `scope` are bound as well."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    vars(module).update({k: v for k, v in scope.items() if not k.startswith("__")})
    spec.loader.exec_module(module)
    return getattr(module, name)
