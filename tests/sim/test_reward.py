"""Reward functions: loading, calling, and errors that point at the racer's own line."""

from __future__ import annotations

import math
import pickle
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.errors import RewardError
from deepracer_sim.reward import PrintBuffer, RewardFunction
from deepracer_sim.reward_legacy import LegacyScale
from deepracer_sim.reward_problem import LocatedRewardError

PARAMS = {
    "x": 2.0,
    "y": -1.2,
    "heading": 90.0,
    "distance_from_center": 0.2,
    "track_width": 0.8,
    "progress": 50.0,
    "steps": 42,
    "speed": 2.0,
    "steering_angle": -15.0,
    "waypoints": [(0.0, 0.0), (4.0, 0.0), (4.0, -2.0), (0.0, 0.0)],
    "closest_waypoints": [1, 2],
}


def reward_of(source: str, params: dict | None = None) -> float:
    function = RewardFunction.from_source(source, "mine.py").instances(1)[0]
    return function(dict(PARAMS if params is None else params))


def error_of(source: str, params: dict | None = None) -> str:
    with pytest.raises(RewardError) as caught:
        reward_of(source, params)
    return str(caught.value)


def body(lines: str) -> str:
    return f"import numpy as np\n\ndef reward_function(params):\n    {lines}\n"


class TestResult:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("1.5", 1.5),
            ("7", 7.0),
            ("True", 1.0),
            ("-1e5", -1e5),
            ("np.float64(0.25)", 0.25),
            ("np.float32(0.5)", 0.5),
            ("np.int64(3)", 3.0),
            ("np.bool_(True)", 1.0),
            ("np.array([2.0])", 2.0),
            ("np.array(2.5)", 2.5),
            ("__import__('fractions').Fraction(1, 4)", float(Fraction(1, 4))),
            ("__import__('decimal').Decimal('1.25')", 1.25),
        ],
    )
    def test_numbers_are_accepted(self, expression: str, expected: float) -> None:
        reward = reward_of(body(f"return {expression}"))
        assert reward == expected
        assert type(reward) is float

    @pytest.mark.parametrize(
        ("expression", "named"),
        [
            ("None", "returned None"),
            ("'1.0'", "'1.0', a str"),
            ("(1.0, 2.0)", "a tuple"),
            ("[1.0]", "a list"),
            ("1j", "a complex"),
            ("np.array([1.0, 2.0])", "a ndarray"),
            ("float('nan')", "returned nan"),
            ("np.float32('nan')", "returned nan"),
            ("__import__('decimal').Decimal('nan')", "returned nan"),
            ("float('-inf')", "returned -inf"),
            ("100000.1", "returned 100000"),
            ("10**400", "returned inf"),
        ],
    )
    def test_anything_else_is_an_error_at_the_line_that_returned_it(
        self, expression: str, named: str
    ) -> None:
        text = error_of(
            body(f"if params['steps'] < 42:\n        return 1.0\n    return {expression}")
        )
        assert named in text
        assert "mine.py, line 6" in text
        assert f"return {expression}" in text
        assert "between -100000 and 100000" in text

    def test_line_is_left_open_if_the_function_changes_its_mind(self) -> None:
        text = error_of("seen = []\n" + body("seen.append(1)\n    return [None, 1][len(seen) - 1]"))
        assert text.startswith("mine.py: reward_function returned None")

    def test_a_path_without_return_is_suspected(self) -> None:
        assert "Is there a path without return?" in error_of(body("params['x'] = 1"))


