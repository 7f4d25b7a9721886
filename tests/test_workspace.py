"""The colcon workspace: manifests that ROS accepts, and a build that installs what it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "ros2_ws" / "src"
PACKAGES = ("deepracer_car", "deepracer_sim", "deepracer_agent")
TOP_FOLDERS = [name for name in ("launch", "worlds") if (ROOT / name).is_dir()]
"""What deepracer_sim installs from the top of the repository."""

NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "install", "log")

packages = pytest.mark.parametrize("package", PACKAGES)


@packages
def test_a_manifest_is_valid(package: str) -> None:
    catkin = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg is not installed")
    warnings: list[str] = []
    manifest = catkin.parse_package(str(SOURCES / package / "package.xml"), warnings=warnings)
    manifest.validate(warnings=warnings)
    assert warnings == []
    named = [dependency.name for dependency in manifest.exec_depends]
    assert len(named) == len(set(named))


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a copy of the workspace was built to."""
    pytest.importorskip("colcon_core", reason="colcon is not installed")
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(SOURCES, folder / "ros2_ws" / "src", ignore=NOT_SOURCES)
    for name in ("examples", *TOP_FOLDERS):
        shutil.copytree(ROOT / name, folder / name, ignore=NOT_SOURCES)
    done = subprocess.run(
        [sys.executable, "-m", "colcon", "build", "--event-handlers", "console_direct+"],
        cwd=folder / "ros2_ws",
        env=shell_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "ros2_ws" / "install"


def shell_environment() -> dict[str, str]:
    """The environment of a shell that has no source of ours on its path."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def files(folder: Path, pattern: str = "*") -> set[Path]:
    found = (file for file in folder.rglob(pattern) if "__pycache__" not in file.parts)
    return {file.relative_to(folder) for file in found if file.is_file()}


@packages
def test_the_build_installs_a_package(install: Path, package: str) -> None:
    share = install / package / "share"
    assert (share / "ament_index" / "resource_index" / "packages" / package).is_file()
    manifest = share / package / "package.xml"
    assert manifest.read_bytes() == (SOURCES / package / "package.xml").read_bytes()
    (library,) = (install / package / "lib").glob("python3*/site-packages")
    source = SOURCES / package / package
    assert files(library / package, "*.py") == files(source, "*.py")

    (installed,) = distributions(path=[str(library)])
    for entry in installed.entry_points.select(group="console_scripts"):
        program = install / package / "lib" / package / entry.name
        assert os.access(program, os.X_OK)
        assert program.read_text(encoding="utf-8").startswith(f"#!{sys.executable}")
        assert library.joinpath(*entry.module.split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize("name", TOP_FOLDERS)
def test_the_build_installs_a_folder_of_the_top(install: Path, name: str) -> None:
    share = install / "deepracer_sim" / "share" / "deepracer_sim" / name
    wanted = files(ROOT / name)
    assert wanted
    assert files(share) >= wanted
    for file in wanted:
        assert (share / file).read_bytes() == (ROOT / name / file).read_bytes()


def test_what_was_built_runs(install: Path, tmp_path: Path) -> None:
    program = install / "deepracer_agent" / "lib" / "deepracer_agent" / "deepracer"
    where = (
        "import deepracer_car, deepracer_sim; print(deepracer_car.__file__, deepracer_sim.__file__)"
    )
    script = f'. "{install}/setup.sh" && "{program}" track list && "{sys.executable}" -c "{where}"'
    environment = {**shell_environment(), "COLCON_CURRENT_PREFIX": str(install)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "reinvent_base" in done.stdout
    imported = [Path(name) for name in done.stdout.splitlines()[-1].split()]
    assert all(install in file.parents for file in imported)
