"""Training in a simulator that is reached over ROS: it learns, repeats itself, and fails well."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_sb3_env
from stable_baselines3.common.save_util import load_from_zip_file

pytest.importorskip("rclpy")

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import evaluate, find_model
from deepracer_agent.metrics import read_metrics
from deepracer_agent.progress import Progress
from deepracer_agent.runs import RunDirectory
from deepracer_agent.training import train
from deepracer_agent.training_folder import load_training_folder
from deepracer_car.errors import SimulatorError
from deepracer_sim.ros.ros_simulator import RosSimulator

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
ACTIONS = [{"steering_angle": angle, "speed": 1.3} for angle in (-20, 0, 20)]

StartNode = Callable[..., "subprocess.Popen[str]"]


def settings(**overrides: object) -> TrainingConfig:
    """The quickstart with three actions on an easy track, small in everything."""
    given = {
        "track": "Oval_track", "simulator": "simulator_node", "max_steps_per_episode": 60,
        "learning.max_steps_between_training": 64, "stop.steps": 128, "stop.laps": None,
        "stop.time": None, "evaluation.every_steps": 1000, "evaluation.laps": 1,
        "evaluation.starts": 2, "checkpoints.min_seconds_between": 0, "video": False, "plot": False,
        **{key.replace("__", "."): value for key, value in overrides.items()},
    }  # fmt: skip
    config, _ = load_training_folder(QUICKSTART, given)
    plain = {**config.model_dump(), "model_metadata": {"action_space": ACTIONS}}
    return TrainingConfig.model_validate(plain)


def start_simulator(start_node: StartNode) -> subprocess.Popen[str]:
    return start_node("deepracer_sim.ros.simulator_node", track="Oval_track", lockstep=True)


def weights(run: RunDirectory) -> np.ndarray:
    _, saved, _ = load_from_zip_file(find_model(str(run.path), "last").path, device="cpu")
    return torch.cat([v.flatten() for v in saved["policy"].values()]).numpy()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that does not answer is given up soon."""
    patience = {**RosSimulator.__init__.__kwdefaults__, "timeout": 2.0, "startup_timeout": 30.0}
    monkeypatch.setattr(RosSimulator.__init__, "__kwdefaults__", patience)


def test_ppo_learns_to_drive_a_lap(start_node: StartNode, tmp_path: Path) -> None:
    start_simulator(start_node)
    config = settings(
        evaluation__every_steps=512, max_steps_per_episode=300, stop__target={"progress": 90.0},
        learning__max_steps_between_training=256, stop__steps=10_000,
    )  # fmt: skip
    result = train(config, QUICKSTART / "reward_function.py", root=tmp_path)
    assert result.reason == "the target, a mean progress of 90.0 %"
    best = result.run.status.best
    assert best is not None
    assert best.progress >= 90.0
    # What was learnt over ROS drives in process too.
    assert evaluate(find_model(str(result.run.path)), laps=1, resets=0).laps[0].progress >= 90.0


def test_a_training_repeats_itself_and_equals_the_embedded_one(
    start_node: StartNode, tmp_path: Path
) -> None:
    start_simulator(start_node)
    runs = [
        train(settings(simulator=simulator, cars=1, ranks=1), root=tmp_path, name=name).run
        for name, simulator in (("a", "simulator_node"), ("b", "simulator_node"), ("c", "embedded"))
    ]
    first, again, embedded = map(weights, runs)
    assert np.array_equal(first, again)
    assert np.array_equal(first, embedded)


def test_evaluations_share_the_world_and_start_at_the_same_places(
    start_node: StartNode, tmp_path: Path
) -> None:
    start_simulator(start_node)
    config = settings(evaluation__every_steps=64, evaluation__starts=3, hyperparameters__lr=1e-8)
    run = train(config, root=tmp_path).run
    _, evaluations = read_metrics(run.metrics)
    assert len(evaluations) == 2
    # A policy that hardly changes drives the same from the same starts.
    assert evaluations[0].progress == evaluations[1].progress
    assert len(set(evaluations[0].progress)) == 3


