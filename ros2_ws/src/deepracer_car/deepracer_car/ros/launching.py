"""What launch files share: checked arguments, and a launch that ends when one of its nodes does.

It needs ``launch`` and ``launch_ros`` and, of this product, the car's package alone: the ``ros2``
command may run under a Python that has no learning library.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from launch import Event, EventHandler, LaunchContext, Substitution
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.events import matches_action
from launch.events.process import ProcessExited, ProcessIO, SignalProcess
from launch.substitutions import Command, PathJoinSubstitution
from launch_ros.actions import PushROSNamespace, SetRemap
from launch_ros.substitutions import FindPackageShare

from deepracer_car.errors import ConfigError, SimulatorError, did_you_mean
from deepracer_car.ros.node import SIMULATOR_LOST

SWITCH = ("true", "false")

ARGUMENTS: Dict[str, Tuple[str, str, Optional[Tuple[str, ...]]]] = {
    "simulator": ("gazebo", "What simulates the car.", ("gazebo", "embedded")),
    "track": ("reinvent_base", "Name of a track, or path of a track file.", None),
    "direction": (
        "",
        "Clockwise, counter-clockwise, or as the track was drawn.",
        ("", "cw", "ccw"),
    ),
    "world": ("", "Gazebo: a world file to use in place of the track's own.", None),
    "sensors": ("mono", "Gazebo: one camera, or two side by side.", ("mono", "stereo")),
    "lidar": ("false", "Gazebo: the car carries a lidar.", SWITCH),
    "geometry": (
        "legacy",
        "Gazebo: one angle for both front wheels and one speed for all, or those of Ackermann.",
        ("legacy", "ackermann"),
    ),
    "lockstep": ("false", "Time passes only when a command asks for the next frame.", SWITCH),
    "rtf": ("1", "Simulated seconds per second; 0: as many as the machine can.", None),
    "headless": ("true", "Gazebo: no window.", SWITCH),
    "restarts": ("0", "How often a simulator that died or hangs is started anew.", None),
    "worker": ("0", "Which of several simulators; its ROS domain is this much above ours.", None),
    "rviz": ("false", "Open rviz.", SWITCH),
    "rqt": ("false", "Open rqt.", SWITCH),
    "namespace": ("", "Stands before the names of all topics and nodes.", None),
}
"""Arguments that mean the same in every launch file: default, description, choices."""

HIGHEST_DOMAIN = 101
"""Above it the ports of ROS domains run into those that systems hand out freely."""


def arguments(*names: str, **defaults: str) -> List[DeclareLaunchArgument]:
    """Declare arguments of `ARGUMENTS` by name, some with a default of this file's own."""
    declared = []
    for name in (*names, *defaults):
        default, description, choices = ARGUMENTS[name]
        declared.append(
            DeclareLaunchArgument(
                name,
                default_value=defaults.get(name, default),
                description=description,
                choices=None if choices is None else list(choices),
            )
        )
    return declared


def program(name: str) -> str:
    """Return the path of a program that the simulation needs."""
    path = shutil.which(name)
    if path is None:
        raise ConfigError(
            f"There is no program '{name}' on the PATH. Install what package.xml names (rosdep "
            "does), and source the setup file of ROS."
        )
    return path


def command(*words: Union[str, Substitution]) -> Command:
    """Return what a program says when it is run; its words may hold spaces."""
    parts: List[Union[str, Substitution]] = []
    for word in words:
        parts += [shlex.quote(word)] if isinstance(word, str) else ["'", word, "'"]
        parts.append(" ")
    return Command(parts, on_stderr="warn")


def share(*parts: str) -> PathJoinSubstitution:
    """Return the path of a file that is installed with the simulator."""
    return PathJoinSubstitution([FindPackageShare("deepracer_sim"), *parts])


def include(name: str) -> IncludeLaunchDescription:
    """Include a launch file of ours, which finds the values of its arguments around it."""
    return IncludeLaunchDescription(share("launch", f"{name}.launch.py"))


def refuse_unknown(file: str, declared: List[DeclareLaunchArgument]) -> OpaqueFunction:
    """Refuse misspelt arguments, about which launch says nothing.

    Only where ``file`` itself was given to ``ros2 launch``: a launch file that includes it may have
    arguments of its own.
    """
    names = [argument.name for argument in declared]

    def check(context: LaunchContext) -> None:
        if Path(file).name not in (Path(word).name for word in sys.argv):
            return
        for word in context.argv:
            name, assigned, _ = word.partition(":=")
            if assigned and name not in names:
                raise ConfigError(
                    f"{Path(file).name} has no argument '{name}'.{did_you_mean(name, names)} "
                    f"It has: {', '.join(names)}."
                )

    return OpaqueFunction(function=check)