class TestErrors:
    def test_exception_names_line_text_and_situation(self) -> None:
        text = error_of(body("v = 0.0\n    return params['speed'] / v"))
        assert "mine.py, line 5: ZeroDivisionError" in text
        assert "return params['speed'] / v" in text
        assert "steps 42, progress 50 %" in text

    def test_line_is_the_innermost_of_the_racers_own(self) -> None:
        source = (
            body("return helper(params)") + "\ndef helper(p):\n    return np.dot([1], [1, 2])\n"
        )
        assert "mine.py, line 7: ValueError" in error_of(source)

    def test_misspelt_parameter_is_recognised(self) -> None:
        text = error_of(body("return params['distance_from_centre']"))
        assert "there is no 'distance_from_centre'. Did you mean 'distance_from_center'?" in text

    def test_key_of_another_dictionary(self) -> None:
        assert "there is no 'zzz'. docs/reward-reference.md" in error_of(body("return {}['zzz']"))
        assert "KeyError: 3." in error_of(body("return {}[3]"))

    def test_racer_may_destroy_params(self) -> None:
        assert "ZeroDivisionError" in error_of(body("params.clear()\n    return 1 / 0"))

    @pytest.mark.parametrize("statement", ["exit()", "quit(3)", "raise SystemExit"])
    def test_ending_the_program_does_not(self, statement: str) -> None:
        assert "mine.py, line 4: it ended the program" in error_of(body(statement))

    def test_endless_recursion(self) -> None:
        assert "RecursionError" in error_of(body("return reward_function(params)"))

    def test_long_messages_are_cut(self) -> None:
        assert len(error_of(body("raise ValueError('long' * 1000)"))) < 600

    def test_error_gets_from_one_process_to_another(self) -> None:
        with pytest.raises(LocatedRewardError) as caught:
            reward_of(body("return 1 / 0"))
        copy = pickle.loads(pickle.dumps(caught.value))
        assert str(copy) == str(caught.value)
        assert copy.problem.line == 4

    def test_interrupt_is_not_an_error_of_the_function(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            reward_of(body("raise KeyboardInterrupt"))

    def test_no_objects_on_the_track(self) -> None:
        text = error_of(
            body("return params['objects_location'][params['closest_objects'][1]][0]"),
            {"objects_location": [], "closest_objects": [0, 0]},
        )
        assert "lists of objects are empty" in text


class TestLoading:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("x = 1\ndef reward_function(params)\n    return 1\n", "line 2: syntax error: "),
            ("def f(params):\n\treturn 1\n        return 2\n", "line 3: syntax error: "),
            ("import math\nimport nowhere\n", "line 2: ModuleNotFoundError"),
            ("from math import sine\n", "line 1: ImportError"),
            ("scale = 1 / 0\n", "line 1: ZeroDivisionError"),
            ("exit()\n", "line 1: it ended the program"),
            ("", "there is no function reward_function. Define it at the top level"),
            ("def reward_funtion(params):\n    return 1\n", "Did you mean 'reward_funtion'?"),
            ("reward_function = 3\n", "reward_function is not a function but 3"),
            (
                "def reward_function():\n    return 1\n",
                "reward_function() cannot be called",
            ),
            (
                "def reward_function(a, b):\n    return 1\n",
                "line 1: reward_function(a, b) cannot",
            ),
            ("async def reward_function(params):\n    return 1\n", "coroutine or generator"),
            ("def reward_function(params):\n    yield 1\n", "coroutine or generator"),
            ("def reward_function(params):\n    return 1\0\n", "is not Python|null bytes"),
        ],
    )
    def test_what_cannot_be_loaded_says_why_and_where(self, source: str, expected: str) -> None:
        with pytest.raises(RewardError) as caught:
            RewardFunction.from_source(source, "mine.py")
        assert "mine.py" in str(caught.value)
        assert any(part in str(caught.value) for part in expected.split("|"))

    def test_file_of_another_system(self, tmp_path: Path) -> None:
        file = tmp_path / "reward_function.py"
        file.write_bytes(
            b"\xef\xbb\xbfdef reward_function(params):\r\n    return 1/0 # \xc3\xbc\r\n"
        )
        function = RewardFunction.load(file).instances(1)[0]
        with pytest.raises(RewardError, match=r"reward_function\.py, line 2: ZeroDivisionError"):
            function({})

    def test_missing_file_names_a_near_one(self, tmp_path: Path) -> None:
        (tmp_path / "reward_function.py").touch()
        with pytest.raises(RewardError, match=r"Did you mean 'reward_function\.py'"):
            RewardFunction.load(tmp_path / "reward_funktion.py")
        with pytest.raises(RewardError, match="There is no reward function file"):
            RewardFunction.load(tmp_path / "nowhere" / "reward.py")

    def test_unreadable_files(self, tmp_path: Path) -> None:
        with pytest.raises(RewardError, match="cannot be read"):
            RewardFunction.load(tmp_path)
        latin = tmp_path / "latin.py"
        latin.write_bytes("# fünf\n".encode("latin-1"))
        with pytest.raises(RewardError, match="UTF-8"):
            RewardFunction.load(latin)

    def test_optional_parameters_are_fine(self) -> None:
        assert reward_of("def reward_function(params, scale=2):\n    return scale\n") == 2.0
        assert reward_of("reward_function = lambda params: params['speed']\n") == 2.0
        assert not RewardFunction.from_source(body("return 1"), "f.py").is_legacy

    def test_warnings_of_the_compiler_are_not_ours(self) -> None:
        assert reward_of(body("return 1.0 if params['steps'] is 3 else 2.0  # '\\d'")) == 2.0


class TestInstances:
    def test_cars_do_not_share_globals(self) -> None:
        source = (
            "seen = []\n\n\ndef reward_function(params):\n"
            "    seen.append(params['steps'])\n    return len(seen)\n"
        )
        first, second = RewardFunction.from_source(source, "mine.py").instances(2)
        assert [first(dict(PARAMS)), first(dict(PARAMS)), second(dict(PARAMS))] == [1, 2, 1]

    def test_state_in_a_dataclass(self) -> None:
        source = (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\n"
            "class State:\n    calls: int = 0\n\nstate = State()\n\ndef reward_function(params):\n"
            "    state.calls += 1\n    return state.calls\n"
        )
        before = set(sys.modules)
        function = RewardFunction.from_source(source, "mine.py").instances(1)[0]
        assert [function({}), function({})] == [1.0, 2.0]
        assert set(sys.modules) <= before | {"dataclasses"}

    def test_callable(self) -> None:
        def shaped(params: dict) -> float:
            return params["no_such_key"]

        function = RewardFunction.from_callable(shaped).instances(1)[0]
        with pytest.raises(RewardError, match=r"test_reward\.py, line \d+: KeyError") as caught:
            function({"steps": 3})
        assert 'return params["no_such_key"]' in str(caught.value)
        with pytest.raises(RewardError, match="must be callable"):
            RewardFunction.from_callable(3)  # type: ignore[arg-type]

    def test_callable_object_and_builtin(self) -> None:
        class Scaled:
            def __call__(self, params: dict) -> float:
                return 3.0

        assert RewardFunction.from_callable(Scaled()).instances(1)[0]({}) == 3.0
        assert RewardFunction.from_callable(len).instances(1)[0]({"a": 1}) == 1.0


