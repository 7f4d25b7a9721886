"""The check of reward functions: finds what is wrong, and nothing else."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from deepracer_car.errors import RewardError
from deepracer_sim.reward_check import check_reward, default_tracks
from deepracer_sim.reward_problem import RewardCode
from deepracer_sim.reward_report import CallStatistics, RewardReport, judge
from deepracer_sim.reward_static import check_source
from deepracer_sim.track_library import load_track

TRACKS = (load_track("reinvent_base"), load_track("reinvent_base").reverse())
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "rewards").glob("*.py"))


def check(tmp_path: Path, source: str, **options: object) -> RewardReport:
    file = tmp_path / "reward_function.py"
    file.write_text(textwrap.dedent(source))
    return check_reward(file, TRACKS, **{"states": 600, **options})  # type: ignore[arg-type]


def found(report: RewardReport, line: int | None) -> str:
    """Messages about ``line``, joined."""
    return "\n".join(p.message + " " + p.advice for p in report.problems if p.line == line)


def read(source: str) -> list[tuple[int | None, str]]:
    code = RewardCode("mine.py", textwrap.dedent(source))
    return [(problem.line, problem.message) for problem in check_source(code)]


HARMLESS = '''
# overload, __import__, open and eval are words; so are save, load and exec
import math, random
import numpy as np
from dataclasses import dataclass
from shapely.geometry import Point
import re
saved=[]
loader = {"input": 1}
pattern = re.compile("a")
def scale( input ):
  return input*1
def reward_function(params):
    """Do not eval() or open() anything; import os is only text."""
    import json
    import scipy.interpolate
    save = lambda value: saved.append(value)
    if len(saved)<3: save(params["steps"])
    compiled = max(scale(1 - params['distance_from_center'] / params['track_width']), 0)
    reload = 1 if params["all_wheels_on_track"] else 0
    return int(10*compiled)+reload
'''


class TestReading:
    def test_style_names_and_comments_are_nobodys_business(self) -> None:
        assert read(HARMLESS) == []

    @pytest.mark.parametrize(
        "module",
        ["os", "sys", "subprocess", "socket", "pathlib", "shutil", "ctypes", "importlib", "urllib",
         "requests", "pickle", "threading", "multiprocessing", "io", "torch", "os.path"],
    )  # fmt: skip
    def test_modules_that_reach_out_are_refused(self, module: str) -> None:
        expected = [(3, f"module '{module}' is not allowed.")]
        assert read(f"def reward_function(params):\n    pass\n    import {module}\n") == expected
        text = f"def reward_function(params):\n    pass\n    from {module} import x as y\n"
        assert read(text) == expected

    @pytest.mark.parametrize(
        "expression",
        ["open('f')", "exec('1')", "eval('1')", "compile('1', 'f', 'eval')", "input()",
         "__import__('os')", "getattr(__builtins__, 'op' + 'en')", "list(map(eval, []))"],
    )  # fmt: skip
    def test_builtins_that_reach_out_are_refused(self, expression: str) -> None:
        [(line, message)] = read(f"def reward_function(params):\n    return {expression}\n")
        assert line == 2
        assert "is not allowed" in message

    def test_file_functions_of_numpy_are_refused(self) -> None:
        source = (
            "import numpy as n\nfrom numpy import save\nx = n.load('f')\ny = n.linspace(0, 1)\n"
        )
        problems = read(f"{source}def reward_function(params):\n    return 1\n")
        assert problems == [(2, "numpy.save is not allowed."), (3, "numpy.load is not allowed.")]

    def test_files_beside_it_cannot_be_imported(self) -> None:
        [(line, message)] = read("from . import a\ndef reward_function(params):\n    return 1\n")
        assert (line, "files beside it" in message) == (1, True)

    def test_syntax_error(self) -> None:
        assert read("def reward_function(params):\n    return (1\n")[0][0] == 2

    @pytest.mark.parametrize(
        ("source", "line", "message"),
        [
            ("def rewardfunction(params):\n    return 1\n", None, "Did you mean 'rewardfunction'"),
            ("x = 1\n", None, "there is no function"),
            ("async def reward_function(params):\n    return 1\n", 1, "coroutine or generator"),
            ("\ndef reward_function(params):\n    yield 1\n", 2, "coroutine or generator"),
        ],
    )
    def test_nothing_to_call(self, source: str, line: int | None, message: str) -> None:
        [(at, text)] = read(source)
        assert at == line
        assert message in text

    def test_functions_come_in_many_ways(self) -> None:
        assert read("from math import *\n") == []
        assert read("reward_function = lambda params: 1\n") == []
        assert read("def reward_function(p):\n    def g():\n        yield 1\n    return 1\n") == []


class TestJudging:
    def judged(self, mean_us: float = 1.0, **changes: object) -> list[str]:
        usual = {"printed": 0, "memory": 0, "has_errors": False, "most": 1.0}
        facts = {**usual, **changes}
        track = CallStatistics(100, mean_us, 9999.0, 0.0, 0.5, float(str(facts.pop("most"))))
        return [p.severity for p in judge({"track": track}, **facts)]  # type: ignore[arg-type]

    def test_limits(self) -> None:
        assert self.judged() == []
        assert self.judged(499.0, printed=20_000, memory=200_000_000) == []
        assert self.judged(501.0) == ["warning"]
        assert self.judged(5001.0) == ["error"]
        assert self.judged(printed=20_001) == ["warning"]
        assert self.judged(memory=300_000_000) == ["warning"]
        assert self.judged(most=0.0) == ["warning"]
        assert self.judged(most=0.0, has_errors=True) == []
        assert judge({}, 0, 0, has_errors=True) == []


class TestTrying:
    def test_harmless_function_passes(self, tmp_path: Path) -> None:
        pytest.importorskip("scipy")
        pytest.importorskip("shapely")
        report = check(tmp_path, HARMLESS)
        assert report.problems == ()
        assert report.ok
        assert list(report.tracks) == ["reinvent_base", "reinvent_base reversed"]
        assert {s.calls for s in report.tracks.values()} == {300}
        assert all(s.min_reward < s.mean_reward < s.max_reward for s in report.tracks.values())

    def test_each_bad_line_is_reported_once_with_its_situation(self, tmp_path: Path) -> None:
        report = check(
            tmp_path,
            """\
            def helper(params):
                return 1.0 / (params["progress"] - 100.0)
            def reward_function(params):
                if params["steps"] == 3:
                    return None
                if params["steps"] == 4:
                    return "1.0"
                if params["steps"] == 5:
                    return float("nan")
                if params["steps"] == 6:
                    return 1e6
                if params["is_offtrack"]:
                    return params["is_off_track"]
                if params["is_crashed"]:
                    return exit()
                if params["progress"] == 100.0:
                    return helper(params)
                return params["speed"]
            """,
        )
        assert not report.ok
        assert [problem.line for problem in report.problems] == [2, 5, 7, 9, 11, 13, 15]
        assert "ZeroDivisionError" in found(report, 2)
        assert "returned None" in found(report, 5)
        assert "'1.0', a str" in found(report, 7)
        assert "returned nan" in found(report, 9)
        assert "returned 1e+06" in found(report, 11)
        assert "Did you mean 'is_offtrack'?" in found(report, 13)
        assert "ended the program" in found(report, 15)
        assert "reinvent_base, steps 3, progress" in report.problems[1].state
        assert 'return params["is_off_track"]' in report.describe()

    def test_endless_loop_is_stopped_at_its_line(self, tmp_path: Path) -> None:
        report = check(
            tmp_path,
            """\
            def reward_function(params):
                while params["is_offtrack"]:
                    try:
                        params["x"] += 1
                    except Exception:
                        pass
                return params["x"]
            """,
            call_limit=1.0,
        )
        [problem] = report.problems
        assert problem.line in (2, 3, 4)
        assert "did not come to an end within 1 s" in problem.message
        assert "reinvent_base, steps " in problem.state
        assert not report.ok

    def test_endless_start_is_stopped(self, tmp_path: Path) -> None:
        source = "x = 1\nwhile x:\n    x += 1\ndef reward_function(params):\n    return 1\n"
        report = check(tmp_path, source, load_limit=0.4)
        assert "within 0.4 s" in found(report, 2) + found(report, 3)

    def test_slow_function_is_refused(self, tmp_path: Path) -> None:
        report = check(
            tmp_path,
            """\
            import time
            def reward_function(params):
                time.sleep(0.006)
                return params["x"]
            """,
            states=40,
        )
        assert "a call takes" in found(report, None)
        assert not report.ok

    def test_large_memory_is_warned_of(self, tmp_path: Path) -> None:
        kept = "kept = bytes(range(256)) * 1_250_000\n"
        source = kept + "def reward_function(params):\n    return params['x']\n"
        report = check(tmp_path, source)
        assert "MiB of memory" in found(report, None)
        assert report.ok

    def test_constant_reward_and_chatter_are_warned_of(self, tmp_path: Path) -> None:
        report = check(tmp_path, "def reward_function(params):\n    print(params)\n    return 1\n")
        # A third, that the function is slow, may come from a busy machine.
        assert {problem.severity for problem in report.problems} == {"warning"}
        assert "returned 1 in all 600 situations" in found(report, None)
        assert "characters per call" in found(report, None)
        assert report.ok

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            ("np.ones(3).tofile('stolen')", "writes a file"),
            ("random._os.system('true')", "starts a process"),
            ("random._os.fork()", "starts a process"),
            ("random._os.remove('/tmp/nothing')", "changes a file"),
        ],
    )
    def test_reaching_out_is_refused_even_if_hidden(
        self, tmp_path: Path, statement: str, message: str
    ) -> None:
        report = check(
            tmp_path,
            f"""\
            import random
            import numpy as np
            def reward_function(params):
                try:
                    {statement}
                except Exception:
                    pass
                return params["speed"]
            """,
            states=60,
        )
        assert message in found(report, 5)
        assert not report.ok

    @pytest.mark.parametrize(
        "amount", ["bytearray(20_000_000)", "[(i, i) for i in range(300_000)]"]
    )
    def test_memory_is_limited(self, tmp_path: Path, amount: str) -> None:
        report = check(
            tmp_path,
            f"""\
            kept = []
            def reward_function(params):
                kept.append({amount})
                return params["speed"]
            """,
            memory=300_000_000,
            states=60,
        )
        assert "ran out of memory" in found(report, 3)
        assert not report.ok

    def test_sudden_end_is_noticed(self, tmp_path: Path) -> None:
        source = "import random\ndef reward_function(params):\n    random._os._exit(0)\n"
        report = check(tmp_path, source, states=60)
        assert "ended the program" in found(report, None)
        assert not report.ok

    def test_functions_with_a_memory_of_the_episode(self, tmp_path: Path) -> None:
        report = check(
            tmp_path,
            """\
            class State:
                steps = 0
                tracks = set()
            def reward_function(params):
                assert params["steps"] == 2 or params["steps"] > State.steps
                State.steps = params["steps"]
                State.tracks.add(params["is_reversed"])
                assert len(State.tracks) == 1
                params["waypoints"].clear()
                return params["progress"]
            """,
        )
        assert report.problems == ()

    def test_parameters_of_2018(self, tmp_path: Path) -> None:
        report = check(
            tmp_path,
            """\
            def reward_function(on_track, x, y, distance_from_center, car_orientation, progress,
                                steps, throttle, steering, track_width, waypoints,
                                closest_waypoint):
                assert -1.5 <= x <= 1.5 and -3.2 <= car_orientation <= 3.2 and progress <= 1.0
                assert 0.0 <= throttle <= 1.0 and -1.0 <= steering <= 1.0
                assert len(waypoints[closest_waypoint]) == 3
                marker = 0.1 * track_width
                return 1.0 if on_track and distance_from_center < marker else 1e-3
            """,
        )
        assert report.problems == ()

    def test_wrong_parameters_are_found_once(self, tmp_path: Path) -> None:
        report = check(tmp_path, "def reward_function(a, b):\n    return 1\n")
        assert "cannot be called with one parameter" in found(report, 1)
        assert len(report.problems) == 1

    def test_default_tracks_differ(self) -> None:
        tracks = default_tracks()
        assert len({track.name for track in tracks}) == 3
        assert {track.is_reversed for track in tracks} == {True, False}
        assert max(track.width for track in tracks) > 1.2 * min(track.width for track in tracks)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(RewardError, match="There is no reward function file"):
            check_reward(tmp_path / "none.py", TRACKS)

    @pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
    def test_examples_pass(self, file: Path) -> None:
        report = check_reward(file, TRACKS, states=300)
        assert report.problems == ()
