"""The command line: every command but training, and what it says to bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepracer_agent.cli import main

ROOT = Path(__file__).parents[2]
PACKAGES = os.pathsep.join(str(p) for p in (ROOT / "ros2_ws" / "src").iterdir())


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


COMMANDS = [
    (),
    ("train",),
    ("evaluate",),
    ("drive",),
    ("runs",),
    ("car",),
    ("car", "deploy"),
    ("track",),
    ("track", "list"),
    ("track", "show"),
    ("track", "import"),
    ("track", "generate"),
    ("track", "world"),
    ("reward",),
    ("reward", "check"),
    ("drive-log",),
    ("drive-log", "show"),
    ("drive-log", "video"),
    ("drive-log", "replay"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"Usage: {' '.join(('deepracer', *command))}" in told
    if command not in (("car",), ("track",), ("reward",), ("drive-log",)):
        assert re.search(r"(Example|Start with): deepracer ", told)


def test_help_comes_without_heavy_imports() -> None:
    code = (
        "import sys\nfrom deepracer_agent.cli import main\nmain(['--help'])\n"
        "heavy = {'torch', 'numba', 'numpy', 'pydantic', 'stable_baselines3'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fly"], 2, "No such command 'fly'"),
        (["track", "show"], 2, "Missing argument"),
        (["track", "show", "reinvent_bas"], 1, "Did you mean 'reinvent_base'?"),
        (["track", "show", "reinvent_base", "--direction", "left"], 2, "--direction"),
        (["track", "show", "reinvent_base", "-o", "no/where.png"], 1, "No such file or directory"),
        (["track", "import", "none.npy"], 1, "Cannot read the track file none.npy"),
        (["track", "generate", "--seed", "x"], 2, "--seed"),
        (["track", "generate", "--seed", "1", "--length", "3"], 1, "The length 3 m is out of"),
        (["track", "world", "reinvent_bas"], 1, "Did you mean 'reinvent_base'?"),
        (["track", "world", "reinvent_base", "--boxes", "99"], 1, "99 objects cannot stand on"),
        (["track", "world", "reinvent_base", "--box", "0.3"], 1, "'0.3' is no place on a track"),
        (["track", "world", "reinvent_base", "--rtf", "-1"], 1, "real-time factor -1 cannot"),
        (["reward", "check", "none.py"], 1, "There is no reward function file none.py"),
        (["evaluate", "nothing"], 1, "There is no run 'nothing'"),
        (["evaluate", "nothing", "--laps", "0"], 2, "--laps"),
        (["evaluate", "nothing", "--video", "x.avi"], 2, "a film ends with .mp4 or .gif"),
        (["drive", "nothing", "-o", "no/x.gif"], 2, "there is no folder no"),
        (["train"], 2, "give FOLDER"),
        (["train", "nowhere"], 1, "there is no such folder"),
        (["train", ".", "--resume", "x"], 2, "--resume goes without FOLDER"),
        (["train", "--resume", "x"], 1, "There is no run 'x'"),
        (["train", "--resume", "last"], 1, "holds no runs"),
        (["train", ".", "--from", "x:3"], 1, "There is no run 'x'"),
        (["train", ".", "--track", "ovl_track"], 1, "There is no track 'ovl_track'"),
        (["train", ".", "--time", "soon"], 1, "command line: stop.time: 'soon' given"),
        (["train", ".", "--cars", "0"], 1, "command line: cars: 0 given"),
        (["train", ".", "--set", "cars"], 2, "KEY=VALUE is allowed"),
        (["train", ".", "--set", "stop.tme=3"], 1, "Did you mean 'time'?"),
        (["train", ".", "--set", "hyperparameters.lr=1"], 1, "1e-08 to 0.001"),
        (["train", ".", "--name", "a/b"], 1, "cannot be the name of a run"),
    ],
)
def test_bad_input_is_refused_clearly_and_leaves_nothing(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert main(arguments) == code
    told = capsys.readouterr()
    assert message in re.sub(r"[\s│]+", " ", told.err)
    assert "Traceback" not in told.err
    assert "ended" not in told.out
    assert not any(tmp_path.iterdir())


def test_a_world_is_made_in_the_folder_worlds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["track", "world", "Oval_track", "--box", "0.3,inner", "--bots", "2"]) == 0
    world = tmp_path / "worlds" / "Oval_track.sdf"
    assert f"gz sim -r {world}" in capsys.readouterr().out
    assert (tmp_path / "worlds" / "ground" / "Oval_track.png").is_file()
    names = re.findall(r'<model name="(\w+)">', world.read_text(encoding="utf-8"))
    assert names == ["ground", "walls", "box_0", "bot_car_0", "bot_car_1"]
    assert main(["track", "world", "Oval_track", "--rtf", "0"]) == 1
    assert "there already and differs" in capsys.readouterr().err
    assert main(["track", "world", "Oval_track", "--rtf", "0", "--force", "--print-path"]) == 0
    assert capsys.readouterr().out == f"{world}\n"


def test_tracks_are_listed_shown_imported_and_generated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 60)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    ring[-1] = ring[0]
    np.save(tmp_path / "ring.npy", np.hstack([3.0 * ring, 2.6 * ring, 3.4 * ring]))
    assert main(["track", "import", "ring.npy", "--name", "my_ring"]) == 0
    assert "18.84 m long, 0.80 m wide, ccw, 60 waypoints" in capsys.readouterr().out
    assert main(["track", "import", "ring.npy", "--name", "my_ring"]) == 1
    assert "There is a track 'my_ring' already" in capsys.readouterr().err
    assert main(["track", "generate", "--seed", "3", "--name", "three"]) == 0
    assert "saved as three" in capsys.readouterr().out
    assert main(["track", "list"]) == 0
    table = capsys.readouterr().out
    assert main(["track", "list", "--json"]) == 0
    listed = {t["name"]: t for t in json.loads(capsys.readouterr().out)}
    assert listed["my_ring"]["length"] == pytest.approx(18.84, abs=0.01)
    assert listed["my_ring"]["source"] == "user"
    for name in ("my_ring", "three", "reinvent_base"):
        assert name in listed
        assert name in table
    assert main(["track", "show", "my_ring", "--direction", "cw"]) == 0
    assert (tmp_path / "my_ring.png").read_bytes().startswith(b"\x89PNG")


def test_a_good_reward_function_passes_and_a_bad_one_does_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "reward_function.py"
    file.write_text("def reward_function(params):\n    return float(params['speed'])\n")
    check = ["reward", "check", str(file), "--track", "reinvent_base"]
    assert main(check) == 0
    assert "reward_function.py: ok" in capsys.readouterr().out
    file.write_text("def reward_function(params):\n    return params['sped']\n")
    assert main([*check, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["problems"][0]["line"] == 2
    assert "speed" in report["problems"][0]["advice"]


def test_without_runs_the_list_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "deepracer train examples/quickstart" in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "deepracer_agent.cli", "track", "list"],
        env={**os.environ, "PYTHONPATH": PACKAGES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    with program.stderr:
        assert program.stderr.read() == ""
    program.wait(timeout=30)


def test_a_terminal_without_unicode_is_no_error() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "deepracer_agent.cli", "track", "list"],
        env={**os.environ, "PYTHONPATH": PACKAGES, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"reinvent_base" in ended.stdout
