"""Who may import whom; a command line that starts at once; a car that needs almost nothing."""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("deepracer_car", "deepracer_sim", "deepracer_agent")
FOLDERS = {name: ROOT / "ros2_ws" / "src" / name / name for name in PACKAGES}

HEAVY = ("torch", "stable_baselines3", "tensorboard", "matplotlib", "numba", "cv2", "av")
"""What the command line must not import before it knows what it is to do."""
WITHOUT_LEARNING = ("torch", "stable_baselines3", "tensorboard")
"""What nothing imports that only configures, records or shows."""

LATER = frozenset({"removeprefix", "removesuffix"})
LATER_KEYWORDS = frozenset({"strict", "slots", "kw_only"})
GENERICS = frozenset({"dict", "frozenset", "list", "set", "tuple", "type"})
"""What Python 3.8 does not have, or not at run time."""

ONLY_NUMPY_AND_OPENCV = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"numpy", "cv2", "deepracer_car"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Block())
for module in sys.argv[1:]:
    __import__(module)
try:
    import gymnasium
except ModuleNotFoundError:
    sys.exit(0)
sys.exit("nothing was blocked")
"""


def modules(package: str) -> list[str]:
    """Dotted names of the modules of ``package``."""
    folder = FOLDERS[package]
    names = [file.relative_to(folder.parent).with_suffix("") for file in folder.rglob("*.py")]
    return sorted(".".join(name.parts).removesuffix(".__init__") for name in names)


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository with the three packages on its path."""
    path = os.pathsep.join(str(folder.parent) for folder in FOLDERS.values())
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def imported(modules: list[str]) -> set[str]:
    """Top-level names that are loaded after ``modules`` have been imported in a fresh process."""
    answer = run_python("-c", f"import sys, {', '.join(modules)}; print(*sys.modules)")
    assert answer.returncode == 0, answer.stderr
    return {name.partition(".")[0] for name in answer.stdout.split()}


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    return parser


def test_the_import_contracts_are_kept() -> None:
    answer = run_python("-c", "from importlinter.cli import lint_imports; exit(lint_imports())")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_command_is_under_a_contract() -> None:
    parser = contracts()
    governed = {
        name
        for section in parser.sections()
        if section.endswith("-without-learning")
        for name in parser[section]["source_modules"].split()
    }
    commands = {name for name in modules("deepracer_agent") if ".cli" in name}
    assert commands
    assert commands <= governed, "add the new command to a contract of .importlinter"


def test_the_car_needs_numpy_and_opencv_only() -> None:
    without_ros = [name for name in modules("deepracer_car") if ".ros" not in name]
    answer = run_python("-c", ONLY_NUMPY_AND_OPENCV, *without_ros)
    assert answer.returncode == 0, answer.stderr


def test_the_command_line_starts_without_heavy_packages() -> None:
    assert imported(["deepracer_agent.cli"]).isdisjoint(HEAVY)


def test_what_records_and_shows_runs_without_learning() -> None:
    section = contracts()["importlinter:contract:records-without-learning"]
    assert imported(section["source_modules"].split()).isdisjoint(WITHOUT_LEARNING)


def file_of(module: str) -> Path:
    """The file of a module of the car's."""
    file = FOLDERS["deepracer_car"].parent.joinpath(*module.split(".")).with_suffix(".py")
    return file if file.exists() else file.with_suffix("") / "__init__.py"


def needed_python(source: str) -> tuple[int, int]:
    """The Python that grammar and library calls need; vermin knows when each came.

    What is subscripted or joined by ``|`` it takes for annotations; `is_later` does not.
    """
    vermin = pytest.importorskip("vermin", reason="vermin is not installed")
    _, python = vermin.visit(source, vermin.Config()).minimum_versions()
    return python


@pytest.mark.parametrize("module", modules("deepracer_car"))
def test_the_car_needs_no_later_library(module: str) -> None:
    assert needed_python(file_of(module).read_text(encoding="utf-8")) <= (3, 8)


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("zip(a, b, strict=True)", (3, 10)),
        ("from functools import cache", (3, 9)),
        ("from pathlib import Path\nPath('a').is_relative_to('b')", (3, 9)),
        ("match a:\n    case _: pass", (3, 10)),
        ("if (n := f()): pass", (3, 8)),
    ],
)
def test_a_later_library_is_recognised(source: str, python: tuple[int, int]) -> None:
    assert needed_python(source) == python


@pytest.mark.parametrize("module", modules("deepracer_car"))
def test_the_car_runs_on_python_3_8(module: str) -> None:
    tree = ast.parse(file_of(module).read_text(encoding="utf-8"), feature_version=(3, 8))
    assert [
        ast.unparse(node) for node in ast.walk(without_annotations(tree)) if is_later(node)
    ] == []


@pytest.mark.parametrize(
    ("source", "is_fine"),
    [
        ("def f(x: list[int] | None) -> dict[str, int]: ...", True),
        ("Names = list[str]", False),
        ("Names = int | None", False),
        ("zip(a, b, strict=True)", False),
        ("text.removeprefix('x')", False),
        ("a | b", True),
    ],
)
def test_later_python_is_recognised(source: str, is_fine: bool) -> None:
    tree = without_annotations(ast.parse(source))
    assert any(is_later(node) for node in ast.walk(tree)) is not is_fine


def without_annotations(tree: ast.Module) -> ast.Module:
    """Take out what ``from __future__ import annotations`` keeps from running."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant("")
    return tree


def is_later(node: ast.AST) -> bool:
    """Whether ``node`` needs a Python above 3.8 when it runs, as far as we slip into that."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id in GENERICS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = (node.left, node.right)
        return any(isinstance(side, ast.Constant) and side.value is None for side in sides)
    if isinstance(node, ast.Attribute):
        return node.attr in LATER
    return isinstance(node, ast.keyword) and node.arg in LATER_KEYWORDS
