"""``deepracer import``: what can be read becomes a run, the rest is named, nothing is run."""

from __future__ import annotations

import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepracer_agent import imports
from deepracer_agent.cli import main
from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import evaluate
from deepracer_agent.export import export_bundle
from deepracer_agent.imports import Imported, import_model
from deepracer_agent.metrics import read_metrics
from deepracer_agent.plots import plot_training
from deepracer_agent.runs import list_runs
from deepracer_agent.training import resume, train
from deepracer_agent.training_folder import load_training_folder
from deepracer_car.errors import ModelError, RunError
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.episode import TRACE_FIELDS

LivelyRun = Callable[[str], Path]

REWARD = "from pathlib import Path\nPath('{mark}').touch()\n\ndef reward_function(params):\n    "
METADATA: dict[str, Any] = {
    "action_space": [
        {"steering_angle": -30, "speed": 1.0, "index": 0},
        {"steering_angle": 0, "speed": 2.0, "index": 1},
        {"steering_angle": 30, "speed": 1.0, "index": 2},
    ],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "training_algorithm": "clipped_ppo",
    "action_space_type": "discrete",
    "version": "4",
}
HYPERPARAMETERS: dict[str, Any] = {
    "batch_size": 128,
    "beta_entropy": 0.01,
    "discount_factor": 0.97,
    "e_greedy_value": 0.05,
    "epsilon_steps": 10000,
    "exploration_type": "categorical",
    "loss_type": "huber",
    "lr": 0.0004,
    "num_episodes_between_training": 2,
    "num_epochs": 5,
    "stack_size": 1,
    "term_cond_avg_score": 100000.0,
    "term_cond_max_episodes": 100000,
    "sac_alpha": 0.2,
}


def entry(episode: int, trial: int, phase: str, progress: int, status: str) -> dict[str, Any]:
    return {
        "reward_score": 10 * episode,
        "metric_time": 1000 * episode,
        "start_time": 0,
        "elapsed_time_in_milliseconds": 4000 if status == "Lap complete" else 2000,
        "episode": episode,
        "trial": trial,
        "phase": phase,
        "completion_percentage": progress,
        "episode_status": status,
    }


METRICS: dict[str, Any] = {
    "version": 2.0,
    "metrics": [
        entry(1, 1, "training", 10, "Off track"),
        entry(2, 2, "training", 20, "Off track"),
        entry(2, 2, "evaluation", 100, "Lap complete"),
        entry(2, 2, "evaluation", 50, "Off track"),
        entry(3, 1, "training", 30, "Crashed"),
        entry(4, 2, "training", 100, "Lap complete"),
        entry(4, 2, "evaluation", 40, "Off track"),
    ],
}
JOB = 'WORLD_NAME: "Oval_track"\nTRACK_DIRECTION_CLOCKWISE: "True"\nRACE_TYPE: "TIME_TRIAL"\n'


def model_folder(folder: Path, **changed: Any) -> Path:
    """A training of DeepRacer-for-Cloud; a value of None leaves a file out."""
    files: dict[str, Any] = {
        "reward_function.py": REWARD.format(mark=folder.parent / "was_run") + "return 1.0\n",
        "training_params.yaml": JOB,
        "ip/hyperparameters.json": HYPERPARAMETERS,
        "model/model_metadata.json": METADATA,
        "model/model_18.pb": "",
        "model/.coach_checkpoint": "18_Step-17684.ckpt",
        "model/18_Step-17684.ckpt.data-00000-of-00001": "",
        "model/18_Step-17684.ckpt.index": "",
        "metrics/TrainingMetrics.json": METRICS,
        "metrics/evaluation/EvaluationMetrics-20260101120000.json": {"metrics": []},
        "training-simtrace/0-iteration.csv": "episode,steps\n0,1.0\n",
        "training-simtrace/1-iteration.csv": "episode,steps\n2,1.0\n",
        **changed,
    }
    for name, content in files.items():
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text)
    return folder


def packed(folder: Path, top: str) -> Path:
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, top)
    return path


def noted(found: Imported, text: str) -> bool:
    return any(text in note for note in found.notes)


