"""The bridge between two real processes: what comes back is what the embedded simulator shows."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rcl_interfaces.srv import GetParameters

from deepracer_car.errors import SimulatorError
from deepracer_sim.backends import open_simulator
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros.link import Link
from deepracer_sim.ros.ros_simulator import RosSimulator
from deepracer_sim.track_library import load_track

TRACK = "reinvent_base"
CAR = np.zeros(1, dtype=np.int64)


@pytest.fixture
def simulator(ros_environment: dict[str, str]) -> Iterator[RosSimulator]:
    simulator = RosSimulator()
    yield simulator
    simulator.close()


def commands(seed: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform((-0.5, 0.5), (0.5, 3.0), (steps, 1, 2))


def test_frames_and_poses_are_those_of_the_embedded_simulator(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    track = load_track(TRACK)
    embedded = EmbeddedSimulator(track)
    pose = np.array([track.pose_at(3.0, 0.1)])
    for each in (embedded, simulator):
        each.place(CAR, pose, np.zeros(1))
    for command in commands(0, 50):
        for each in (embedded, simulator):
            each.step(command)
        assert simulator.frames().tobytes() == embedded.frames().tobytes()
        np.testing.assert_allclose(simulator.poses, embedded.poses, atol=1e-12)
        np.testing.assert_array_equal(simulator.speeds, embedded.speeds)


def test_same_commands_give_the_same_poses_and_frames(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)

    def drive() -> list[bytes]:
        simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
        seen = [simulator.frames().tobytes()]
        for command in commands(1, 40):
            simulator.step(command)
            seen += [simulator.poses.tobytes(), simulator.frames().tobytes()]
        return seen

    first = drive()
    assert drive() == first
    assert len(set(first)) > 40


def test_ten_thousand_steps_without_a_lost_or_stale_frame(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    embedded = EmbeddedSimulator(load_track(TRACK))
    for each in (embedded, simulator):
        each.place(CAR, np.zeros((1, 3)), np.zeros(1))
    wrong = []
    for number, command in enumerate(commands(2, 10_000)):
        for each in (embedded, simulator):
            each.step(command)
        if not np.array_equal(simulator.frames(), embedded.frames()):
            wrong.append(number)
    assert wrong == []


def test_a_killed_simulator_is_an_error_that_names_topic_and_time(
    start_node, ros_environment, domain_id
) -> None:
    node = start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    simulator = RosSimulator(timeout=0.8)
    simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    simulator.step(np.ones((1, 2)))
    node.kill()
    node.wait()
    pattern = rf"topic /odom; waited 0.8 s.*running.*ROS_DOMAIN_ID \({domain_id}\)"
    with pytest.raises(SimulatorError, match=pattern):
        simulator.step(np.ones((1, 2)))
    simulator.close()


def test_a_simulator_that_never_comes_is_an_error(ros_environment) -> None:
    simulator = RosSimulator(startup_timeout=0.3)
    with pytest.raises(SimulatorError, match=r"/initialpose; waited 0.3 s"):
        simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    simulator.close()


def test_a_simulator_that_is_started_again_is_found_again(start_node, ros_environment) -> None:
    for _ in range(2):
        node = start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
        simulator = RosSimulator()
        simulator.place(CAR, np.ones((1, 3)), np.zeros(1))
        np.testing.assert_allclose(simulator.poses, np.ones((1, 3)), atol=1e-12)
        simulator.close()
        node.kill()


def test_a_car_that_somebody_else_moves_is_an_error(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=False, rtf=50.0, track=TRACK)
    with pytest.raises(SimulatorError, match=r"instead of .* lockstep:=true"):
        drive_on(simulator)


def drive_on(simulator: RosSimulator) -> None:
    simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    for _ in range(1000):
        simulator.step(np.ones((1, 2)))


def test_simulators_in_two_domains_do_not_meet(
    start_node, domain_id, other_domain_id, ros_environment
) -> None:
    domains = domain_id, other_domain_id
    for domain in domains:
        ros_environment["ROS_DOMAIN_ID"] = str(domain)
        start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    assert_apart([RosSimulator(domain_id=domain) for domain in domains])


def test_simulators_in_two_namespaces_do_not_meet(start_node, ros_environment) -> None:
    names = "red", "blue"
    for name in names:
        start_node(
            "deepracer_sim.ros.simulator_node", "-r", f"__ns:=/{name}", lockstep=True, track=TRACK
        )
    assert_apart([RosSimulator(namespace=name) for name in names])


def assert_apart(simulators: list[RosSimulator]) -> None:
    """Each car stands where it was put and drives its own way."""
    speeds = 1.0, 2.0
    embedded = EmbeddedSimulator(load_track(TRACK), len(simulators))
    embedded.place(np.arange(2), np.zeros((2, 3)), np.zeros(2))
    for simulator in simulators:
        simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    for _ in range(5):
        embedded.step(np.array([[0.1, speed] for speed in speeds]))
        for simulator, speed in zip(simulators, speeds, strict=True):
            simulator.step(np.array([[0.1, speed]]))
    poses = np.concatenate([simulator.poses for simulator in simulators])
    np.testing.assert_allclose(poses, embedded.poses, atol=1e-12)
    for simulator in simulators:
        simulator.close()


def test_what_a_car_on_ros_cannot_do_is_refused(ros_environment, simulator) -> None:
    with pytest.raises(SimulatorError, match="at 2 m/s; place it at rest"):
        simulator.place(CAR, np.zeros((1, 3)), np.full(1, 2.0))
    with pytest.raises(SimulatorError, match="place it first"):
        _ = simulator.poses
    simulator.place(CAR[:0], np.zeros((0, 3)), np.zeros(0))


def test_each_rank_has_a_domain_of_its_own(start_node, ros_environment, domain_id) -> None:
    """The number after `domain_id` is free too."""
    track = load_track(TRACK)
    simulators = [open_simulator("simulator_node", track, rank=rank) for rank in range(2)]
    for rank in range(2):
        ros_environment["ROS_DOMAIN_ID"] = str(domain_id + rank)
        start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    assert_apart(simulators)


def test_a_second_place_is_where_the_car_is_put(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    for x in range(5):
        simulator.place(CAR, np.array([[x, 1.0, 0.5]]), np.zeros(1))
        np.testing.assert_allclose(simulator.poses, [[x, 1.0, 0.5]], atol=1e-12)
        before = simulator.frames()
        simulator.step(np.array([[0.0, 3.0]]))
        assert simulator.frames().tobytes() != before.tobytes()
        assert simulator.frames(CAR[:0]).shape == (0, 1, 120, 160)


def test_a_simulator_that_hung_is_an_error_and_is_in_step_again_when_placed(
    start_node, ros_environment
) -> None:
    node = start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    embedded = EmbeddedSimulator(load_track(TRACK))
    simulator = RosSimulator(timeout=1.0)
    simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    node.send_signal(signal.SIGSTOP)
    with pytest.raises(SimulatorError, match=r"topic /odom; waited 1 s"):
        simulator.step(np.ones((1, 2)))
    with pytest.raises(SimulatorError, match="again after an error"):
        simulator.step(np.ones((1, 2)))
    with pytest.raises(SimulatorError, match="again after an error"):
        simulator.frames()
    node.send_signal(signal.SIGCONT)
    for each in (embedded, simulator):
        each.place(CAR, np.zeros((1, 3)), np.zeros(1))
    for command in commands(3, 30):
        for each in (embedded, simulator):
            each.step(command)
        np.testing.assert_array_equal(simulator.frames(), embedded.frames())
    simulator.close()


def test_a_node_in_lockstep_answers_services_meanwhile(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    simulator.place(CAR, np.zeros((1, 3)), np.zeros(1))
    link = Link("asker")
    client = link.client(GetParameters, "simulator_node/get_parameters")
    link.wait_for(client.service_is_ready, "no service", 60.0)
    future = client.call_async(GetParameters.Request(names=["track", "lockstep"]))
    while not future.done():
        simulator.step(np.full((1, 2), 0.5))
        link.serve(0.0005)
    track, lockstep = future.result().values
    assert (track.string_value, lockstep.bool_value) == (TRACK, True)
    link.close()


def test_a_service_that_does_not_answer_is_an_error_that_names_it(
    start_node, ros_environment
) -> None:
    link = Link("asker", timeout=0.3, startup_timeout=0.4)
    client = link.client(GetParameters, "simulator_node/get_parameters")
    with pytest.raises(
        SimulatorError, match=r"nobody offers service /simulator_node/get_p.* 0.4 s"
    ):
        link.call(client, GetParameters.Request())
    node = start_node("deepracer_sim.ros.simulator_node", track=TRACK)
    link.wait_for(client.service_is_ready, "no service", 60.0)
    node.send_signal(signal.SIGSTOP)
    with pytest.raises(SimulatorError, match=r"/simulator_node/get_param.* answer; waited 0.3 s"):
        link.call(client, GetParameters.Request())
    node.send_signal(signal.SIGCONT)
    assert link.call(client, GetParameters.Request(names=["rtf"]), 60.0).values[0].double_value == 1
    link.close()