def number(context: LaunchContext, name: str, lowest: float = 0.0) -> float:
    """Return the value of an argument that must be a number of at least ``lowest``."""
    text = context.launch_configurations[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not lowest <= value < float("inf"):
        raise ConfigError(f"{name}:={text} must be a number from {lowest:g} up.")
    return value


def whole(context: LaunchContext, name: str, lowest: int = 0) -> int:
    """Return the value of an argument that must be a whole number of at least ``lowest``."""
    value = number(context, name, lowest)
    if value != int(value):
        raise ConfigError(f"{name}:={value:g} must be a whole number.")
    return int(value)


def only_for(context: LaunchContext, simulator: str, *names: str, **defaults: str) -> None:
    """Refuse arguments that another simulator than the chosen one would have heeded.

    Names and defaults are those given to `arguments`.
    """
    chosen = context.launch_configurations
    for name in (*names, *defaults):
        default = defaults.get(name, ARGUMENTS[name][0])
        if chosen["simulator"] != simulator and chosen[name] != default:
            raise ConfigError(
                f"{name}:={chosen[name]} means something to simulator:={simulator} only, and this "
                f"is simulator:={chosen['simulator']}. Leave it out, or choose {simulator}."
            )


def domain(context: LaunchContext, worker: int) -> int:
    """Return the ROS domain of a worker: ours (``ROS_DOMAIN_ID``) and those after it."""
    first = context.environment.get("ROS_DOMAIN_ID") or "0"
    if not first.isdigit() or int(first) + worker > HIGHEST_DOMAIN:
        raise ConfigError(
            f"ROS_DOMAIN_ID={first} leaves no domain for worker {worker}: they are numbered "
            f"onwards from it, and {HIGHEST_DOMAIN} is the last."
        )
    return int(first) + worker


def in_namespace(context: LaunchContext) -> List[Any]:
    """Put the nodes that follow in the namespace, transforms and clock included."""
    return [
        PushROSNamespace(context.launch_configurations["namespace"]),
        *(SetRemap(f"/{name}", name) for name in ("tf", "tf_static", "clock")),
    ]


def restarted(restarts: int) -> Dict[str, Any]:
    """Return what makes launch start a process anew when it ends, so many times."""
    if not restarts:
        return {}
    return {"respawn": True, "respawn_delay": 1.0, "respawn_max_retries": restarts}


def start(process: Any) -> List[Any]:
    """Start a process that the launch does not leave behind.

    When something after it in a launch file fails, launch forgets what it has started and goes.
    """

    def remember(context: LaunchContext) -> None:
        if not context.is_shutdown:
            context.add_completion_future(process.get_asyncio_future())

    return [process, OpaqueFunction(function=remember)]


class SimulatorLost(Event):
    """The main process cannot go on with the simulators as they are."""


def essential(process: Any, restarts: int = 0, may_finish: bool = False) -> List[Any]:
    """Start a process without which the rest is pointless: its end is the end of the launch.

    The launch then fails and says which process it was. Before that it may end as often as launch
    starts it anew (``restarts``, as in `restarted`); ``may_finish`` if success is no failure.
    A process that may be started anew, and that lives still when simulators are lost, hangs: it is
    ended.
    """
    ends: List[ProcessExited] = []
    lost: List[Event] = []

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        ends.append(event)
        finished = may_finish and event.returncode == 0
        if not (finished or len(ends) <= restarts or context.is_shutdown):
            times = f" (start number {len(ends)})" if restarts else ""
            raise SimulatorError(f"{_ended(event)}{times}, and the rest is no use without it.")

    def end(context: LaunchContext) -> Optional[List[Any]]:
        lost.append(context.locals.event)
        if len(ends) >= len(lost):
            return None
        kill = SignalProcess(signal_number="SIGKILL", process_matcher=matches_action(process))
        return [EmitEvent(event=kill)]

    handlers: List[EventHandler] = [OnProcessExit(target_action=process, on_exit=ended)]
    if restarts:
        entities = OpaqueFunction(function=end)
        handlers.append(
            EventHandler(matcher=lambda event: isinstance(event, SimulatorLost), entities=entities)
        )
    return [*map(RegisterEventHandler, handlers), *start(process)]


def main_process(process: Any) -> List[Any]:
    """Start the process that the launch is for: when it is done, so is the launch.

    When it says that it has lost its simulators, those that hang are ended.
    """

    def ended(event: ProcessExited, context: LaunchContext) -> Optional[Shutdown]:
        if context.is_shutdown:
            return None
        if event.returncode:
            raise SimulatorError(f"{_ended(event)}. What it said last stands above.")
        return Shutdown(reason=f"{event.process_name} is done")

    def said(event: ProcessIO) -> Optional[EmitEvent]:
        return EmitEvent(event=SimulatorLost()) if SIMULATOR_LOST.encode() in event.text else None

    handlers = [
        OnProcessExit(target_action=process, on_exit=ended),
        OnProcessIO(target_action=process, on_stdout=said, on_stderr=said),
    ]
    return [*map(RegisterEventHandler, handlers), *start(process)]


def _ended(event: ProcessExited) -> str:
    if event.returncode < 0:
        how = f"was ended by {signal.Signals(-event.returncode).name}"
    else:
        how = f"ended with exit status {event.returncode}"
    return f"'{event.process_name}' {how}"
