"""Laps over ROS, between three processes: those of the embedded simulator, and in the run."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TwistStamped

from deepracer_agent.evaluation import EvaluationResult, evaluate
from deepracer_agent.export import export_bundle
from deepracer_agent.ros.remote_policy import RemotePolicy
from deepracer_agent.torch_policy import TorchPolicy
from deepracer_car.action_space import Action, DiscreteActionSpace
from deepracer_car.errors import SimulatorError
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.ros import topics
from deepracer_sim.episode import TRACE_FIELDS
from deepracer_sim.ros.link import Link
from deepracer_sim.ros.ros_simulator import RosSimulator

SIMULATOR = "deepracer_sim.ros.simulator_node"
CAR = "deepracer_car.ros.car_node"
EVALUATION = "deepracer_agent.ros.evaluation_node"
ASIDE = [
    part
    for name in ("servo", "throttle")
    for part in ("-r", f"deepracer/{name}:=policy/{name}")
]  # fmt: skip
ANY_ACTIONS = DiscreteActionSpace((Action(-0.5, 1.0), Action(0.5, 1.0)))
RED = ("-r", "__ns:=/red")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["discrete", "continuous"])
def run(request: pytest.FixtureRequest, lively_run: Callable[[str], Path]) -> Path:
    return lively_run(request.param)


@pytest.fixture
def bundle(run: Path) -> ModelBundle:
    return export_bundle(str(run))


def start_world(start_node: Start, bundle: ModelBundle, *arguments: str) -> subprocess.Popen[str]:
    """Start simulator and car; returns the car."""
    start_node(SIMULATOR, *arguments, lockstep=True)
    return start_node(CAR, *ASIDE, *arguments, model=bundle.path, reliable_camera=True)


def over_ros(bundle: ModelBundle) -> EvaluationResult:
    """Evaluate in this process what is driven by the car node."""
    simulator = RosSimulator()
    policy = RemotePolicy(simulator, bundle.metadata.action_space)
    policy.wait_for_car_node((0.0, 0.0, 0.0))
    try:
        return evaluate(str(bundle.path), laps=1, simulator=lambda track: simulator, policy=policy)
    finally:
        simulator.close()


def in_torch(run: Path) -> EvaluationResult:
    """Evaluate embedded and by torch, in float32 as the bundle."""
    policy = TorchPolicy.load(next(run.glob("checkpoints/2_*/model.zip")), device="cpu")
    policy.network.pi_features_extractor.reduced = False
    return evaluate(str(run), laps=1, policy=policy)


def test_laps_are_those_of_the_embedded_simulator(
    start_node: Start, run: Path, bundle: ModelBundle
) -> None:
    start_world(start_node, bundle)
    first, second = over_ros(bundle), over_ros(bundle)
    assert first.drive.trace.tobytes() == second.drive.trace.tobytes()
    embedded = evaluate(str(bundle.path), laps=1)
    np.testing.assert_allclose(first.drive.trace, embedded.drive.trace, atol=1e-9)
    if isinstance(bundle.metadata.action_space, DiscreteActionSpace):
        # With continuous answers the two differ in the last digits, and more in every step.
        assert first.to_json() == in_torch(run).to_json()
        assert embedded.drive.off_tracks > 0, "putting the car back is to be covered too"
    steering = first.drive.trace[1:, TRACE_FIELDS.index("steering_angle")]
    assert len(set(steering)) > 3, "a policy that always does the same proves nothing"


def test_the_node_writes_into_the_run_and_prints_the_laps(
    start_node: Start, lively_run: Callable[[str], Path]
) -> None:
    run = lively_run("discrete")
    bundle = export_bundle(str(run))
    start_world(start_node, bundle, *RED)
    before = set(run.glob("evaluation-*"))
    node = start_node(EVALUATION, *RED, model="lively", runs=run.parent, laps=1)
    out, err = node.communicate(timeout=120.0)
    assert node.returncode == 0, err
    (lap,) = evaluate(str(bundle.path), laps=1).to_json()["laps"]
    assert "lively:2 on reinvent_base, ccw" in out
    assert f"{lap['seconds']:.2f} s" in out
    assert f"{lap['progress']:.1f} %" in out
    written, expected = sorted(set(run.glob("evaluation-*")) - before)
    (trace,), (embedded_trace,) = (list(p.rglob("*.csv")) for p in (written, expected))
    assert len(trace.read_text().splitlines()) == len(embedded_trace.read_text().splitlines())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model": "nobody"}, "There is no run 'nobody'"),
        ({"simulator": "gazeb"}, "Did you mean 'gazebo'?"),
        ({"direction": "north"}, "direction is 'north'; one of nothing, cw, ccw"),
        ({"laps": 0}, "at least 1 lap"),
        ({"track": "reinvent_bass"}, "Did you mean 'reinvent_base'?"),
        ({"startup_timeout": 0.5}, "nobody subscribes to topic /initialpose; waited 0.5 s"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_evaluated_ends_with_the_reason(
    start_node: Start,
    lively_run: Callable[[str], Path],
    settings: dict[str, object],
    reason: str,
) -> None:
    run = lively_run("discrete")
    node = start_node(EVALUATION, **{"model": str(run), **settings})
    out, err = node.communicate(timeout=60.0)
    assert node.returncode == 1
    assert err.startswith("error: ")
    assert reason in err
    assert out == ""
    assert not list(run.glob("evaluation-*"))


def test_a_car_node_that_dies_is_named(
    start_node: Start, lively_run: Callable[[str], Path]
) -> None:
    bundle = export_bundle(str(lively_run("discrete")))
    car = start_world(start_node, bundle)
    simulator = RosSimulator()
    policy = RemotePolicy(simulator, bundle.metadata.action_space)
    try:
        policy.wait_for_car_node((0.0, 0.0, 0.0))
        assert policy.predict(simulator.frames()).shape == (1,)
        car.send_signal(signal.SIGKILL)
        car.wait(20.0)
        simulator.step(np.array([[0.0, 1.0]]))
        simulator.link.timeout = 1.0
        with pytest.raises(SimulatorError, match=r"/deepracer/decision .*waited 1 s"):
            policy.predict(simulator.frames())
    finally:
        simulator.close()


def test_without_a_car_node_it_says_what_is_missing(start_node: Start) -> None:
    start_node(SIMULATOR, lockstep=True)
    simulator = RosSimulator()
    simulator.place(np.zeros(1, dtype=np.int64), np.zeros((1, 3)), np.zeros(1))
    simulator.link.startup_timeout = 1.0
    policy = RemotePolicy(simulator, ANY_ACTIONS)
    try:
        with pytest.raises(
            SimulatorError,
            match=r"on topic /deepracer/decision for any frame; waited 1 s. Does car_node run",
        ):
            policy.wait_for_car_node((0.0, 0.0, 0.0))
    finally:
        simulator.close()


def test_it_can_be_stopped_while_it_waits(
    start_node: Start, lively_run: Callable[[str], Path]
) -> None:
    run = lively_run("discrete")
    node = start_node(EVALUATION, model=run)
    watcher = Link("watcher")
    watcher.stream(TwistStamped, "anything", topics.every_message())
    try:
        watcher.wait_for(
            lambda: watcher.node.count_subscribers("/deepracer/decision") > 0, "no node", 60.0
        )
    finally:
        watcher.close()
    node.send_signal(signal.SIGINT)
    assert node.wait(20.0) == 0
    assert not list(run.glob("evaluation-*"))