@pytest.mark.parametrize("top", [None, ".", "my_model"])
def test_a_model_folder_becomes_a_run(tmp_path: Path, top: str | None) -> None:
    source = model_folder(tmp_path / "old")
    source = source if top is None else packed(source, top)
    found = import_model(source, root=tmp_path / "runs")
    run = found.run
    assert (run.name, run.status.state, run.status.track) == ("old", "imported", "Oval_track")
    assert "return 1.0" in run.reward_function.read_text()
    assert not (tmp_path / "was_run").exists(), "importing runs nothing"
    expected = ModelMetadata.from_json(METADATA)
    assert ModelMetadata.load(run.model_metadata) == expected
    assert json.loads(run.hyperparameters.read_text()) == HYPERPARAMETERS
    config = TrainingConfig.load(run.config)
    assert (config.track, config.direction) == ("Oval_track", "cw")
    assert (config.network, config.model_metadata) == ("deepracer", expected)
    assert (config.hyperparameters.lr, config.hyperparameters.batch_size) == (4e-4, 128)
    assert [p.name for p in sorted(run.traces.iterdir())] == [
        "0-iteration.csv",
        "1-iteration.csv",
    ]
    assert json.loads(run.training_metrics.read_text()) == METRICS
    assert noted(found, "weights of Coach and TensorFlow cannot continue training here")
    assert noted(found, "18_Step-17684")
    assert (found.drives, found.trains) == (False, True)


def test_the_metrics_are_told_in_our_form(tmp_path: Path) -> None:
    run = import_model(model_folder(tmp_path / "old"), root=tmp_path / "runs").run
    updates, evaluations = read_metrics(run.metrics)
    assert [(u.update, u.episodes, u.steps, u.progress) for u in updates] == [
        (1, 2, 60, (10.0, 20.0)),
        (2, 4, 150, (30.0, 100.0)),
    ]
    assert [(e.update, e.statuses, e.lap_times) for e in evaluations] == [
        (1, ("lap_complete", "off_track"), (4.0, 2.0)),
        (2, ("off_track",), (2.0,)),
    ]
    status = run.status
    assert (status.episodes, status.steps, status.seconds) == (4, 150, 10.0)
    assert status.best is not None
    assert (status.best.checkpoint, status.best.progress, status.best.lap_time) == (1, 75.0, 4.0)
    assert plot_training(run).stat().st_size > 10_000


def test_the_racers_own_tool_reads_the_import(tmp_path: Path, lively_run: LivelyRun) -> None:
    logs = pytest.importorskip("deepracer.logs")
    source = lively_run("discrete")
    found = import_model(packed(source, "lively"), "again", root=tmp_path / "runs")
    log = logs.DeepRacerLog(model_folder=str(found.run.path))
    log.load_training_trace()
    assert len(log.dataframe()) > 3
    expected = json.loads((source / "ip" / "hyperparameters.json").read_text())
    assert log.hyperparameters() == expected


def test_a_training_starts_anew_with_its_files(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "old")
    (source / "reward_function.py").write_text("def reward_function(params):\n    return 2.5\n")
    run = import_model(source, root=tmp_path / "runs").run
    small = {"ranks": 1, "cars": 2, "network": "fast", "stop.laps": None, "stop.steps": 1}
    small |= {"plot": False, "max_steps_per_episode": 10, "evaluation.every_steps": 1000}
    config, reward = load_training_folder(run.path, small)
    again = train(config, reward, name="again", root=tmp_path / "runs").run
    trained = TrainingConfig.load(again.config)
    assert (trained.track, trained.direction) == ("Oval_track", "cw")
    assert trained.hyperparameters == TrainingConfig.load(run.config).hyperparameters
    assert "return 2.5" in again.reward_function.read_text()


