"""An evaluation over ROS: the car node drives, and the product's own rules judge its laps.

The world stands still between two decisions, so that the laps are those of the policy and not of
the machine. They are written into the run, as by ``deepracer evaluate``.
"""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from deepracer_agent.cli_evaluate import print_laps
from deepracer_agent.evaluation import evaluate, find_model
from deepracer_agent.ros.remote_policy import RemotePolicy
from deepracer_agent.training import RUNS
from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_car.ros.node import read_parameters, spin
from deepracer_sim.ros.ros_simulator import RosSimulator
from deepracer_sim.track import Track

SIMULATORS = ("simulator_node", "gazebo")
DIRECTIONS = ("", "cw", "ccw")
PARAMETERS = (
    ("model", "", "What car_node drives with: a run, RUN:CHECKPOINT, or a model bundle."),
    ("track", "", "Name or file of the track; empty: the one it was trained on."),
    ("direction", "", "cw or ccw: which way the track is driven; empty: as in training."),
    ("laps", 3, "How many laps."),
    ("simulator", "simulator_node", "What simulates the car: simulator_node or gazebo."),
    ("decision_timeout", 10.0, "Longest wait for a decision or a frame, s."),
    ("startup_timeout", 60.0, "Longest wait for simulator and car_node to show up, s."),
    ("runs", str(RUNS), "The folder that holds the runs."),
)


class EvaluationNode(Node):
    """Evaluates as soon as it spins, prints the table of laps and ends."""

    def __init__(self) -> None:
        """Read the parameters.

        Raises:
            DeepRacerError: one of them cannot be used.
        """
        super().__init__("evaluation_node")
        self._given = read_parameters(self, PARAMETERS)
        for name, allowed in (("simulator", SIMULATORS), ("direction", DIRECTIONS)):
            _check_choice(name, self._given[name], allowed)
        self._model = find_model(self._given["model"], root=Path(self._given["runs"]))
        self.create_timer(0.0, self._evaluate)

    def _evaluate(self) -> None:
        given, namespace = self._given, self.get_namespace()
        simulator = RosSimulator(
            given["simulator"],
            namespace=namespace,
            timeout=given["decision_timeout"],
            startup_timeout=given["startup_timeout"],
        )
        policy = RemotePolicy(simulator, self._model.metadata.action_space)

        def world(track: Track) -> RosSimulator:
            policy.wait_for_car_node(track.pose_at(0.0))
            return simulator

        try:
            result = evaluate(
                self._model,
                track=given["track"] or None,
                direction=given["direction"] or None,
                laps=given["laps"],
                simulator=world,
                policy=policy,
            )
        finally:
            simulator.close()
        print_laps(result)
        self.context.try_shutdown()


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(choice or "nothing" for choice in allowed)
        raise ConfigError(
            f"{name} is '{value}'; one of {choices} is allowed.{did_you_mean(value, allowed)}"
        )


def main() -> int:
    """Run the node until its evaluation is over."""
    return spin(EvaluationNode)


if __name__ == "__main__":
    raise SystemExit(main())
