"""``deepracer reward check``: reads a reward function, tries it in many situations, reports."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepracer_car.errors import RewardError
from deepracer_sim.reward_check_child import COUNT, FILENAME, Request
from deepracer_sim.reward_problem import RewardCode, RewardProblem, describe_state, read_source
from deepracer_sim.reward_report import CallStatistics, RewardReport, judge, statistics
from deepracer_sim.reward_states import sample_params
from deepracer_sim.reward_static import check_source
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track


def check_reward(
    path: Path,
    tracks: Sequence[Track] | None = None,
    *,
    states: int = 2100,
    timeout: float = 20.0,
    call_limit: float = 3.0,
    load_limit: float = 10.0,
    memory: int = 1 << 30,
    seed: int = 0,
) -> RewardReport:
    """Check a reward function file.

    It is read first and only run, in a process of its own, if nothing is wrong with its text.

    Args:
        path: the file.
        tracks: where to try it; default: `default_tracks`.
        states: how many situations, on all tracks together.
        timeout: seconds for all calls together; what is left then stays untried.
        call_limit: seconds after which one call is held to be endless.
        load_limit: seconds for running the file itself, with its imports.
        memory: bytes it may take.
        seed: of the situations.

    Raises:
        RewardError: the file cannot be read, or Python cannot be started for the check.
    """
    code = RewardCode(str(path), read_source(path))
    problems = check_source(code)
    if problems:
        return RewardReport(str(path), tuple(problems))
    tracks = default_tracks() if tracks is None else tracks
    rng = np.random.default_rng(seed)
    share = -(-states // max(len(tracks), 1))
    progress_file = os.memfd_create("calls begun")
    os.ftruncate(progress_file, COUNT.size)
    request = Request(
        source=code.source,
        states={_label(track): sample_params(track, rng, share) for track in tracks},
        call_limit=call_limit,
        load_limit=load_limit,
        budget=timeout,
        memory=memory,
        progress_file=progress_file,
    )
    try:
        return _try(request, code)
    finally:
        os.close(progress_file)


def default_tracks() -> list[Track]:
    """A classic track, one driven against the order of its waypoints, and a wide one."""
    return [
        load_track("reinvent_base"),
        load_track("reInvent2019_track").reverse(),
        load_track("reInvent2019_wide"),
    ]


def _label(track: Track) -> str:
    return f"{track.name} reversed" if track.is_reversed else track.name


def _try(request: Request, code: RewardCode) -> RewardReport:
    """Run the child process and make a report of what it says, and of how it ended."""
    patience = request.budget + 2 * request.load_limit + request.call_limit + 30.0
    process = subprocess.Popen(
        [sys.executable, "-B", "-W", "ignore", "-m", "deepracer_sim.reward_check_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        pass_fds=[request.progress_file],
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(pickle.dumps(request), timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    messages = [json.loads(line) for line in output.decode().splitlines()]
    problems = [RewardProblem(**m["problem"]) for m in messages if "problem" in m]
    summaries = [m["summary"] for m in messages if "summary" in m]
    if not summaries:
        problems.append(
            _cut_short(process.returncode, errors.decode(errors="replace"), request, code)
        )
        return _report(code, problems, {})
    summary = summaries[0]
    tracks = {
        track: statistics(**tally)
        for track, tally in summary["tallies"].items()
        if tally["rewards"]
    }
    problems += judge(tracks, summary["printed"], summary["memory"], has_errors=bool(problems))
    return _report(code, problems, tracks)


def _report(
    code: RewardCode, problems: list[RewardProblem], tracks: dict[str, CallStatistics]
) -> RewardReport:
    problems = sorted(problems, key=lambda problem: problem.line or 0)
    return RewardReport(code.filename, tuple(problems), tracks)


def _environment() -> dict[str, str]:
    """Let the child find what we found, with one thread for linear algebra."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _cut_short(status: int, errors: str, request: Request, code: RewardCode) -> RewardProblem:
    """Return why the child did not get to the end; ``errors`` is what `faulthandler` wrote."""
    # The innermost call comes first.
    place = re.search(rf'File "{re.escape(FILENAME)}", line (\d+),? in (\S+)', errors)
    line = int(place[1]) if place else None
    out_of_memory = "MemoryError" in errors or "unable to start watchdog thread" in errors
    advice = ""
    if "Timeout (" in errors:
        limit = request.load_limit if place and place[2] == "<module>" else request.call_limit
        message = f"it did not come to an end within {limit:g} s."
        advice = "Is there a loop that never ends?"
    elif status in (-signal.SIGKILL, -signal.SIGXCPU):
        message = "it took too much time or memory and was stopped."
    elif status < 0:
        message = f"it crashed Python (signal {-status})."
    elif out_of_memory:
        message, advice = "it ran out of memory.", "Keep less in global variables."
    elif "Traceback" in errors and line is None:
        raise RewardError(f"The check itself failed: {errors.strip().splitlines()[-1]}.")
    else:
        message, advice = "it ended the program.", "Return a number instead of ending the process."
    return replace(code.problem(message, line, advice=advice), state=_last_state(request))


def _last_state(request: Request) -> str:
    """Return the situation of the last call that was begun, or an empty string."""
    [calls] = COUNT.unpack(os.pread(request.progress_file, COUNT.size, 0))
    if not calls:
        return ""
    states = [(track, params) for track, rows in request.states.items() for params in rows]
    track, params = states[calls - 1]
    return f"{track}, {describe_state(params)}"
