"""Launch files, rviz's and rqt's settings: read, not started; needs no ROS."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SIM = ROOT / "ros2_ws" / "src" / "deepracer_sim"
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
TOPICS = ROOT / "ros2_ws/src/deepracer_car/deepracer_car/ros/topics.py"

every_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)


def calls(tree: ast.AST, function: str) -> list[ast.Call]:
    """Calls of a function by its plain name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == function
    ]


def keyword(call: ast.Call, name: str) -> str:
    value = next(pair.value for pair in call.keywords if pair.arg == name)
    assert isinstance(value, ast.Constant)
    return str(value.value)


def strings(path: Path) -> dict[str, str]:
    """The texts that a module gives names to."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def manifest(package: str) -> str:
    return (SIM.parent / package / "package.xml").read_text(encoding="utf-8")


def test_what_the_user_starts_is_there() -> None:
    names = {path.name.removesuffix(".launch.py") for path in FILES}
    assert {"training", "evaluation", "simulator", "car"} <= names


@every_file
def test_every_included_file_exists(file: Path) -> None:
    for call in calls(ast.parse(file.read_text(encoding="utf-8")), "include"):
        assert isinstance(call.args[0], ast.Constant)
        assert file.with_name(f"{call.args[0].value}.launch.py") in FILES


@every_file
def test_every_shared_file_exists(file: Path) -> None:
    for call in calls(ast.parse(file.read_text(encoding="utf-8")), "share"):
        parts = [part.value for part in call.args if isinstance(part, ast.Constant)]
        if len(parts) == len(call.args):
            home = ROOT if parts[0] in ("launch", "worlds") else SIM
            assert home.joinpath(*parts).exists()


@every_file
def test_what_is_started_exists_or_is_a_declared_dependency(file: Path) -> None:
    nodes = calls(ast.parse(file.read_text(encoding="utf-8")), "Node")
    for call in nodes:
        package, executable = keyword(call, "package"), keyword(call, "executable")
        if package.startswith("deepracer_"):
            setup = (SIM.parent / package / "setup.py").read_text(encoding="utf-8")
            assert re.search(rf'"{executable} = {package}[.\w]*:main"', setup)
        else:
            assert f"<exec_depend>{package}</exec_depend>" in manifest("deepracer_sim")


def test_no_node_of_the_agent_is_a_dependency_of_the_simulator() -> None:
    assert "deepracer_agent" not in manifest("deepracer_sim")  # colcon refuses the cycle


def entries(tree: Any, key: str) -> list[Any]:
    """All values of a key, however deep."""
    if isinstance(tree, list):
        return [found for part in tree for found in entries(part, key)]
    if not isinstance(tree, dict):
        return []
    here = [tree[key]] if key in tree else []
    return here + [found for part in tree.values() for found in entries(part, key)]


def test_rviz_shows_topics_and_frames_that_there_are() -> None:
    settings = yaml.safe_load((SIM / "config" / "deepracer.rviz").read_text(encoding="utf-8"))
    names = strings(TOPICS)
    shown = {topic["Value"] for topic in entries(settings, "Topic")}
    assert shown == {
        *(names[name] for name in ("IMAGE", "RIGHT_IMAGE", "SCAN", "ODOMETRY", "TRACK")),
        names["INITIAL_POSE"],
    }
    assert entries(settings, "Fixed Frame") == [names["MAP_FRAME"]]
    classes = {text.split("/")[-1] for text in entries(settings, "Class")}
    assert {"RobotModel", "TF", "Odometry", "LaserScan", "Image", "MarkerArray"} <= classes


def test_rqt_shows_topics_of_the_simulator_and_the_trainer() -> None:
    settings = json.loads((SIM / "config" / "deepracer.perspective").read_text(encoding="utf-8"))

    def values(tree: dict[str, Any]) -> dict[str, Any]:
        here = {key: ast.literal_eval(text["repr"]) for key, text in tree["keys"].items()}
        return here | {name: values(group) for name, group in tree["groups"].items()}

    plugins = values(settings)["pluginmanager"]
    for plugin, numbers in plugins["running-plugins"].items():
        package, name = plugin.split("/")
        assert f"<exec_depend>{package}</exec_depend>" in manifest("deepracer_sim")
        configured = [key for key in plugins if key.startswith(f"plugin__{package}__{name}__")]
        assert len(configured) in (0, len(numbers))
    image = plugins["plugin__rqt_image_view__ImageView__1"]["plugin"]["topic"]
    assert image == "/" + strings(TOPICS)["IMAGE"]
