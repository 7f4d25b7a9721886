"""From frame to command on one core, with the network of the original; prints one JSON line.

``ms``: from a picture (160x120 RGB) shown to the drive loop, with both its threads running, until
the command has been sent; ``bare_ms``: ONNX Runtime alone on the same graph, in turns with it.
``ratio`` is of the medians; ``p99_ratio`` of the loop's 99th percentile to its median, and
``bare_p99_ratio`` the same of ONNX Runtime, which tells how much of it is the machine's.
``realtime``: whether the system let these go before other programs, which are not under test.
``record_us``: what the drive log costs the driver per frame. ``rss_growth_mb``: over `LONG` frames
with a drive log, in 10^6 bytes. ``bundle_load_s``: in a new process, with the import of the
runtime. ``stock_car_export_s``: the median of five, from the run to the checked archive.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from report import report

from deepracer_car.actuation import ActuationSettings, Command
from deepracer_car.decision import Decision, Model
from deepracer_car.drive_log import DriveLog
from deepracer_car.drive_loop import DriveLoop, Limits
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.observation import OBSERVATION_SHAPE, preprocess
from deepracer_car.policy import INPUT, OUTPUT
from deepracer_car.safety import State

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
WARM_UP, FRAMES, LONG = 500, 10_000, 100_000
LOAD = """
import sys, time
start = time.perf_counter()
from deepracer_car.decision import Model
Model.open(sys.argv[1])
print(time.perf_counter() - start)
"""


class Wheels:
    """An actuator that only takes what it is told."""

    def apply(self, command: Command) -> None:
        """Do nothing."""

    def power(self, on: bool) -> None:
        """Do nothing."""


class Car:
    """A drive loop with its threads."""

    def __init__(self, model: Model, told: Callable[[Decision], None]) -> None:
        self._decided = threading.Event()
        self._told, self._decision = told, None
        self.loop = DriveLoop(
            model,
            Wheels(),
            preprocess,
            settings=ActuationSettings(throttle_scale=1.0),
            limits=Limits(frame_age=0.0, inference_time=0.0),  # a busy machine is not under test
            told=self._tell,
        )
        self.loop.start()
        self.loop.arm()

    def decide(self, picture: np.ndarray) -> Decision:
        """Show a picture and wait for the command."""
        self._decided.clear()
        self.loop.see(picture)
        self._decided.wait()
        return self._decision

    def _tell(self, decision: Decision) -> None:
        self._told(decision)
        self._decision = decision
        self._decided.set()


def bare(bundle: ModelBundle) -> Callable[[], float]:
    """Return what runs the graph once and tells how long it took, s."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(bundle.policy), options, providers=providers)
    observation = np.random.default_rng(0).integers(0, 256, (1, *OBSERVATION_SHAPE), np.uint8)

    def run() -> float:
        start = time.monotonic()
        session.run([OUTPUT], {INPUT: observation})
        return time.monotonic() - start

    return run


def latencies(bundle: ModelBundle, pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds per frame of the loop and of ONNX Runtime alone, in turns."""
    car, run = Car(Model.open(bundle.path), lambda decision: None), bare(bundle)
    loop, alone = [], []
    for k in range(WARM_UP + FRAMES):
        alone.append(run())
        decision = car.decide(pictures[k % len(pictures)])
        assert decision.state is State.DRIVING
        loop.append(decision.sent - decision.frame.received)
    car.loop.close()
    return np.array(loop[WARM_UP:]), np.array(alone[WARM_UP:])


def growth(bundle: ModelBundle, pictures: list[np.ndarray], folder: Path) -> tuple[int, float]:
    """Bytes that the process grows by, and seconds that the log takes of a frame's turn."""
    log, recording = DriveLog(folder, max_bytes=64 << 20), []

    def record(decision: Decision) -> None:
        start = time.monotonic()
        log.record(decision)
        recording.append(time.monotonic() - start)

    car = Car(Model.open(bundle.path), record)
    before = 0
    for k in range(WARM_UP + LONG):
        if k == WARM_UP:
            before = resident_bytes()
        car.decide(pictures[k % len(pictures)])
        if len(recording) == FRAMES:
            cost = float(np.median(recording))
            recording.clear()
    after = resident_bytes()
    car.loop.close()
    log.close()
    return after - before, cost


def resident_bytes() -> int:
    """Memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def set_realtime(on: bool) -> bool:
    """Let this thread and those it starts go before other programs; whether that is allowed."""
    policy = os.SCHED_FIFO if on else os.SCHED_OTHER
    try:
        os.sched_setscheduler(0, policy, os.sched_param(int(on)))
    except PermissionError:
        return False
    return True


def one_core(path: Path) -> dict[str, float]:
    """Measure a bundle; the process is on one core already and never saw torch."""
    bundle, rng = ModelBundle.open(path), np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(64)]
    is_first = set_realtime(True)
    loop, alone = latencies(bundle, pictures)
    set_realtime(False)
    with tempfile.TemporaryDirectory() as folder:
        grown, recording = growth(bundle, pictures, Path(folder))
    p50, p99 = np.percentile(loop, [50, 99])
    bare_p50, bare_p99 = np.percentile(alone, [50, 99])
    return {
        "ms": round(1e3 * p50, 3),
        "p99_ms": round(1e3 * p99, 3),
        "bare_ms": round(1e3 * bare_p50, 3),
        "ratio": round(p50 / bare_p50, 3),
        "p99_ratio": round(p99 / p50, 2),
        "bare_p99_ratio": round(bare_p99 / bare_p50, 2),
        "realtime": is_first,
        "record_us": round(1e6 * recording, 1),
        "rss_growth_mb": round(grown / 1e6, 2),
    }


def exported(folder: Path) -> tuple[Path, float]:
    """Export an untrained policy; returns its bundle and the seconds its stock-car archive took."""
    from deepracer_agent.car_archive import export_car_archive
    from deepracer_agent.export import export_bundle
    from deepracer_agent.training import train
    from deepracer_agent.training_folder import load_training_folder

    settings = {"network": "deepracer", "ranks": 1, "cars": 4, "plot": False}
    settings |= {"stop.laps": None, "stop.steps": 1, "learning.max_steps_between_training": 64}
    settings |= {"max_steps_per_episode": 16, "evaluation.every_steps": 1000}
    config, reward = load_training_folder(QUICKSTART, settings)
    run = train(config, reward, name="untrained", root=folder).run
    bundle, seconds = export_bundle(str(run.path)).path, []
    set_realtime(True)
    for _ in range(5):
        start = time.perf_counter()
        export_car_archive(str(run.path))
        seconds.append(time.perf_counter() - start)
    set_realtime(False)
    return bundle, float(np.median(seconds))


def output_of(*arguments: str, cores: set[int] | None = None) -> str:
    """Run Python with ``arguments``, on some of the cores; returns what it prints."""
    command = [sys.executable, *arguments]
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    return subprocess.run(command, check=True, stdout=-1, text=True, preexec_fn=pin).stdout


def main() -> None:
    """Measure in processes of their own; the first of them calls this file again with a bundle."""
    if sys.argv[1:]:
        print(json.dumps(one_core(Path(sys.argv[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        bundle, seconds = exported(Path(folder))
        core = {min(os.sched_getaffinity(0))}
        measured = json.loads(output_of(__file__, str(bundle), cores=core))
        load = float(output_of("-c", LOAD, str(bundle)))
    report(
        "drive_latency",
        **measured,
        frames=FRAMES,
        long_frames=LONG,
        bundle_load_s=round(load, 2),
        stock_car_export_s=round(seconds, 2),
    )


if __name__ == "__main__":
    main()