def test_its_weights_are_refused_plainly(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    name = import_model(model_folder(tmp_path / "old"), root=root).run.name
    with pytest.raises(RunError, match="imported: its weights cannot go on learning here"):
        resume(name, root=root)
    config, reward = load_training_folder(None)
    with pytest.raises(RunError, match="imported: its weights cannot go on learning here"):
        train(config, reward, root=root, start_from=name)
    with pytest.raises(RunError, match="imported"):
        evaluate(name, root=root)
    assert [run.name for run in list_runs(root)] == ["old"]


@pytest.mark.parametrize(
    ("changed", "told", "trains"),
    [
        ({"ip/hyperparameters.json": {**HYPERPARAMETERS, "lr": 5}}, "lr: 5 given", True),
        ({"ip/hyperparameters.json": {"new": 1}}, "unknown key 'new'", True),
        ({"ip/hyperparameters.json": "{"}, "left out: hyperparameters.json", True),
        ({"ip/hyperparameters.json": None}, "weights of Coach", True),
        ({"training_params.yaml": "WORLD_NAME: nowhere"}, "'nowhere' is not known here", True),
        ({"training_params.yaml": "WORLD_NAME: ../../x.npy"}, "is not known here", True),
        ({"training_params.yaml": "a: [*b"}, "left out: training_params.yaml", True),
        ({"training_params.yaml": "a: &a [1]\nb: *a"}, "has aliases", True),
        ({"training_params.yaml": "RACE_TYPE: HEAD_TO_BOT"}, "HEAD_TO_BOT is not raced", True),
        ({"model/model_metadata.json": {**METADATA, "x": 1}}, "x is unknown", True),
        ({"model/model_metadata.json": "[]"}, "left out: model/model_metadata.json", False),
        ({"model/model_metadata.json": None}, "there is no model_metadata.json", False),
        (
            {"model/model_metadata.json": {**METADATA, "sensor": ["STEREO_CAMERAS"]}},
            "cannot be trained again here",
            False,
        ),
        (
            {
                "model/model_metadata.json": {
                    **METADATA,
                    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK",
                }
            },
            "DEEP_CONVOLUTIONAL_NETWORK is not trained here",
            True,
        ),
        ({"reward_function.py": None}, "a default one is put in its place", True),
        ({"metrics/TrainingMetrics.json": "{}"}, "left out: metrics/TrainingMetrics.json", True),
        (
            {"metrics/TrainingMetrics.json": {"metrics": [{**METRICS["metrics"][0], "trial": -1}]}},
            "an entry's trial cannot be used",
            True,
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, changed: dict[str, Any], told: str, trains: bool
) -> None:
    found = import_model(model_folder(tmp_path / "old", **changed), root=tmp_path / "runs")
    assert noted(found, told), found.notes
    assert found.trains == trains
    assert found.run.config.is_file() == trains
    assert found.run.reward_function.is_file()


def test_several_workers_keep_their_folders(tmp_path: Path) -> None:
    source = model_folder(
        tmp_path / "old",
        **{
            "training-simtrace/0-iteration.csv": None,
            "training-simtrace/1-iteration.csv": None,
            "0/training-simtrace/0-iteration.csv": "a",
            "1/training-simtrace/0-iteration.csv": "b",
            "metrics/TrainingMetrics_1.json": {"metrics": []},
        },
    )
    run = import_model(source, root=tmp_path / "runs").run
    assert (run.path / "0" / "training-simtrace" / "0-iteration.csv").read_text() == "a"
    assert (run.path / "1" / "training-simtrace" / "0-iteration.csv").read_text() == "b"
    assert (run.path / "metrics" / "TrainingMetrics_1.json").is_file()


def test_names_with_the_direction_and_old_layouts(tmp_path: Path) -> None:
    flat = model_folder(
        tmp_path / "old",
        **{
            "training_params.yaml": "WORLD_NAME: [reinvent_base_cw, Oval_track]",
            "sim-trace/evaluation/20260301120000-a/evaluation-simtrace/0-iteration.csv": "lap",
            "sim-trace/training/2026-01-01-a/training-simtrace/0-iteration.csv": "old",
            "sim-trace/training/2026-02-01-a/training-simtrace/0-iteration.csv": "new",
            "training-simtrace/0-iteration.csv": None,
            "training-simtrace/1-iteration.csv": None,
        },
    )
    run = import_model(flat, root=tmp_path / "runs").run
    config = TrainingConfig.load(run.config)
    assert (config.track, config.direction) == ("reinvent_base", "cw")
    assert (run.traces / "0-iteration.csv").read_text() == "new"
    evaluated = run.path / "evaluation-20260301120000" / "evaluation-simtrace"
    assert (evaluated / "0-iteration.csv").read_text() == "lap"


class Trap:
    """Pickled into a checkpoint, it makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_run_from_elsewhere_drives_and_runs_no_code(
    tmp_path: Path, lively_run: LivelyRun
) -> None:
    source = lively_run("discrete")
    export_bundle(str(source))
    mark = tmp_path / "was_run"
    model = next(source.glob("checkpoints/*/model.zip"))
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("data", pickle.dumps(Trap(mark)))
    reward = (source / "reward_function.py").read_text()
    trap = f"__import__('pathlib').Path({str(mark)!r}).touch()\n"
    (source / "reward_function.py").write_text(trap + reward)
    archive_file = packed(source, "lively")
    found = import_model(archive_file, "again", root=tmp_path / "elsewhere")
    assert not mark.exists()
    assert noted(found, "loading one runs Python code")
    assert noted(found, "read reward_function.py before")
    run = found.run
    assert not list(run.path.rglob("model.zip"))
    assert TrainingConfig.load(run.config) == TrainingConfig.load(source / "config.yaml")
    assert run.status.steps == 64
    assert run.status.state == "imported"
    (run.reward_function).write_text(reward)
    (source / "reward_function.py").write_text(reward)
    driven = evaluate("again", laps=1, root=tmp_path / "elsewhere")
    same = evaluate(str(source / "bundle"), laps=1)
    assert driven.drive.trace.tobytes() == same.drive.trace.tobytes()
    assert len(set(driven.drive.trace[1:, TRACE_FIELDS.index("action")])) > 3
    assert list(run.path.glob("evaluation-*")), "the laps are noted in the run"


def test_a_bundle_becomes_a_run_that_drives(tmp_path: Path, lively_run: LivelyRun) -> None:
    bundle = export_bundle(str(lively_run("discrete"))).path
    shutil.move(bundle, tmp_path / "given")
    found = import_model(tmp_path / "given", root=tmp_path / "other")
    assert (found.drives, found.trains) == (True, False)
    assert found.next_steps() == [
        f"deepracer evaluate {found.run.path} --track reinvent_base",
    ]
    result = evaluate(str(found.run.path), laps=1, resets=0, track="reinvent_base")
    assert result.model == "given"


def test_a_bundle_that_is_damaged_leaves_nothing_behind(
    tmp_path: Path, lively_run: LivelyRun
) -> None:
    bundle = export_bundle(str(lively_run("discrete"))).path
    shutil.move(bundle, tmp_path / "given")
    (tmp_path / "given" / "policy.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="does not match its checksum"):
        import_model(tmp_path / "given", root=tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_links_are_not_followed_into_the_run(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "old", **{"reward_function.py": None})
    secret = tmp_path / "secret.py"
    secret.write_text("password = 1")
    (source / "reward_function.py").symlink_to(secret)
    found = import_model(source, root=tmp_path / "runs")
    assert "password" not in found.run.reward_function.read_text()
    assert noted(found, "reward_function.py is a link")


def test_too_many_traces_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_MAX_TRACES", 10)
    found = import_model(model_folder(tmp_path / "old"), root=tmp_path / "runs")
    assert noted(found, "the traces are left out")
    assert not list(found.run.traces.iterdir())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, runs = model_folder(tmp_path / "old"), str(tmp_path / "runs")
    assert main(["import", str(source), "--runs", runs]) == 0
    told = capsys.readouterr().out
    assert "metrics of 4 episodes" in told
    assert "cannot continue training here" in told
    assert f"Next: deepracer train {runs}/old --name NAME" in told
    assert main(["import", str(source), "--runs", runs]) == 1
    assert "There is already a run 'old'" in capsys.readouterr().err
    assert main(["import", str(source), "--name", "b", "--runs", runs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trains"] is True
    assert main(["import", str(source / "model" / "model_18.pb"), "--runs", runs]) == 1
    assert "a frozen graph alone" in capsys.readouterr().err
    assert main(["train", "--resume", "old", "--runs", runs]) == 1
    assert "its weights cannot go on learning here" in capsys.readouterr().err
