"""A whole training: it learns, its ranks agree, and what fails leaves the run usable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.save_util import load_from_zip_file

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import evaluate, find_model
from deepracer_agent.metrics import read_metrics
from deepracer_agent.training import resume, train
from deepracer_agent.training_folder import load_training_folder
from deepracer_car.errors import ConfigError, RewardError, RunError

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"


def config(**overrides: object) -> TrainingConfig:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return load_training_folder(QUICKSTART, dotted)[0]


def tiny(**overrides: object) -> TrainingConfig:
    settings: dict[str, object] = {
        "ranks": 1, "cars": 4, "stop__laps": None, "stop__steps": 600,
        "evaluation__every_steps": 300, "evaluation__laps": 1, "evaluation__starts": 2,
        "checkpoints__min_seconds_between": 0, "checkpoints__keep": "all",
    }  # fmt: skip
    return config(**{**settings, **overrides})


def weights(model: Path) -> np.ndarray:
    _, saved, _ = load_from_zip_file(model, device="cpu")
    return torch.cat([v.flatten() for v in saved["policy"].values()]).numpy()


def test_the_quickstart_learns_to_drive(tmp_path: Path) -> None:
    settings, reward = load_training_folder(QUICKSTART, {"stop.steps": 60_000})
    result = train(settings, reward, name="first", root=tmp_path)
    assert result.reason == "3 clean laps from each of 4 starts"
    status = result.run.status
    assert status.state == "finished"
    assert status.best is not None
    assert status.best.clean_laps == 12
    drive = evaluate("first", laps=2, root=tmp_path)
    assert [lap.status for lap in drive.laps] == ["lap_complete", "lap_complete"]
    assert all(lap.is_clean for lap in drive.laps)
    # The other way round it was never trained: what counts is that the option does something.
    other = evaluate("first", laps=1, direction="cw", root=tmp_path)
    assert other.track.direction == "cw"
    assert other.drive.trace.tobytes() != drive.drive.trace.tobytes()


def test_one_rank_is_reproducible_to_the_byte(tmp_path: Path) -> None:
    runs = [train(tiny(), name=name, root=tmp_path).run for name in ("a", "b")]
    traces = [(run.traces / "0-iteration.csv").read_bytes() for run in runs]
    assert traces[0] == traces[1]
    models = [weights(find_model(str(run.path), "last").path) for run in runs]
    assert np.array_equal(*models)
    other = train(tiny(seed=1), name="c", root=tmp_path).run
    assert (other.traces / "0-iteration.csv").read_bytes() != traces[0]


def test_two_ranks_share_the_work(tmp_path: Path) -> None:
    run = train(tiny(ranks=2), name="pair", root=tmp_path).run
    updates, evaluations = read_metrics(run.metrics)
    rows = sum(len(p.read_text().splitlines()) - 1 for p in run.traces.glob("*.csv"))
    assert rows > 0
    assert updates[-1].episodes == sum(len(u.rewards) for u in updates)
    assert updates[-1].steps >= 600
    assert len(evaluations[0].progress) == 2
    assert (run.path / "ranks.log").read_text() == ""


def test_resume_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    run = train(tiny(), name="r", root=tmp_path).run
    before = run.status
    last = CheckpointStore(run).resolve("last")
    resume("r", root=tmp_path, config=tiny(stop__steps=1200))
    after = run.status
    assert after.steps >= 1200
    assert before.steps >= 600
    assert after.seconds > before.seconds
    updates, _ = read_metrics(run.metrics)
    assert [u.update for u in updates] == list(range(1, len(updates) + 1))
    assert np.diff([u.steps for u in updates]).min() > 0
    assert not np.array_equal(
        weights(last.path / "model.zip"), weights(find_model("r", "last", tmp_path).path)
    )


def test_clone_begins_with_the_policy_of_another_run(tmp_path: Path) -> None:
    train(tiny(), name="old", root=tmp_path)
    start = weights(find_model("old", "best", tmp_path).path)
    quiet = tiny(hyperparameters__lr=1e-8, stop__steps=1)
    clone = train(quiet, name="new", root=tmp_path, start_from="old").run
    assert weights(find_model("new", "last", tmp_path).path) == pytest.approx(start, abs=1e-5)
    assert clone.status.origin.startswith("old:")
    fresh = train(quiet, name="fresh", root=tmp_path)
    assert fresh.run.status.origin == ""
    assert weights(find_model("fresh", "last", tmp_path).path) != pytest.approx(start, abs=1e-3)


def test_clone_refuses_other_actions_and_networks(tmp_path: Path) -> None:
    train(tiny(), name="old", root=tmp_path)
    other = {"action_space": [{"steering_angle": 0, "speed": 1}, {"steering_angle": 9, "speed": 1}]}
    with pytest.raises(ConfigError, match="learnt with another action_space"):
        train(
            TrainingConfig.model_validate({**tiny().model_dump(), "model_metadata": other}),
            name="new", root=tmp_path, start_from="old",
        )  # fmt: skip
    with pytest.raises(ConfigError, match="learnt with another network"):
        train(tiny(network="deepracer"), name="new", root=tmp_path, start_from="old")
    assert not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="Did you mean 'old'"):
        train(tiny(), name="new", root=tmp_path, start_from="odl")


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_reward_that_fails_late_keeps_what_was_learnt(tmp_path: Path, ranks: int) -> None:
    reward = tmp_path / "reward_function.py"
    reward.write_text(
        "calls = 0\n\ndef reward_function(params):\n    global calls\n    calls += 1\n"
        "    if calls == 250:\n        print('this is call 250')\n"
        "    return params['speed'] if calls < 250 else params['spede']\n"
    )
    settings = tiny(ranks=ranks, stop__steps=10_000)
    with pytest.raises(RewardError, match=r"line 8.*\n?.*spede"):
        train(settings, reward, name="late", root=tmp_path)
    run = find_model("late", "last", tmp_path).run
    assert run is not None
    assert run.status.state == "failed"
    assert "spede" in run.status.error
    assert "this is call 250" in run.reward_output.read_text()
    reward.write_text("def reward_function(params):\n    return params['speed']\n")
    (run.path / "reward_function.py").write_text(reward.read_text())
    assert (
        resume("late", root=tmp_path, config=tiny(stop__steps=900)).run.status.state == "finished"
    )


def test_what_the_reward_function_prints_is_kept(tmp_path: Path) -> None:
    reward = tmp_path / "reward_function.py"
    reward.write_text(
        "def reward_function(params):\n    print('speed', params['speed'])\n    return 1.0\n"
    )
    run = train(tiny(), reward, name="p", root=tmp_path).run
    assert set(run.reward_output.read_text().splitlines()) <= {"speed 1.0", "speed 1.6"}
    assert len(run.reward_output.read_text().splitlines()) >= 600


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ({"stop__episodes": 30, "stop__steps": None}, "30 episodes"),
        ({"stop__time": 0.1, "stop__steps": None}, "0.1 s"),
        ({"stop__target": {"progress": 0.1}, "stop__steps": 50_000}, "target"),
        (
            {"hyperparameters__term_cond_max_episodes": 25, "stop__steps": 50_000},
            "term_cond_max_episodes",
        ),
        (
            {"hyperparameters__term_cond_avg_score": 0.5, "stop__steps": 50_000},
            "term_cond_avg_score",
        ),
    ],
    ids=["episodes", "time", "target", "max_episodes", "avg_score"],
)
def test_stop_conditions(tmp_path: Path, stop: dict[str, object], reason: str) -> None:
    result = train(tiny(**stop), name="s", root=tmp_path)
    assert reason in result.reason
    assert result.run.status.steps < 20_000


def test_checkpoints_are_whole_models(tmp_path: Path) -> None:
    run = train(tiny(), name="w", root=tmp_path).run
    folder = CheckpointStore(run).resolve("last").path
    counters = json.loads((folder / "training.json").read_text())
    assert counters["steps"] == run.status.steps
    alone = evaluate(str(folder), track="Oval_track", laps=1, resets=0)
    assert alone.track.name == "Oval_track"
    with pytest.raises(ConfigError, match="--track"):
        evaluate(str(folder), laps=1)
    with pytest.raises(ConfigError, match="at least 1 lap"):
        evaluate("w", laps=0, root=tmp_path)


def test_a_missing_gpu_leaves_nothing_behind(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="sees no GPU"):
        train(tiny(device="cuda"), name="gpu", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
