"""Training as a ROS node: parameters in; a run directory, and topics to watch it by, out."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from deepracer_agent import training
from deepracer_agent.config import TrainingConfig
from deepracer_agent.config_files import read_assignments
from deepracer_agent.results import write_results
from deepracer_agent.ros.monitor import TrainingMonitor
from deepracer_agent.runs import RunDirectory
from deepracer_agent.training_folder import load_training_folder
from deepracer_car.errors import ConfigError, DeepRacerError
from deepracer_car.ros.node import read_parameters

PARAMETERS = (
    ("folder", "", "The racer's files; empty: nothing but defaults."),
    ("name", "", "Of the new run; empty: made of track and time."),
    ("runs", "runs", "Folder of all runs."),
    ("resume", "", "RUN or RUN:CHECKPOINT to go on with, in place of a new run."),
    ("simulator", "", "embedded, simulator_node or gazebo; empty: as the files say."),
    ("track", "", "Name or path; empty: as the files say."),
    ("direction", "", "cw or ccw; empty: as the files say."),
    ("workers", 0, "Processes that train together, each with its simulator; 0: as the files say."),
    ("restarts", 0, "How often to go on from the last checkpoint after the simulator failed."),
    ("set", [""], "Any other settings of training.yaml, each KEY=VALUE."),
)
SETTINGS = {
    "simulator": "simulator",
    "track": "track",
    "direction": "direction",
    "workers": "ranks",
    "restarts": "restarts",
}
"""The setting of training.yaml that each parameter overrides, unless it is empty."""


class TrainerNode(Node):
    """Holds the parameters and publishes how the training goes."""

    def __init__(self) -> None:
        """Read the parameters."""
        super().__init__("trainer_node")
        self.monitor = TrainingMonitor(self)
        self._given = read_parameters(self, PARAMETERS)

    def train(self) -> training.TrainingResult:
        """Train as the parameters say, in this thread.

        Raises:
            DeepRacerError: something given cannot be used, or the training failed.
        """
        given, monitor = self._given, self.monitor
        overrides = {key: given[name] for name, key in SETTINGS.items() if given[name]}
        overrides.update(read_assignments(text for text in given["set"] if text))
        runs, name = Path(given["runs"]), given["name"] or None
        if not given["resume"]:
            config, reward = load_training_folder(given["folder"] or None, overrides)
            config = self._with_namespace(config)
            return training.train(
                config, reward, name=name, root=runs, show=monitor.show, watch=monitor.watch
            )
        if given["folder"] or name:
            raise ConfigError("parameter resume goes without folder and name; leave them out.")
        name, checkpoint = training.split_checkpoint(given["resume"])
        run = RunDirectory.open(runs, name)
        config = TrainingConfig.load(run.config).overridden(overrides, str(run.config))
        config = self._with_namespace(config)
        which = f"{run.path}:{checkpoint or 'last'}"
        return training.resume(which, config=config, show=monitor.show, watch=monitor.watch)

    def _with_namespace(self, config: TrainingConfig) -> TrainingConfig:
        """Look for a simulator over ROS where this node is."""
        here = self.get_namespace()
        if here == "/" or not config.over_ros:
            return config
        return config.overridden({"namespace": here}, "the namespace of the node")


def main() -> int:
    """Train, and return the exit status: 0 when the training ended or was stopped, 1 if it failed.

    Signals are the training's: the first ends it in good order.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    # Parameters and diagnostics are served meanwhile by a thread that sleeps nearly all the time.
    executor = SingleThreadedExecutor()
    spinning = threading.Thread(target=executor.spin, daemon=True)
    try:
        node = TrainerNode()
        executor.add_node(node)
        spinning.start()
        return _train(node)
    except DeepRacerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        executor.shutdown()
        if spinning.is_alive():
            spinning.join()
        rclpy.try_shutdown()


def _train(node: TrainerNode) -> int:
    monitor = node.monitor
    try:
        result = node.train()
        node.get_logger().info(f"run {result.run.name} ended: {result.reason}")
        state = result.run.status.state
        monitor.set_state(state, DiagnosticStatus.OK, result.reason)
        if state == "finished":  # who stops it does not want to wait
            write_results(result.run)
    except DeepRacerError as error:
        monitor.finish("failed", DiagnosticStatus.ERROR, str(error))
        raise
    except KeyboardInterrupt:
        monitor.finish("stopped", DiagnosticStatus.OK, "stopped at once")
        raise
    monitor.finish(state, DiagnosticStatus.OK, result.reason)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End whatever goes on before the training takes signals; a launch may send them twice."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
