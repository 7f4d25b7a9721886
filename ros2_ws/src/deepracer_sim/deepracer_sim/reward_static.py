"""What can be said about a reward function from its text alone, by its syntax tree."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from deepracer_car.errors import did_you_mean
from deepracer_sim.reward_module import FUNCTION_NAME, compile_source
from deepracer_sim.reward_problem import LocatedRewardError, RewardCode, RewardProblem

ALLOWED_MODULES = frozenset(
    (
        *("math", "random", "numpy", "scipy", "shapely"),
        *("__future__", "abc", "array", "bisect", "cmath", "collections", "contextlib", "copy"),
        *("dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "heapq"),
        *("itertools", "json", "numbers", "operator", "re", "statistics", "string", "time"),
        *("types", "typing", "typing_extensions", "warnings"),
    )
)
"""The five of the original console, and what of the standard library only computes."""

REFUSED_NAMES = frozenset(
    (
        *("open", "exec", "eval", "compile", "input", "breakpoint"),
        *("__import__", "__builtins__", "__loader__"),
    )
)
"""Built-in names by which a function reaches out of itself."""

NUMPY_FILE_FUNCTIONS = frozenset(
    (
        *("load", "loadtxt", "genfromtxt", "fromfile", "memmap"),
        *("save", "savez", "savez_compressed", "savetxt"),
    )
)


def check_source(code: RewardCode) -> list[RewardProblem]:
    """Return what is certainly wrong with a reward function, without running it.

    Comments, names, style, unused imports and the like are nobody's business here.
    """
    try:
        compile_source(code)
    except LocatedRewardError as error:
        return [error.problem]
    tree = ast.parse(code.source)
    problems = [*_imports(tree, code), *_refused_names(tree, code), *_numpy_files(tree, code)]
    problems += _definition(tree, code)
    return sorted(problems, key=lambda problem: problem.line or 0)


def _imports(tree: ast.Module, code: RewardCode) -> Iterator[RewardProblem]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            yield code.problem(
                "a reward function cannot import from files beside it.",
                node.lineno,
                advice="Put everything into one file.",
            )
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _modules(node):
                if name.partition(".")[0] not in ALLOWED_MODULES:
                    yield code.problem(
                        f"module '{name}' is not allowed.",
                        node.lineno,
                        advice=_import_advice(name),
                    )


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def _import_advice(name: str) -> str:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return (
            "A reward function computes a number from params and leaves files, processes, the "
            "network and the interpreter alone."
        )
    near = did_you_mean(name, ("math", "random", "numpy", "scipy", "shapely"))
    return f"Use math, random, numpy, scipy or shapely.{near}"


def _refused_names(tree: ast.Module, code: RewardCode) -> Iterator[RewardProblem]:
    """Find uses of built-in names, unless the racer means something else by them."""
    refused = REFUSED_NAMES - _bound_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in refused:
            yield code.problem(
                f"{node.id} is not allowed.",
                node.lineno,
                advice="A reward function computes a number from params and nothing else.",
            )


def _bound_names(tree: ast.Module) -> set[str]:
    """Names the file gives a meaning of its own: variables, parameters, functions, imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    return names


def _numpy_files(tree: ast.Module, code: RewardCode) -> Iterator[RewardProblem]:
    """Find functions of numpy that read or write files."""
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname or a.name for a in node.names if a.name == "numpy"}
    uses: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            uses += [(node.attr, node.lineno)] if node.value.id in aliases else []
        elif isinstance(node, ast.ImportFrom) and node.module == "numpy":
            uses += [(alias.name, node.lineno) for alias in node.names]
    for name, line in uses:
        if name in NUMPY_FILE_FUNCTIONS:
            yield code.problem(
                f"numpy.{name} is not allowed.",
                line,
                advice="A reward function reads and writes no files; put the numbers into it.",
            )


def _definition(tree: ast.Module, code: RewardCode) -> Iterator[RewardProblem]:
    """Find that there is no function to call, or none that returns a number."""
    if FUNCTION_NAME not in _bound_names(tree) and not _imports_everything(tree):
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        yield code.problem(
            f"there is no function {FUNCTION_NAME}.{did_you_mean(FUNCTION_NAME, names)}",
            advice=f"Define it at the top level: def {FUNCTION_NAME}(params).",
        )
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.name == FUNCTION_NAME and (isinstance(node, ast.AsyncFunctionDef) or _yields(node)):
            yield code.problem(
                f"{FUNCTION_NAME} returns a coroutine or generator instead of a number.",
                node.lineno,
                advice="Write a plain function: no async, no yield.",
            )


def _imports_everything(tree: ast.Module) -> bool:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(alias.name == "*" for node in imports for alias in node.names)


def _yields(function: ast.AST) -> bool:
    """Whether ``yield`` occurs in the function itself, not in functions within it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, (ast.Yield, ast.YieldFrom)):
            return True
        nested = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if not nested and _yields(child):
            return True
    return False
