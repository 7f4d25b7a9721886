"""The container's files, as far as they can be checked without building it."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]


class Instruction(NamedTuple):
    """One line of the Dockerfile, its continuations joined."""

    name: str
    value: str
    stage: str


def instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found, stage = [], ""
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if not line.strip():
            continue
        name, _, value = line.strip().partition(" ")
        if name == "FROM":
            stage = value.partition(" AS ")[2]
        found.append(Instruction(name, re.sub(r"\s+", " ", value), stage))
    return found


def of(name: str, stage: str = "") -> list[str]:
    return [i.value for i in instructions() if i.name == name and stage in ("", i.stage)]


def copied() -> list[str]:
    """What is copied out of the repository."""
    mine = [value.split() for value in of("COPY") if not value.startswith("--from")]
    return [source for words in mine for source in words[:-1]]


def is_sent(path: str) -> bool:
    """Whether the builder gets to see ``path``: the last pattern that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        wanted, pattern = line.startswith("!"), line.removeprefix("!").removeprefix("**/")
        parts = Path(path).parts
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        names = parts if "**/" in line else above
        if any(fnmatch(name, pattern) for name in names):
            sent = wanted
    return sent


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_every_stage_stands_on_a_pinned_image() -> None:
    stages: list[str] = []
    for value in of("FROM"):
        image, _, name = value.partition(" AS ")
        if image not in stages:
            tag = image.partition(":")[2]
            assert "jazzy" in tag
            assert "noble" in tag
        stages.append(name)
    assert stages == ["base", "build", "runtime"]


def test_it_does_not_run_as_root() -> None:
    (user,) = of("USER", stage="runtime")
    assert any(re.search(rf"\buseradd\b.*\b{user}$", line) for line in of("RUN", stage="runtime"))
    names = [i.name for i in instructions() if i.stage == "runtime"]
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_no_secret_goes_in() -> None:
    given = " ".join(of("ARG") + of("ENV"))
    assert not re.search(r"password|secret|token|key", given, re.IGNORECASE)
    assert not of("ADD")


@pytest.mark.parametrize("line", [line for line in of("RUN") if "apt-get install" in line])
def test_packages_leave_nothing_behind(line: str) -> None:
    assert line.index("apt-get update") < line.index("apt-get install")
    assert "--no-install-recommends" in line
    assert "rm -rf /var/lib/apt/lists/*" in line


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    assert copied()
    for path in copied():
        assert (ROOT / path).exists()
        assert is_sent(path)
    for path in (".git/config", ".venv/bin/python", "runs/first/status.json", "tests/conftest.py"):
        assert not is_sent(path)
    assert not is_sent("ros2_ws/src/deepracer_car/build/lib/spec.py")
    assert not is_sent("examples/quickstart/__pycache__/reward_function.pyc")


def test_every_manifest_is_known_before_packages_are_installed() -> None:
    manifests = {str(file.relative_to(ROOT)) for file in ROOT.glob("ros2_ws/src/*/package.xml")}
    assert manifests <= set(copied())


def test_the_entry_point_becomes_the_command(tmp_path: Path) -> None:
    (path,) = re.findall(r'"/?([\w.]+)"', *of("ENTRYPOINT"))
    script = ROOT / "docker" / path
    assert os.access(script, os.X_OK)
    setup = tmp_path / "setup.bash"
    setup.write_text("export WORKSPACE=known\n")
    text = script.read_text(encoding="utf-8")
    assert "/opt/deepracer/install/setup.bash" in text
    copy = tmp_path / path
    copy.write_text(text.replace("/opt/deepracer/install/setup.bash", str(setup)))
    command = ["bash", str(copy), "sh", "-c", 'echo "$WORKSPACE $0"; exit 3', "a b"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("known a b\n", 3)


def test_a_stop_is_an_interrupt() -> None:
    assert of("STOPSIGNAL") == ["SIGINT"]


def test_there_is_a_service_for_each_kind_of_machine() -> None:
    services = compose()["services"]
    assert {tuple(service["profiles"]) for service in services.values()} == {("cpu",), ("gpu",)}
    assert len({service["image"] for service in services.values()}) == len(services)
    arguments = {name.partition("=")[0] for name in of("ARG")}
    for service in services.values():
        assert service["build"]["target"] in [value.partition(" AS ")[2] for value in of("FROM")]
        assert set(service["build"]["args"]) <= arguments
        assert not service.get("privileged")
    (device,) = services["training-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_services_mount_what_is_there() -> None:
    for service in compose()["services"].values():
        for volume in service["volumes"]:
            source = re.sub(r"\$\{\w+:-(.*)\}", r"\1", volume["source"])
            assert source == "./runs" or (ROOT / source).is_dir()
