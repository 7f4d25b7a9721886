"""A rank above 0 of a training: ``python -m deepracer_agent.rank RUN [CHECKPOINT]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.distributed import Ranks
from deepracer_agent.process import prepare_process
from deepracer_agent.runs import RunDirectory
from deepracer_agent.trainer import Trainer


def main(path: str, checkpoint: str | None = None) -> None:
    """Train in step with rank 0, which decides when to end."""
    run = RunDirectory(Path(path))
    prepare_process()
    ranks = Ranks.join()
    Trainer(run, ranks, CheckpointStore(run).resolve(checkpoint) if checkpoint else None).run()
    ranks.leave()
    sys.stdout.flush()
    # All is done and rank 0 does the rest; gloo's threads now and then abort an orderly exit.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