def test_two_workers_drive_in_two_domains(
    start_node: StartNode, ros_environment: dict[str, str], domain_id: int, tmp_path: Path
) -> None:
    start_simulator(start_node)
    ros_environment["ROS_DOMAIN_ID"] = str(domain_id + 1)
    start_simulator(start_node)
    run = train(settings(ranks=2, evaluation__every_steps=64), root=tmp_path).run
    updates, evaluations = read_metrics(run.metrics)
    assert run.status.steps >= 128
    assert updates[0].steps >= 64
    assert len(evaluations[0].progress) == 2
    assert (run.path / "ranks.log").read_text() == ""


@pytest.mark.usefixtures("impatient")
def test_a_killed_simulator_is_named_and_what_was_learnt_stays(
    start_node: StartNode, tmp_path: Path
) -> None:
    node = start_simulator(start_node)
    with pytest.raises(SimulatorError, match=r"topic /odom.*; waited 2 s"):
        train(settings(stop__steps=10_000), root=tmp_path, name="r", show=lambda _: node.kill())
    run = RunDirectory.open(tmp_path, "r")
    assert run.status.state == "failed"
    assert "topic /odom" in run.status.error
    assert CheckpointStore(run).resolve("last").number == 1


@pytest.mark.usefixtures("impatient")
def test_a_training_goes_on_in_a_new_simulator(start_node: StartNode, tmp_path: Path) -> None:
    nodes = [start_simulator(start_node)]
    shown: list[Progress] = []

    def show(progress: Progress) -> None:
        shown.append(progress)
        if len(nodes) == 1:
            nodes[0].kill()
            nodes.append(start_simulator(start_node))

    run = train(settings(restarts=1), root=tmp_path, show=show).run
    assert run.status.state == "finished"
    assert run.status.steps >= 128
    assert [bool(progress.trouble) for progress in shown] == [False, True, False]
    assert "topic /odom" in shown[1].trouble


@pytest.mark.usefixtures("impatient")
def test_two_workers_go_on_when_one_has_a_new_simulator(
    start_node: StartNode, ros_environment: dict[str, str], domain_id: int, tmp_path: Path
) -> None:
    nodes = [start_simulator(start_node)]
    ros_environment["ROS_DOMAIN_ID"] = str(domain_id + 1)
    start_simulator(start_node)
    ros_environment["ROS_DOMAIN_ID"] = str(domain_id)

    def show(progress: Progress) -> None:
        if len(nodes) == 1:
            nodes[0].kill()
            nodes.append(start_simulator(start_node))

    run = train(settings(ranks=2, restarts=1, stop__steps=256), root=tmp_path, show=show).run
    assert run.status.state == "finished"
    assert run.status.steps >= 256


def test_without_a_simulator_nothing_is_left_behind(
    ros_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = {**RosSimulator.__init__.__kwdefaults__, "startup_timeout": 0.2}
    monkeypatch.setattr(RosSimulator.__init__, "__kwdefaults__", patience)
    domain = ros_environment["ROS_DOMAIN_ID"]
    with pytest.raises(SimulatorError, match=rf"initialpose; waited 0.2 s.*\({domain}\)"):
        train(settings(), root=tmp_path / "runs", name="r")
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_environment_drives_over_ros_as_it_does_in_process(start_node: StartNode) -> None:
    start_simulator(start_node)
    there, here = (
        gymnasium.make("deepracer_sim:DeepRacer-v0", track="Oval_track", simulator=simulator)
        for simulator in ("simulator_node", "embedded")
    )
    assert np.array_equal(there.reset(seed=1)[0], here.reset(seed=1)[0])
    for action in (4, 9, 9, 0, 5):
        seen, expected = there.step(action), here.step(action)
        assert np.array_equal(seen[0], expected[0])
        assert seen[1:4] == expected[1:4]
        assert seen[4]["pose"] == pytest.approx(expected[4]["pose"], abs=1e-12)
    check_env(there.unwrapped, skip_render_check=True)
    check_sb3_env(there.unwrapped)
    there.close()
    here.close()
