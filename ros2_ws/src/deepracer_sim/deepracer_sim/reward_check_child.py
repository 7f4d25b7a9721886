"""The process in which `reward_check` tries a reward function: ``python -m`` this module.

It reads one pickled `Request` from its standard input and writes JSON lines to its standard output:
``{"problem": ...}`` as they are found, and ``{"summary": ...}`` when it got to the end. A call that
does not end is ended by `faulthandler`, which writes where it was to the standard error.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import pickle
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TextIO

from deepracer_sim.reward import Reward, RewardFunction
from deepracer_sim.reward_guard import Guard, limit_process, memory_in_use
from deepracer_sim.reward_problem import LocatedRewardError, RewardCode, RewardProblem

FILENAME = "<reward function>"
"""The racer's file in what `faulthandler` writes."""
MAX_PROBLEMS = 10
MAX_FAILURES = 300
"""Failed calls after which enough is known."""
COUNT = struct.Struct("q")


@dataclass(frozen=True)
class Request:
    """What to try.

    Attributes:
        source: text of the racer's file.
        states: dictionaries by the name of the track, in the order of driving.
        call_limit: seconds after which a call is held to be endless.
        load_limit: seconds for running the file itself.
        budget: seconds for all calls together; what is left then stays untried.
        memory: bytes the racer's code may take.
        progress_file: descriptor of a file of `COUNT` bytes, in which the number of calls begun is
            kept: it tells where the process was if it ended all of a sudden.
    """

    source: str
    states: dict[str, list[dict[str, Any]]]
    call_limit: float
    load_limit: float
    budget: float
    memory: int
    progress_file: int


@dataclass
class Tally:
    """What the calls on one track cost and brought, those that returned a number."""

    seconds: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)


class Trial:
    """Calls a reward function and reports what it does."""

    def __init__(self, request: Request, output: TextIO) -> None:
        """Report to ``output``."""
        self._request = request
        self._output = output
        self._code = RewardCode(FILENAME, request.source)
        self._guard = Guard()
        self._seen: Counter[tuple[int | None, str]] = Counter()
        self._armed = -1.0
        self._calls = 0
        self._progress = mmap.mmap(request.progress_file, COUNT.size)

    def run(self) -> None:
        """Load the function, call it in every state, report."""
        tallies = {track: Tally() for track in self._request.states}
        written = 0
        memory = memory_in_use()
        self._arm(self._request.load_limit)
        try:
            with self._guard.watching():
                function = RewardFunction.from_source(self._request.source, FILENAME)
            started = time.perf_counter()
            for track, states in self._request.states.items():
                self._arm(self._request.load_limit)
                with self._guard.watching():
                    reward_of = function.instances(1)[0]
                self._drive(reward_of, track, states, tallies[track], started)
                function.printed.take()
            written = function.printed.written
        except LocatedRewardError as error:
            self._report(error.problem)
        faulthandler.cancel_dump_traceback_later()
        self._report_refusals()
        summary = {
            "tallies": {track: asdict(tally) for track, tally in tallies.items()},
            "printed": written,
            "memory": memory_in_use() - memory,
        }
        self._write({"summary": summary})

    def _drive(
        self,
        reward_of: Reward,
        track: str,
        states: list[dict[str, Any]],
        tally: Tally,
        started: float,
    ) -> None:
        """Call the function in the states of one track."""
        limit = self._request.call_limit
        self._arm(limit)
        for params in states:
            before = time.perf_counter()
            if before - self._armed > 0.25 * limit:
                self._arm(limit)
            if before - started > self._request.budget or self._is_hopeless():
                return
            self._calls += 1
            COUNT.pack_into(self._progress, 0, self._calls)
            try:
                before = time.perf_counter()
                with self._guard.watching():
                    reward = reward_of(params)
            except LocatedRewardError as error:
                if isinstance(error.__cause__, MemoryError):
                    raise  # From here on nothing can be relied on.
                self._report(error.problem, track)
            else:
                tally.seconds.append(time.perf_counter() - before)
                tally.rewards.append(reward)

    def _is_hopeless(self) -> bool:
        return len(self._seen) >= MAX_PROBLEMS or sum(self._seen.values()) >= MAX_FAILURES

    def _arm(self, limit: float) -> None:
        """Give the racer's code ``limit`` seconds from now on."""
        faulthandler.dump_traceback_later(limit, exit=True, file=sys.stderr)
        self._armed = time.perf_counter()

    def _report_refusals(self) -> None:
        """Report what was refused, even if the racer's code took no notice."""
        for refusal in self._guard.refusals:
            self._report(self._code.failed(refusal).problem)

    def _report(self, problem: RewardProblem, track: str = "") -> None:
        """Report a problem once per line and kind of message."""
        kind = problem.line, problem.message.partition(":")[0]
        self._seen[kind] += 1
        if self._seen[kind] == 1:
            state = f"{track}, {problem.state}" if problem.state and track else problem.state
            self._write({"problem": asdict(replace(problem, state=state))})

    def _write(self, message: dict[str, Any]) -> None:
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()


def main() -> None:
    """Take a request from the standard input and answer it."""
    request: Request = pickle.load(sys.stdin.buffer)
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Stray output goes to the standard error; there is no input.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable(file=sys.stderr)
    limit_process(request.memory, int(request.budget + 2 * request.load_limit) + 10)
    Trial(request, output).run()
    # What the racer left behind, threads or exit handlers, is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
