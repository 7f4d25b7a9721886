"""What is carried to a car, and what installing it does; pip, ssh and systemd are stand-ins."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deepracer_agent import car_wheels
from deepracer_agent.car_bundle import ON_CAR, SUMS
from deepracer_agent.car_wheels import MACHINES, PINS, Target, write_own_wheel
from deepracer_agent.cli import main
from deepracer_agent.export import export_bundle
from deepracer_car.errors import ConfigError

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER_PYTHON = "3.8"  # No Python that the tests run on.
SYSTEMCTL = """#!/bin/bash
# Keeps what is enabled and active as files, and says what it was asked.
echo "$*" >> "$STATE/asked"
[ ! -e "$STATE/broken" ] || [[ "$*" != "$(cat "$STATE/broken")" ]] || exit 1
unit=${@: -1}
case "$1" in
    cat) [ "$unit" = deepracer-core.service ] && [ ! -e "$STATE/no-core" ] ;;
    is-enabled) [ -e "$STATE/enabled-$unit" ] ;;
    is-active) [ -e "$STATE/active-$unit" ] ;;
    enable) touch "$STATE/enabled-$unit" ;;
    disable) rm -f "$STATE/enabled-$unit" "$STATE/active-$unit" ;;
    start) touch "$STATE/active-$unit" ;;
    stop) shift; for unit in "$@"; do rm -f "$STATE/active-$unit"; done ;;
esac
"""
SSH = """#!/bin/bash
# The car is this computer, below $CAR; ssh's options are not the command's.
echo "ssh $*" >> "$STATE/said"
[ ! -e "$STATE/unreachable" ] || exit 255
[ "$1" != -t ] || shift
shift
cd "$CAR/home" && PATH="$STATE/car:$PATH" exec bash -c "$*"
"""
RSYNC = """#!/bin/bash
echo "rsync $*" >> "$STATE/said"
to=${@: -1}
rm -rf "$CAR/home/${to#*:}"
cp -r "${@: -2:1}" "$CAR/home/${to#*:}"
"""


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def model(_lively_run: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "bundle"
    return export_bundle(str(_lively_run("discrete")), out).path


@pytest.fixture
def car(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a car that carries ROS and its own software, with a Python like ours.

    Packages are found where ours are: that real ones for a car are fetched is pip's affair.
    """
    root, state = tmp_path / "car", tmp_path / "state"
    for folder in ("home", "opt/ros/jazzy", "opt/aws/deepracer/lib"):
        (root / folder).mkdir(parents=True)
    (root / "opt/ros/jazzy/setup.bash").write_text("export ROS_DISTRO=jazzy\n")
    (root / "opt/aws/deepracer/lib/setup.bash").write_text('export CAR="with $ROS_DISTRO"\n')
    state.mkdir()
    for name in ("enabled", "active"):
        (state / f"{name}-deepracer-core.service").touch()
    program(state, "systemctl", SYSTEMCTL)
    program(state, "ssh", SSH)
    program(state / "car", "sudo", '#!/bin/bash\nexec "$@"\n')
    program(state, "python3", f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    monkeypatch.setenv("PATH", f"{state}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STATE", str(state))
    monkeypatch.setenv("CAR", str(root))
    monkeypatch.setenv("DEEPRACER_ROOT", str(root))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PINS, PYTHON, {"numpy": "1"})
    monkeypatch.setitem(car_wheels.GLIBC, PYTHON, 31)
    monkeypatch.setattr("deepracer_agent.car_bundle.download", lambda target, folder: None)
    return root


@pytest.fixture
def bundle(car: Path, model: Path, tmp_path: Path) -> Path:
    """A folder for that car, as it is when it has arrived there."""
    folder = tmp_path / "bundle"
    words = ["--model", str(model), "--python", PYTHON, "--arch", platform.machine()]
    assert main(["car", "deploy", "--dry-run", str(folder), *words]) == 0
    return folder


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", script, *arguments], capture_output=True, text=True, timeout=120)


def state(car: Path) -> set[str]:
    """What is enabled and what is active."""
    names = {file.name for file in (car.parent / "state").iterdir()}
    return {name for name in names if name.startswith(("enabled-", "active-"))}


STOCK = {"enabled-deepracer-core.service", "active-deepracer-core.service"}
OURS = {"enabled-deepracer-car.service", "active-deepracer-car.service"}


def files(car: Path, *folders: str) -> set[str]:
    found = [file for folder in folders for file in (car / folder).rglob("*")]
    return {str(file.relative_to(car)) for file in found if file.is_file() or file.is_symlink()}


