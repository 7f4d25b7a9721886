"""What docs/ros.md says of launch files, nodes and topics is what the code says."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

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
    """What stands after ``ros2 launch`` in the pages, the Dockerfile and compose.yaml."""
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


PRINT_PARAMETERS = """
import importlib, inspect, json, sys

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from deepracer_car.errors import DeepRacerError

declare, declared = Node.declare_parameter, []

def record(node, name, value=None, descriptor=None, *rest):
    descriptor = descriptor or ParameterDescriptor()
    if name not in ("use_sim_time", "start_type_description_service"):  # every node has them
        declared.append((name, value, descriptor.description))
    return declare(node, name, value, descriptor, *rest)

Node.declare_parameter = record
found = {}
rclpy.init()
for word in sys.argv[1:]:
    name, _, module = word.partition("=")
    declared.clear()
    of_module = lambda kind: (
        inspect.isclass(kind) and issubclass(kind, Node) and kind.__module__ == module
    )
    ((_, node),) = inspect.getmembers(importlib.import_module(module), of_module)
    try:
        node().destroy_node()
    except DeepRacerError:
        pass  # It wants a model, say; its parameters are known by then.
    found[name] = list(declared)
print(json.dumps(found))
"""


def executables() -> dict[str, str]:
    """The nodes that the packages install, each with its module."""
    text = "".join((source / "setup.py").read_text(encoding="utf-8") for source in SOURCES)
    return dict(re.findall(r'"(\w+_node) = ([\w.]+):main"', text))


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """Name, default and description of the parameters that each node declares when it starts."""
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    path = [*map(str, SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF",  # nobody shall hear these nodes
        "ROS_LOG_DIR": str(tmp_path_factory.mktemp("log")),
    }
    words = [f"{name}={module}" for name, module in executables().items()]
    command = [sys.executable, "-c", PRINT_PARAMETERS, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("node", executables())
def test_the_parameters_of_a_node(node: str, parameters: dict[str, list[list[Any]]]) -> None:
    rows = []
    for name, default, description in parameters[node]:
        start = code(json.dumps(default).strip('"')) if default != [""] else "nothing"
        rows.append(f"| `{name}` | {start} | {description} |")
    assert table(section(node)) == rows, "it should be:\n" + "\n".join(rows)


def topics_of_the_code() -> set[str]:
    """Names in topics.py, in the bridge's table and below ``training/``, as in the page."""
    text = (SOURCES[0] / "deepracer_car" / "ros" / "topics.py").read_text(encoding="utf-8")
    values = dict(re.findall(r'^([A-Z_]+) = "([^"]+)"', text, re.MULTILINE))
    names = {value for name, value in values.items() if not name.endswith("_FRAME")}
    bridge = yaml.safe_load((SOURCES[1] / "config" / "bridge.yaml").read_text(encoding="utf-8"))
    names |= {row["ros_topic_name"] for row in bridge}
    monitor = (SOURCES[2] / "deepracer_agent" / "ros" / "monitor.py").read_text(encoding="utf-8")
    (numbers,) = re.findall(r"^NUMBERS = (\{.*?^\})", monitor, re.MULTILINE | re.DOTALL)
    names |= {f"training/{name}" for name in ast.literal_eval(numbers)}
    return {re.sub(r"deepracer/\w+_joint/", "deepracer/JOINT/", name) for name in names}


def test_the_topics() -> None:
    rows = [row.strip("| ").split(" | ") for row in table(section("Topics"))]
    shown = {name: cells[1] for cells in rows for name in re.findall(r"`([^`]+)`", cells[0])}
    assert set(shown) == topics_of_the_code()
    bridge = yaml.safe_load((SOURCES[1] / "config" / "bridge.yaml").read_text(encoding="utf-8"))
    for row in bridge:
        name = re.sub(r"deepracer/\w+_joint/", "deepracer/JOINT/", row["ros_topic_name"])
        assert row["ros_type_name"].replace("/msg/", "/") in shown[name].replace("`", "")


def test_the_frames() -> None:
    xacro = pytest.importorskip("xacro", reason="xacro is not installed")
    (tree,) = re.findall(r"```\n(map.*?)```", section("Frames"), re.DOTALL)
    shown = set()
    for line in tree.splitlines():
        names = re.findall(r"[a-z_]+", line.partition("(")[0])
        names = names if names[0] == "map" else ["chassis", *names]
        shown |= set(pairwise(names))

    file = ROOT / "worlds" / "car" / "deepracer.urdf.xacro"
    everything = {"sensors": "stereo", "lidar": "true"}
    urdf = ElementTree.fromstring(xacro.process_file(str(file), mappings=everything).toxml())
    ends = [(joint.find("parent"), joint.find("child")) for joint in urdf.iter("joint")]
    joints = {(a.get("link"), b.get("link")) for a, b in ends if a is not None and b is not None}
    assert shown == joints | {("map", "odom"), ("odom", "base_link")}
