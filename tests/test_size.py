"""The line budget: small files, small functions. ``make size`` prints where it stands."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "ros2_ws" / "src"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
SHOWN_FUNCTIONS = 10


def source_files() -> list[Path]:
    """The Python files of the three packages; what colcon or pip left beside them is not ours."""
    return sorted(SOURCES.glob("deepracer_*/deepracer_*/**/*.py"))


def line_count(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def functions(file: Path) -> Iterator[tuple[int, str]]:
    """Lines, decorators included, and place of every function of ``file``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines = (node.end_lineno or first) - first + 1
            yield lines, f"{file.relative_to(SOURCES)}:{first} {node.name}"


def over_budget(files: list[Path]) -> list[str]:
    """What is too long, in words."""
    long_files = [
        f"{file.relative_to(SOURCES)}: {lines} lines, {MAX_FILE_LINES} are allowed"
        for file in files
        if (lines := line_count(file)) > MAX_FILE_LINES
    ]
    long_functions = [
        f"{place}: {lines} lines, {MAX_FUNCTION_LINES} are allowed"
        for file in files
        for lines, place in functions(file)
        if lines > MAX_FUNCTION_LINES
    ]
    return long_files + long_functions


def report(files: list[Path]) -> str:
    """Lines per file, the longest functions and the totals."""
    counts = sorted(((line_count(file), file) for file in files), reverse=True)
    longest = sorted((item for file in files for item in functions(file)), reverse=True)
    lines = [count for count, _ in counts]
    return "\n".join(
        [
            *(f"{count:5} {file.relative_to(SOURCES)}" for count, file in counts),
            "",
            *(f"{count:5} {place}" for count, place in longest[:SHOWN_FUNCTIONS]),
            "",
            f"{len(lines)} files, {sum(lines)} lines, median {statistics.median(lines):g}",
        ]
    )


def test_the_packages_are_found() -> None:
    assert {file.parent.name for file in source_files()} >= {
        "deepracer_car",
        "deepracer_sim",
        "deepracer_agent",
    }


def test_files_and_functions_keep_the_line_budget() -> None:
    assert over_budget(source_files()) == []


def test_what_is_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOURCES", tmp_path)
    file = tmp_path / "long.py"
    file.write_text("def f():\n" + "    pass\n" * MAX_FUNCTION_LINES, encoding="utf-8")
    assert over_budget([file]) == ["long.py:1 f: 61 lines, 60 are allowed"]
    file.write_text("\n" * (MAX_FILE_LINES + 1), encoding="utf-8")
    assert over_budget([file]) == ["long.py: 401 lines, 400 are allowed"]


if __name__ == "__main__":
    problems = over_budget(source_files())
    sys.stdout.write(report(source_files()) + "\n")
    sys.stderr.writelines(f"too long: {problem}\n" for problem in problems)
    sys.exit(bool(problems))