class TestPrinting:
    def test_prints_are_kept_from_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        function = RewardFunction.from_source(
            body("print('at', params['x'], end='!')\n    return 1"), "m"
        )
        function.instances(1)[0](dict(PARAMS))
        assert function.printed.take() == "at 2.0!"
        assert function.printed.take() == ""
        assert capsys.readouterr() == ("", "")

    def test_prints_go_where_they_are_told(self) -> None:
        texts: list[str] = []
        source = "import sys\nprint('loaded')\n" + body(
            "print('hi', file=sys.stderr)\n    return 1"
        )
        RewardFunction.from_source(source, "m").instances(2, texts.append)[1]({})
        assert texts == ["loaded\n", "loaded\n", "hi\n"]

    def test_wrong_use_of_print_names_the_line(self) -> None:
        assert "mine.py, line 4: TypeError" in error_of(body("print(1, sepp='')\n    return 1"))

    def test_buffer_is_bounded(self) -> None:
        buffer = PrintBuffer(limit=10)
        for _ in range(100):
            buffer.write("abc")
        assert buffer.take() == "abcabcabca"
        assert buffer.written == 300
        buffer.write("new")
        assert buffer.take() == "new"


LEGACY = """
def reward_function(on_track, x, y, distance_from_center, car_orientation, progress, steps,
                    throttle, steering, track_width, waypoints, closest_waypoint):
    return 1.0 if on_track else 1e-3
"""


class TestLegacy:
    def given(self, params: dict | None = None, scale: LegacyScale | None = None) -> list:
        texts: list[str] = []
        names = ", ".join("abcdefghijkl")
        source = (
            f"def reward_function({names}):\n    print([{names}])\n    return 1.0 if a else 0.5\n"
        )
        function = RewardFunction.from_source(source, "old.py", scale)
        assert function.is_legacy
        function.instances(1, texts.append)[0](dict(PARAMS if params is None else params))
        return eval(texts[0])

    def test_parameters_are_those_of_the_console_of_2018(self) -> None:
        (on_track, x, y, distance, orientation, progress, steps, throttle, steering, width,
         waypoints, closest) = self.given(scale=LegacyScale(max_speed=4.0))  # fmt: skip
        assert on_track is True
        assert (x, y) == (0.5, -0.3)
        assert (distance, width, steps, progress) == (0.2, 0.8, 42, 0.5)
        assert orientation == pytest.approx(np.pi / 2)
        assert throttle == 0.5
        assert steering == pytest.approx(-0.5)
        assert closest == 2
        yaws = [0.0, -np.pi / 2, np.arctan2(2.0, -4.0), 0.0]
        assert [w[2] for w in waypoints] == pytest.approx(yaws)
        assert [w[:2] for w in waypoints] == PARAMS["waypoints"]

    def test_off_track_means_the_front_is(self) -> None:
        assert self.given({**PARAMS, "distance_from_center": 0.41})[0] is False

    def test_scale_is_that_of_the_action_space(self) -> None:
        given = self.given(scale=LegacyScale(max_speed=2.0, max_steering_angle=15.0))
        assert given[7] == 1.0
        assert given[8] == -1.0

    def test_track_may_change(self) -> None:
        function = RewardFunction.from_source(LEGACY, "old.py").instances(1)[0]
        assert function(dict(PARAMS)) == 1.0
        moved = {**PARAMS, "waypoints": [(0.0, 0.0), (8.0, 0.0), (8.0, 4.0)]}
        assert function(moved) == 1.0

    def test_errors_name_the_line(self) -> None:
        source = LEGACY.replace("return 1.0 if", "return undefined if")
        assert "mine.py, line 4: NameError" in error_of(source)


def test_functions_of_2018_are_scaled_by_the_action_space() -> None:
    discrete = DiscreteActionSpace((Action(-0.4, 1.0), Action(0.2, 2.5)))
    assert LegacyScale.of(discrete) == LegacyScale(2.5, pytest.approx(math.degrees(0.4)))
    continuous = ContinuousActionSpace(-0.1, 0.3, 0.5, 3.0)
    assert LegacyScale.of(continuous) == LegacyScale(3.0, pytest.approx(math.degrees(0.3)))
    straight_on = DiscreteActionSpace((Action(0.0, 1.0), Action(0.0, 2.0)))
    assert LegacyScale.of(straight_on).max_steering_angle > 0.0
