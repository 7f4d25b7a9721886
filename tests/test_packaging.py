"""What is installed: one version everywhere, every track, and packages that colcon understands."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools.config.pyprojecttoml import read_configuration

import deepracer_car
from deepracer_sim.track_library import builtin_names

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "ros2_ws" / "src"
BELOW = {
    "deepracer_car": set(),
    "deepracer_sim": {"deepracer_car"},
    "deepracer_agent": {"deepracer_car", "deepracer_sim"},
}
"""The packages, and which of them each may depend on."""

PRINT_METADATA = """
import json, setuptools
seen = {}
setuptools.setup = lambda **arguments: seen.update(arguments)
exec(compile(open("setup.py").read(), "setup.py", "exec"))
print(json.dumps(seen))
"""

packages = pytest.mark.parametrize("package", BELOW)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The ``[project]`` table of pyproject.toml."""
    return read_configuration(ROOT / "pyproject.toml", expand=False)["project"]


def manifest(package: str) -> ElementTree.Element:
    return ElementTree.parse(SOURCES / package / "package.xml").getroot()


def setup_arguments(package: str) -> dict[str, Any]:
    """What the package's setup.py passes to setuptools."""
    answer = subprocess.run(
        [sys.executable, "-c", PRINT_METADATA],
        cwd=SOURCES / package,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return yaml.safe_load(answer.stdout)


def names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


@packages
def test_a_package_has_the_one_version(package: str) -> None:
    assert manifest(package).findtext("version") == deepracer_car.__version__
    assert setup_arguments(package)["version"] == deepracer_car.__version__


def test_the_distribution_has_the_one_version() -> None:
    dynamic = read_configuration(ROOT / "pyproject.toml", expand=False)["tool"]["setuptools"]
    assert dynamic["dynamic"]["version"] == {"attr": "deepracer_car.__version__"}


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d[^\] ]*)", changelog, re.MULTILINE)
    assert versions[0] == deepracer_car.__version__


@packages
def test_colcon_takes_the_package_for_what_it_is(package: str) -> None:
    xml = manifest(package)
    assert xml.get("format") == "3"
    assert xml.findtext("name") == package
    assert xml.findtext("export/build_type") == "ament_python"
    # An address that is not one makes colcon treat the package as plain Python, without a word.
    for maintainer in xml.findall("maintainer"):
        assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", maintainer.get("email", ""))
    assert xml.findall("maintainer")
    assert xml.findall("license")
    assert (SOURCES / package / "resource" / package).is_file()


@packages
def test_packages_depend_downwards_only(package: str) -> None:
    tags = ("depend", "build_depend", "exec_depend", "buildtool_depend", "test_depend")
    asked = {node.text for tag in tags for node in manifest(package).findall(tag)}
    assert asked & set(BELOW) == BELOW[package]


@packages
def test_setup_agrees_with_the_manifest(package: str) -> None:
    arguments = setup_arguments(package)
    xml = manifest(package)
    assert arguments["name"] == package
    assert arguments["packages"][0] == package
    assert arguments["maintainer_email"] == xml.find("maintainer").get("email")
    assert [
        "share/ament_index/resource_index/packages",
        [f"resource/{package}"],
    ] in arguments["data_files"]
    assert [f"share/{package}", ["package.xml"]] in arguments["data_files"]
    for _, files in arguments["data_files"]:
        assert all((SOURCES / package / file).is_file() for file in files)
    # No index knows our packages: pip must never be sent to look for them.
    assert not names(arguments["install_requires"]) & {canonicalize_name(name) for name in BELOW}
    # `ros2 run` and launch files look for programs there.
    assert f"install_scripts=$base/lib/{package}\n" in (SOURCES / package / "setup.cfg").read_text(
        encoding="utf-8"
    )


def test_requirements_agree(project: dict[str, Any]) -> None:
    base, train = project["dependencies"], project["optional-dependencies"]["train"]
    assert set(setup_arguments("deepracer_sim")["install_requires"]) == set(base)
    assert set(setup_arguments("deepracer_agent")["install_requires"]) <= set(base) | set(train)
    assert set(setup_arguments("deepracer_agent")["install_requires"]) >= set(train)


def test_the_car_installs_alone_on_an_old_python() -> None:
    arguments = setup_arguments("deepracer_car")
    assert arguments["python_requires"] == ">=3.8"
    assert names(arguments["install_requires"]) == {"numpy", "opencv-python-headless"}


def test_every_requirement_is_pinned(project: dict[str, Any]) -> None:
    pins = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    asked = names(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        asked |= names(extra)
    for python in ("3.10", "3.11", "3.12"):
        valid = [p for p in pins if not p.marker or p.marker.evaluate({"python_version": python})]
        pinned = [canonicalize_name(pin.name) for pin in valid]
        assert len(pinned) == len(set(pinned))
        assert asked <= set(pinned)


def test_every_built_in_track_is_installed(project: dict[str, Any]) -> None:
    folder = resources.files("deepracer_sim") / "tracks"
    files = {Path(file.name) for file in folder.iterdir() if file.is_file()}
    assert {file.stem for file in files} >= set(builtin_names())
    root = read_configuration(ROOT / "pyproject.toml", expand=False)["tool"]["setuptools"]
    for patterns in (root["package-data"], setup_arguments("deepracer_sim")["package_data"]):
        installed = {
            path.name
            for pattern in patterns["deepracer_sim"]
            for path in (SOURCES / "deepracer_sim" / "deepracer_sim").glob(pattern)
        }
        assert installed == {file.name for file in files}


def test_the_commands_exist(project: dict[str, Any]) -> None:
    installed = scripts("deepracer_agent")
    for name, place in project["scripts"].items():
        assert installed[name] == place
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@packages
def test_the_nodes_exist(package: str) -> None:
    nodes = {name: place for name, place in scripts(package).items() if name.endswith("_node")}
    assert nodes
    for name, place in nodes.items():
        assert place == f"{package}.ros.{name}:main"
        file = SOURCES / package / package / "ros" / f"{name}.py"
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert "main" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def scripts(package: str) -> dict[str, str]:
    """The programs that colcon installs with a package, and the function each runs."""
    lines = setup_arguments(package).get("entry_points", {}).get("console_scripts", [])
    return dict(line.split(" = ") for line in lines)
