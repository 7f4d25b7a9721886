"""A rank above 0 of a training; rank 0 tells it which run, and decides when to end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.distributed import Ranks
from deepracer_agent.process import prepare_process
from deepracer_agent.runs import RunDirectory
from deepracer_agent.trainer import Trainer


def main() -> NoReturn:
    """Train in step with rank 0, then end the process.

    The run directory must be found under the same path as by rank 0, on other machines too.
    """
    prepare_process()
    ranks = Ranks.join()
    # `torchrun` hands Ctrl-C to every rank; rank 0 ends the training in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    path, number = ranks.share(None)
    run = RunDirectory(Path(path))
    Trainer(run, ranks, CheckpointStore(run).resolve(number) if number else None).run()
    ranks.leave()
    sys.stdout.flush()
    # All is done and rank 0 does the rest; gloo's threads now and then abort an orderly exit.
    os._exit(0)


if __name__ == "__main__":
    main()
