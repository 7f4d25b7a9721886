"""What is exported answers as the trained policy does, or nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from stable_baselines3 import PPO

from deepracer_agent import export
from deepracer_agent.cli import main
from deepracer_agent.evaluation import evaluate, find_model
from deepracer_agent.export import export_bundle
from deepracer_agent.onnx_graph import IR_VERSION, OPSET, to_onnx
from deepracer_agent.torch_policy import TorchPolicy
from deepracer_car.errors import ConfigError, ModelError, RunError
from deepracer_car.model_bundle import POLICY, PROVENANCE, ModelBundle, checksum
from deepracer_car.policy import INPUT, OUTPUT, OnnxPolicy
from deepracer_sim.episode import TRACE_FIELDS

LivelyRun = Callable[[str], Path]

NOISE = np.random.default_rng(3).integers(0, 256, (100, 1, 120, 160), dtype=np.uint8)


def exact(run: Path) -> TorchPolicy:
    """The run's policy in torch, in float32 throughout."""
    policy = TorchPolicy.load(find_model(str(run)).path, device="cpu")
    policy.network.pi_features_extractor.reduced = False
    return policy


@pytest.mark.parametrize("action_space", ["discrete", "continuous"])
def test_a_bundle_answers_as_torch_does(lively_run: LivelyRun, action_space: str) -> None:
    run = lively_run(action_space)
    bundle = export_bundle(str(run))
    assert bundle.path == run / "bundle"
    # Noise was not among the pictures of the check that the export itself makes.
    expected, answer = exact(run).predict(NOISE), OnnxPolicy(bundle).predict(NOISE)
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_laps_are_those_of_torch(lively_run: LivelyRun) -> None:
    run = lively_run("discrete")
    bundle = export_bundle(str(run))
    by_torch = evaluate(str(run), laps=1, policy=exact(run))
    by_bundle = evaluate(str(bundle.path), laps=1)
    actions = by_torch.drive.trace[1:, TRACE_FIELDS.index("action")]
    assert len(set(actions)) > 3, "a policy that always does the same proves nothing"
    assert by_bundle.drive.trace.tobytes() == by_torch.drive.trace.tobytes()
    assert by_bundle.model == by_torch.model
    assert len(list(run.glob("evaluation-*"))) == 2, "both are noted in the run"


def test_the_graph_takes_raw_pixels_and_old_runtimes(lively_run: LivelyRun) -> None:
    model = onnx.load(export_bundle(str(lively_run("discrete"))).policy)
    (pixels,), (answer,) = model.graph.input, model.graph.output
    shape = [d.dim_param or d.dim_value for d in pixels.type.tensor_type.shape.dim]
    assert (pixels.name, pixels.type.tensor_type.elem_type, shape) == (
        INPUT,
        onnx.TensorProto.UINT8,
        ["batch", 1, 120, 160],
    )
    assert answer.name == OUTPUT
    assert (model.opset_import[0].version, model.ir_version) == (OPSET, IR_VERSION)


def test_provenance_tells_where_it_comes_from(lively_run: LivelyRun) -> None:
    run = lively_run("discrete")
    bundle = export_bundle(str(run))
    told = json.loads((bundle.path / PROVENANCE).read_text())
    assert (told["run"], told["checkpoint"], told["mean_progress"]) == ("lively", 2, 50.0)
    assert (told["track"], told["seed"], told["network"]) == ("reinvent_base", 0, "fast")
    assert told["onnx_against_torch"]["observations"] >= 100
    assert 0.0 <= told["onnx_against_torch"]["largest_difference"] < 1e-4
    assert told["sha256"][POLICY] == checksum(bundle.policy)


def test_a_checkpoint_is_chosen_by_its_number(lively_run: LivelyRun) -> None:
    run = lively_run("discrete")
    first = export_bundle(f"{run}:1").policy.read_bytes()
    bundle = export_bundle(str(run))
    assert bundle.name == "lively:2"
    assert bundle.policy.read_bytes() != first, "the old bundle was replaced"
    assert {p.name for p in bundle.path.iterdir()} == {POLICY, "model_metadata.json", PROVENANCE}
    assert not list(run.glob(".bundle*")), "nothing else is left behind"
    with pytest.raises(RunError, match="no checkpoint '7'"):
        export_bundle(f"{run}:7")


def test_a_checkpoint_without_its_run_needs_a_place(lively_run: LivelyRun, tmp_path: Path) -> None:
    folder = find_model(str(lively_run("discrete"))).path.parent
    with pytest.raises(ConfigError, match="--out"):
        export_bundle(str(folder))
    bundle = export_bundle(str(folder), tmp_path / "far" / "away")
    assert "run" not in bundle.provenance
    assert OnnxPolicy(bundle).predict(NOISE[:1]).shape == (1,)


def test_a_network_that_answers_differently_is_not_written(
    lively_run: LivelyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lively_run("discrete")
    before = export_bundle(str(run)).policy.read_bytes()

    def off_by_a_little(*arguments: object) -> onnx.ModelProto:
        model = to_onnx(*arguments)  # type: ignore[arg-type]
        weights = onnx.numpy_helper.to_array(model.graph.initializer[0]) * 1.01
        model.graph.initializer[0].CopyFrom(
            onnx.numpy_helper.from_array(weights, model.graph.initializer[0].name)
        )
        return model

    monkeypatch.setattr(export, "to_onnx", off_by_a_little)
    with pytest.raises(ModelError, match="Not exported: ONNX Runtime's answers differ"):
        export_bundle(str(run))
    assert ModelBundle.open(run / "bundle").policy.read_bytes() == before
    assert not list(run.glob(".bundle*"))


def test_a_network_of_somebody_else_is_refused(lively_run: LivelyRun, tmp_path: Path) -> None:
    metadata = find_model(str(lively_run("discrete"))).metadata
    model = PPO("MlpPolicy", "CartPole-v1", device="cpu")
    model.save(tmp_path / "model.zip")
    metadata.save(tmp_path / "model_metadata.json")
    with pytest.raises(ConfigError, match="cannot be exported; those of the presets"):
        export_bundle(str(tmp_path / "model.zip"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_bundle_is_never_replaced(
    lively_run: LivelyRun, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="is no model bundle; give another --out"):
        export_bundle(str(lively_run("discrete")), precious)
    assert [p.name for p in precious.iterdir()] == ["thesis.txt"]


def test_the_command_tells_what_it_wrote(
    lively_run: LivelyRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = lively_run("discrete")
    out = tmp_path / "out"
    assert main(["export", "lively", "--runs", str(run.parent), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["model"]) == (str(out), "lively:2")
    assert main(["export", "livly", "--runs", str(run.parent)]) == 1
    assert "Did you mean 'lively'?" in capsys.readouterr().err
