"""The colcon workspace: manifests that ROS accepts, and a build that installs what it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "ros2_ws" / "src"
PACKAGES = ("deepracer_car", "deepracer_sim", "deepracer_agent")
SHARED = ("launch", "worlds")
"""Folders at the top of the repository that deepracer_sim installs."""

SHOW = """
import {package}, shutil
from pathlib import Path
print(Path({package}.__file__).parent.parent)
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_manifest_is_valid(package: str) -> None:
    catkin = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg is not installed")
    warnings: list[str] = []
    parsed = catkin.parse_package(str(SOURCES / package / "package.xml"), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert warnings == []
    assert parsed.get_build_type() == "ament_python"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_dependency_is_named_twice(package: str) -> None:
    tags = ("depend", "exec_depend", "test_depend")
    xml = ElementTree.parse(SOURCES / package / "package.xml")
    named = [str(node.text) for tag in tags for node in xml.findall(tag)]
    assert sorted(named) == sorted(set(named))


def environment(**more: str) -> dict[str, str]:
    """The environment of a shell that knows nothing of this checkout."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**kept, "PATH": path, **more}


@lru_cache(maxsize=1)
def copy_and_build(folder: Path) -> Path:
    """Build a copy of the workspace in ``folder``; returns where it is installed."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "install", "log")
    shutil.copytree(SOURCES, folder / "ros2_ws" / "src", ignore=ignored)
    for name in SHARED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-m", "colcon", "build", "--event-handlers", "console_cohesion+"],
        cwd=folder / "ros2_ws",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "ros2_ws" / "install"
