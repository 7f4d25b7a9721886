"""What docs/ros.md says of launch files, nodes and topics is what the code says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "ros2_ws" / "src" / f"deepracer_{name}" for name in ("car", "sim", "agent")]
PAGE = (ROOT / "docs" / "ros.md").read_text(encoding="utf-8")
LAUNCH_FILES = sorted(path.name for path in (ROOT / "launch").glob("*.launch.py"))
OFFERED = ("training", "evaluation", "simulator", "car")

PRINT_ARGUMENTS = """
import json, runpy, sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

seen = []

class Declared:
    def __init__(self, name, *, default_value=None, description="", choices=None):
        self.name = name
        seen.append((name, default_value, list(choices or []), description))

class StandIns:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("launch", "launch_ros", "ament_index_python"):
            return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return MagicMock(name=spec.name)

    def exec_module(self, module):
        if module.__name__ == "launch.actions":
            module.DeclareLaunchArgument = Declared

sys.meta_path.insert(0, StandIns())
sys.path[:0] = sys.argv[2:]
runpy.run_path(sys.argv[1])["generate_launch_description"]()
print(json.dumps(seen))
"""


def launch_arguments(name: str) -> list[list[Any]]:
    """Name, default, choices and description of the arguments of a launch file of ours.

    It is loaded with stand-ins for the packages of launch, which few machines have.
    """
    file = ROOT / "launch" / f"{name}.launch.py"
    command = [sys.executable, "-c", PRINT_ARGUMENTS, str(file), *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def section(title: str) -> str:
    """The text under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def table(text: str) -> list[str]:
    """The rows of the first table in ``text``, without its head."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def code(value: str) -> str:
    return f"`{value}`" if value else "nothing"


@pytest.mark.parametrize("name", OFFERED)
def test_the_arguments_of_a_launch_file(name: str) -> None:
    rows = []
    for argument, default, choices, description in launch_arguments(name):
        may_be = ", ".join(map(code, choices)) or "text"
        start = "needed" if default is None else code(default)
        rows.append(f"| `{argument}` | {may_be} | {start} | {description} |")
    assert rows
    assert table(section(f"{name}.launch.py")) == rows, "it should be:\n" + "\n".join(rows)


def test_every_launch_file_is_told_of() -> None:
    assert set(LAUNCH_FILES) >= {f"{name}.launch.py" for name in OFFERED}
    for name in LAUNCH_FILES:
        assert name in PAGE


def launch_lines() -> list[str]:
    """Every ``ros2 launch`` that the pages, the Dockerfile and compose.yaml show, without "ros2 launch"."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages).replace("\\\n", " ")
    shown = re.findall(r"ros2 launch ([^`\n#]*\.launch\.py[^`\n#]*)", text)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    started = [" ".join(service["command"]) for service in compose["services"].values()]
    (default,) = re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    started.append(" ".join(json.loads(default)))
    assert all(line.startswith("ros2 launch ") for line in started)
    return sorted({*shown, *(line.removeprefix("ros2 launch ") for line in started)})


@pytest.mark.parametrize("line", launch_lines())
def test_a_launch_that_is_shown_would_start(line: str) -> None:
    package, file, *words = line.split()
    assert package == "deepracer_sim"
    assert file in LAUNCH_FILES
    declared = {row[0]: row for row in launch_arguments(file.partition(".")[0])}
    for word in words:
        name, assigned, value = word.partition(":=")
        if not assigned:  # an option of ros2 launch itself
            assert name in ("--show-args", "-s")
            continue
        assert name in declared
        value = re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
        assert value
        assert not declared[name][2] or value in declared[name][2]
    given = {word.partition(":=")[0] for word in words}
    if "--show-args" not in given:
        assert {name for name, row in declared.items() if row[1] is None} <= given