def test_the_wheel_of_the_car_is_one_that_pip_takes(tmp_path: Path) -> None:
    wheel = write_own_wheel(tmp_path)
    assert write_own_wheel(tmp_path).read_bytes() == wheel.read_bytes()
    words = ["install", "--no-deps", "--no-index", "--quiet", "--target", tmp_path / "lib", wheel]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=120)
    source = Path(car_wheels.deepracer_car.__file__).parent
    for file in source.rglob("*.py"):
        copy = tmp_path / "lib" / "deepracer_car" / file.relative_to(source)
        assert copy.read_bytes() == file.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read(next(n for n in archive.namelist() if n.endswith("/RECORD")))
        assert len(record.splitlines()) == len(archive.namelist())


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", ["3.8", "3.10", "3.12"])
def test_pip_is_asked_for_what_runs_on_the_car(
    python: str, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pip(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.extend(words)
        for name in PINS[python]:
            (tmp_path / f"{name.replace('-', '_')}-1-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    car_wheels.download(Target(python, machine), tmp_path)
    assert f"--python-version={python}" in asked
    assert "--only-binary=:all:" in asked
    glibc = {"3.8": 31, "3.10": 35, "3.12": 39}[python]
    assert f"--platform=manylinux_2_{glibc}_{machine}" in asked
    assert f"--platform=manylinux_2_{glibc + 1}_{machine}" not in asked
    assert not [word for word in asked if word.startswith("--platform") and machine not in word]
    major = next(word for word in asked if word.startswith("numpy==")).split("==")[1].split(".")[0]
    assert major == "1", "ROS's extension modules there are compiled for NumPy 1"
    assert any(word.startswith("onnxruntime==") for word in asked)


def test_pip_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        ConfigError, match=r"Python 3\.8 on aarch64: ERROR: .*coloredlogs==.* PIP_INDEX_URL"
    ):
        car_wheels.download(Target("3.8", "aarch64"), tmp_path)


@pytest.mark.parametrize(("python", "machine"), [("3.9", "x86_64"), ("3.8", "aarch65")])
def test_other_computers_are_refused(python: str, machine: str) -> None:
    with pytest.raises(ConfigError, match="there are cars with"):
        Target(python, machine)


def test_a_bundle_holds_all_that_a_car_needs(bundle: Path) -> None:
    sums = dict(line.split("  ")[::-1] for line in (bundle / SUMS).read_text().splitlines())
    present = {str(f.relative_to(bundle)) for f in bundle.rglob("*") if f.is_file()} - {SUMS}
    assert set(sums) == present
    for name, digest in sums.items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest
    assert {file.name for file in ON_CAR.iterdir()} <= present
    assert "model/policy.onnx" in present
    settings = yaml.safe_load((bundle / "settings.yaml").read_text())["car_node"]["ros__parameters"]
    deployed = yaml.safe_load((bundle / "deployed.yaml").read_text())["car_node"]["ros__parameters"]
    assert settings["throttle_scale"] == 0.0
    assert "armed" not in settings | deployed
    assert deployed["output"] == "replace"


def test_a_folder_that_holds_something_is_left_alone(
    bundle: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(bundle.rglob("*"))
    words = ["--model", str(model), "--python", "3.8"]
    assert main(["car", "deploy", "--dry-run", str(bundle), *words]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert sorted(bundle.rglob("*")) == before


def test_systemd_understands_the_units() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    units = sorted(map(str, ON_CAR.glob("*.service")))
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60
    )
    complaints = done.stderr.splitlines()
    # That the car's programs are not here is all it may say.
    assert not [line for line in complaints if "/opt/deepracer_car/ros.sh" not in line]


def test_a_driver_that_freezes_is_noticed_and_the_car_stopped() -> None:
    unit = (ON_CAR / "deepracer-car.service").read_text().splitlines()
    assert {"Type=notify", "WatchdogSec=2", "Restart=on-failure"} <= set(unit)
    stops = [line for line in unit if line.startswith("ExecStopPost=")]
    # A failure of the first must not keep the second from running.
    assert all(line.startswith("ExecStopPost=-") for line in stops)
    assert ["--no-ros" in line for line in stops] == [True, False]


def test_installed_it_replaces_the_cars_own_software(bundle: Path, car: Path) -> None:
    done = run(bundle / "install.sh")
    assert done.returncode == 0, done.stderr
    assert "The model answers: lively:2" in done.stdout
    assert state(car) == OURS
    assert (car / "opt/deepracer_car/lib/deepracer_car/ros/car_node.py").is_file()
    assert files(car, "etc") == {
        "etc/deepracer_car/settings.yaml",
        "etc/systemd/system/deepracer-car-camera.service",
        "etc/systemd/system/deepracer-car-servo.service",
        "etc/systemd/system/deepracer-car.service",
        "etc/systemd/system/deepracer-car.service.d/replace.conf",
    }
    assert (car / "usr/local/bin/deepracer-car").is_symlink()


@pytest.mark.parametrize("stock", [STOCK, {"active-deepracer-core.service"}, set()])
def test_uninstalled_the_cars_own_software_is_back(
    bundle: Path, car: Path, stock: set[str]
) -> None:
    for name in STOCK - stock:
        (car.parent / "state" / name).unlink()
    before = files(car, "etc", "opt", "usr", "var")
    # Twice: the second time must not take the software that was switched off for one that was off.
    for _ in range(2):
        assert run(bundle / "install.sh").returncode == 0
    done = run(car / "opt/deepracer_car/uninstall.sh", "--purge")
    assert done.returncode == 0, done.stderr
    assert state(car) == stock
    assert files(car, "etc", "opt", "usr", "var") == before


def test_settings_stay_when_it_is_installed_anew(bundle: Path, car: Path) -> None:
    assert run(bundle / "install.sh").returncode == 0
    settings = car / "etc/deepracer_car/settings.yaml"
    settings.write_text("mine")
    (car / "opt/deepracer_car/lib/old_package").touch()
    assert run(bundle / "install.sh").returncode == 0
    assert settings.read_text() == "mine"
    assert not (car / "opt/deepracer_car/lib/old_package").exists()
    assert run(car / "opt/deepracer_car/uninstall.sh").returncode == 0
    assert settings.read_text() == "mine"


def test_beside_the_cars_own_software_it_runs_on(car: Path, model: Path, tmp_path: Path) -> None:
    words = ["--model", str(model), "--python", PYTHON, "--arch", platform.machine()]
    for output, expected in (("replace", OURS), ("beside", OURS | STOCK)):
        folder = tmp_path / output
        assert main(["car", "deploy", "--output", output, "--dry-run", str(folder), *words]) == 0
        assert run(folder / "install.sh").returncode == 0
        assert state(car) == expected
    assert "output: beside" in (car / "opt/deepracer_car/deployed.yaml").read_text()
    assert not list((car / "etc/systemd/system").rglob("replace.conf"))
    assert run(car / "opt/deepracer_car/uninstall.sh").returncode == 0
    assert state(car) == STOCK


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("echo PYTHON=2.7 >> target", "damaged or incomplete"),
        ("rm SHA256SUMS", "damaged or incomplete"),
        (
            "sed -i s/^PYTHON=.*/PYTHON=2.7/ target && {}",
            "this is for Python 2.7",
        ),
        ("rm model/policy.onnx && sed -i '/policy.onnx/d' SHA256SUMS", "nothing was changed"),
        ("echo x > model/policy.onnx && {}", "nothing was changed"),
        ('rm "$CAR/opt/ros/jazzy/setup.bash"', "no ROS 2"),
    ],
)
def test_what_cannot_drive_changes_nothing(
    bundle: Path, car: Path, damage: str, reason: str
) -> None:
    again = "find . -type f ! -name SHA256SUMS -printf '%P\\0' | xargs -0 sha256sum > SHA256SUMS"
    subprocess.run(["bash", "-c", damage.replace("{}", again)], cwd=bundle, check=True)
    before = files(car, "etc", "opt", "usr", "var")
    done = run(bundle / "install.sh")
    assert done.returncode == 1
    assert reason in done.stderr
    assert state(car) == STOCK
    assert files(car, "etc", "opt", "usr", "var") == before


@pytest.mark.parametrize(
    "broken", ["start deepracer-car.service", "enable deepracer-car.service", "daemon-reload"]
)
def test_a_driver_that_does_not_start_is_taken_off_again(
    bundle: Path, car: Path, broken: str
) -> None:
    (car.parent / "state" / "broken").write_text(broken)
    done = run(bundle / "install.sh")
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert state(car) == STOCK
    assert not (car / "opt/deepracer_car").exists()
    assert not files(car, "etc/systemd", "usr")


def test_own_software_that_does_not_come_back_is_told(bundle: Path, car: Path) -> None:
    assert run(bundle / "install.sh").returncode == 0
    (car.parent / "state" / "broken").write_text("start deepracer-core.service")
    done = run(car / "opt/deepracer_car/uninstall.sh")
    assert done.returncode == 1
    assert "deepracer-core does not start" in done.stderr


def test_a_car_without_software_of_its_own(bundle: Path, car: Path) -> None:
    (car.parent / "state" / "no-core").touch()
    assert run(bundle / "install.sh").returncode == 0
    assert "disable --now deepracer-core.service" not in (car.parent / "state/asked").read_text()


def test_commands_have_ros_and_our_packages_around_them(bundle: Path, car: Path) -> None:
    assert run(bundle / "install.sh").returncode == 0
    ask = 'echo "$CAR, $PYTHONPATH"'
    expected = f"with jazzy, {car}/opt/deepracer_car/lib"
    assert run(car / "opt/deepracer_car/ros.sh", "bash", "-c", ask).stdout.strip() == expected
    without = run(car / "opt/deepracer_car/ros.sh", "--no-ros", "bash", "-c", ask).stdout.strip()
    assert without == f"{car}, {car}/opt/deepracer_car/lib"


def test_the_command_on_the_car(bundle: Path, car: Path) -> None:
    assert run(bundle / "install.sh").returncode == 0
    program(car.parent / "state", "ros2", '#!/bin/bash\necho "$@"\n')
    command = car / "opt/deepracer_car/deepracer-car"
    for words, expected in {
        ("arm",): "service call /car_node/arm std_srvs/srv/SetBool {data: true}",
        ("disarm",): "service call /car_node/arm std_srvs/srv/SetBool {data: false}",
        ("estop",): "service call /car_node/estop std_srvs/srv/Trigger",
        ("reset",): "service call /car_node/reset std_srvs/srv/Trigger",
        ("throttle", "0.3"): "param set /car_node throttle_scale 0.3",
        ("set", "max_speed", "1.5"): "param set /car_node max_speed 1.5",
    }.items():
        done = run(command, *words)
        assert done.returncode == 0, words
        assert done.stdout.splitlines()[-1] == expected
    for words in (), ("arm", "now"), ("fly",):
        done = run(command, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "deepracer-car arm" in done.stderr


@pytest.mark.parametrize("rsync", [True, False])
def test_a_car_is_asked_then_served_over_ssh(
    car: Path,
    model: Path,
    rsync: bool,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = car.parent / "state"
    if rsync:
        program(folder, "rsync", RSYNC)
    else:
        which = shutil.which
        monkeypatch.setattr(shutil, "which", lambda name: None if name == "rsync" else which(name))
    (car / "home/deepracer_car_bundle").mkdir()
    (car / "home/deepracer_car_bundle/left_over").touch()
    assert main(["car", "deploy", "deepracer@car", "--model", str(model)]) == 0, capfd.readouterr()
    assert "The driver runs, disarmed" in capfd.readouterr().out
    assert state(car) == OURS
    said = (folder / "said").read_text()
    assert ("rsync -a --delete" in said) == rsync
    assert "ssh -t deepracer@car sudo bash deepracer_car_bundle/install.sh" in said
    assert not (car / "home/deepracer_car_bundle/left_over").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("deepracer@car", "--python", OTHER_PYTHON), "was asked for, deepracer@car has Python"),
        (("--", "-oProxyCommand=reboot"), "a host as ssh knows it is allowed"),
        (("car;reboot",), "a host as ssh knows it is allowed"),
        ((), "Name the car"),
        (("--dry-run", "somewhere"), "say --python"),
    ],
)
def test_words_that_cannot_be_followed(
    car: Path,
    model: Path,
    words: tuple[str, ...],
    reason: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["car", "deploy", "--model", str(model), *words]) != 0
    assert reason in capfd.readouterr().err
    assert state(car) == STOCK


def test_a_car_that_does_not_answer(
    car: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (car.parent / "state" / "unreachable").touch()
    assert main(["car", "deploy", "deepracer@car", "--model", str(model)]) == 1
    assert "cannot be reached by ssh" in capfd.readouterr().err


def test_a_car_that_refuses(car: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (car.parent / "state" / "broken").write_text("start deepracer-car.service")
    assert main(["car", "deploy", "deepracer@car", "--model", str(model)]) == 1
    told = capfd.readouterr().err
    assert "did not start" in told
    assert "exit status 1; the reason stands above" in told
