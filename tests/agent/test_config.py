"""TrainingConfig and Hyperparameters: one strict schema."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from deepracer_agent.config import TrainingConfig
from deepracer_agent.config_files import explain
from deepracer_agent.config_sections import StartConfig, StopConfig, seconds
from deepracer_agent.hyperparameters import Hyperparameters
from deepracer_car.action_space import DiscreteActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.starts import Starts

STOCK: dict[str, Any] = {
    "batch_size": 64,
    "beta_entropy": 0.01,
    "discount_factor": 0.99,
    "e_greedy_value": 0.05,
    "epsilon_steps": 10000,
    "exploration_type": "categorical",
    "loss_type": "huber",
    "lr": 0.0003,
    "num_episodes_between_training": 20,
    "num_epochs": 5,
    "stack_size": 1,
    "term_cond_avg_score": 350.0,
    "term_cond_max_episodes": 1000,
    "sac_alpha": 0.2,
}
CONTINUOUS = {
    "steering_angle": {"low": -30, "high": 30},
    "speed": {"low": 1, "high": 2},
}


def every_block(model: type[BaseModel], prefix: str = "") -> list[tuple[str, type[BaseModel]]]:
    """Dotted prefix and schema of each block of settings."""
    blocks = [(prefix, model)]
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            blocks += every_block(field.annotation, f"{prefix}{name}.")
    return blocks


BLOCKS = every_block(TrainingConfig)
EVERY_KEY = [prefix + name for prefix, model in BLOCKS for name in model.model_fields]


def nested(key: str, value: object) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.from_settings(settings, lambda _: "training.yaml")
    return str(caught.value)


def test_the_stock_hyperparameters_load_unchanged() -> None:
    assert Hyperparameters.model_validate(STOCK).model_dump() == STOCK
    assert set(Hyperparameters.model_fields) == set(STOCK)


def test_both_spellings_of_the_squared_loss_mean_the_same() -> None:
    for text in ("mean squared error", "mean_squared_error"):
        assert Hyperparameters.model_validate({"loss_type": text}).loss_type == "mean squared error"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", 100, "100 given, 32 or 64 or 128 or 256 or 512 is allowed"),
        ("batch_size", True, "True given, 32 or 64"),
        ("num_epochs", 2, "2 given, an integer, 3 to 10 is allowed"),
        ("num_epochs", "5", "'5' given, an integer, 3 to 10 is allowed"),
        ("lr", 0.01, "0.01 given, a number, 1e-08 to 0.001 is allowed"),
        ("lr", float("nan"), "nan given, a number"),
        ("beta_entropy", -0.1, "a number, 0 to 1"),
        ("discount_factor", 1.1, "a number, 0 to 1"),
        ("loss_type", "hubr", "Did you mean 'huber'"),
        ("num_episodes_between_training", 101, "an integer, 1 to 100"),
        ("exploration_type", "egreedy", "Did you mean 'e-greedy'"),
        ("e_greedy_value", 2, "a number, 0 to 1"),
        ("epsilon_steps", 0, "at least 1"),
        ("stack_size", 4, "only 1 is allowed: the network sees one frame"),
        ("term_cond_max_episodes", 0, "at least 1"),
        ("term_cond_avg_score", None, "None given, a number"),
        ("sac_alpha", 0.3, "only 0.2 is allowed: sac is not trained"),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Hyperparameters.model_validate({**STOCK, key: value})
    text = str(explain(caught.value, Hyperparameters, lambda _: "hyperparameters.json"))
    assert text.startswith(f"hyperparameters.json: {key}: ")
    assert message in text
    assert "\n" not in text


@given(st.sampled_from(EVERY_KEY), st.integers(0, 40), st.sampled_from("xz_"))
def test_any_one_misspelt_key_is_rejected_and_named(key: str, at: int, letter: str) -> None:
    block, _, name = key.rpartition(".")
    at = min(at, len(name))
    misspelt = f"{block}.".lstrip(".") + name[:at] + letter + name[at:]
    message = refusal(nested(misspelt, 1))
    assert message.startswith(f"training.yaml: unknown key '{misspelt}'; allowed are ")
    assert f"Did you mean '{name}'?" in message


@pytest.mark.parametrize(("prefix", "model"), BLOCKS)
def test_every_setting_says_what_it_means(prefix: str, model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, prefix + name
        assert field.description.endswith((".", ".1", "0.2.")), prefix + name


configs = st.builds(
    TrainingConfig,
    track=st.sampled_from(["reinvent_base", "a b.npy", "1e3", "null", "yes", "é"]),
    direction=st.sampled_from(["cw", "ccw", None]),
    seed=st.integers(0, 2**32 - 1),
    network=st.sampled_from(["fast", "deepracer"]),
    ranks=st.sampled_from([1, 2, "auto"]),
    start=st.builds(StartConfig, mode=st.sampled_from(["random", "fixed"]), offset=st.floats(0, 1)),
    stop=st.builds(
        StopConfig, time=st.none() | st.floats(1e-9, 1e9), steps=st.none() | st.integers(1)
    ),
    hyperparameters=st.builds(Hyperparameters, lr=st.floats(1e-8, 1e-3)),
    model_metadata=st.sampled_from(
        [
            ModelMetadata(DiscreteActionSpace.from_granularity(25, 7, 3.0, 3)),
            ModelMetadata.from_json({"action_space": CONTINUOUS}),
        ]
    ),
)


@given(configs)
def test_a_snapshot_reads_back_equal(config: TrainingConfig) -> None:
    text = config.to_yaml()
    again = TrainingConfig.from_yaml(text)
    assert again == config
    assert again.to_yaml() == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90 s", 90),
        ("10 min", 600),
        ("10min", 600),
        ("1 h", 3600),
        ("1 h 30 min", 5400),
        ("1.5 H", 5400),
        ("45", 45),
        (12.5, 12.5),
    ],
)
def test_durations_are_read_as_people_write_them(text: object, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "ten", "10 mim", "min", "1..5 s", "-3 s", "1 h, 2", "s 10"])
def test_other_durations_are_refused(text: str) -> None:
    assert "a duration such as '90 s'" in refusal({"stop": {"time": text}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"race_type": "OBJECT_AVOIDANCE"}, "only TIME_TRIAL is allowed: this version has no"),
        ({"race_type": "TIME_TRAIL"}, "race_type: 'TIME_TRAIL' given, TIME_TRIAL is allowed"),
        ({"direction": "clockwise"}, "'clockwise' given, cw or ccw or null is allowed"),
        ({"seed": -1}, "seed: -1 given, an integer, 0 to 4294967295"),
        ({"ranks": 0}, "ranks: 0 given, an integer, 1 to 64 or auto is allowed"),
        ({"cars": 31, "ranks": 2}, "31 given, but 2 ranks need a multiple of 2"),
        ({"stop": {"laps": 5}}, "stop.laps: 5 given, but an evaluation drives 3 laps"),
        ({"stop": {"time": 0}}, "stop.time: 0 given, a number"),
        ({"stop": 5}, "stop: 5 given, a block of keys"),
        ({"stop": {"target": {}}}, "stop.target: empty; give reward, progress or both"),
        ({"evaluation": {"every_steps": None}}, "None given, an integer, at least 1 is allowed"),
        ({"checkpoints": {"keep": "al"}}, "'al' given, an integer, at least 1 or all is allowed"),
        ({"learning": {"clip_range": 0}}, "more than 0"),
        ({"model_metadata": {"sensor": ["LIDAR"]}}, "model_metadata: 'action_space' is missing"),
        ({"model_metadata": 3}, "model_metadata: int given"),
        (
            {"model_metadata": {"action_space": CONTINUOUS, "sensor": ["STEREO_CAMERAS"]}},
            "STEREO_CAMERAS is not simulated by this version",
        ),
        (
            {"model_metadata": {"action_space": CONTINUOUS, "training_algorithm": "sac"}},
            "training_algorithm sac is not trained by this version",
        ),
        (
            {
                "model_metadata": {"action_space": CONTINUOUS},
                "hyperparameters": {"exploration_type": "e-greedy"},
            },
            "e-greedy picks from a list of actions",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    text = refusal(settings)
    assert text.startswith("training.yaml: ")
    assert message in text


def test_all_mistakes_are_told_at_once() -> None:
    lines = refusal({"seed": "x", "network": "fas", "stop": {"tim": 3}}).splitlines()
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track: a\ntrack: b", "line 2, column 1: the key 'track' is given twice"),
        ("stop:\n  time: 1\n  time: 2", "the key 'time' is given twice"),
        ("- 1", "list given, keys with values are allowed"),
        ("a: [", "is not valid YAML: line 1, column 5: expected the node content"),
        ("3: x", "the key 3 is not text"),
        ("a: !!python/object:os.system x", "is not valid YAML"),
    ],
)
def test_broken_yaml_is_refused_with_its_name(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: ") as caught:
        TrainingConfig.from_yaml(text)
    assert message in str(caught.value)


def test_numbers_may_be_written_in_short() -> None:
    config = TrainingConfig.from_yaml("hyperparameters: {lr: 1e-4}\nstop: {steps: 1e6}")
    assert (config.hyperparameters.lr, config.stop.steps) == (1e-4, 1_000_000)


def test_three_clean_laps_end_a_run_unless_another_condition_is_given() -> None:
    assert TrainingConfig().stop.laps == 3
    assert TrainingConfig.from_yaml("stop: {}").stop.laps == 3
    assert TrainingConfig.from_yaml("stop: {time: 60}").stop.laps is None


def test_the_network_follows_the_metadata_unless_it_is_given() -> None:
    def network(neural_network: str, **more: str) -> str:
        metadata = {"action_space": CONTINUOUS, "neural_network": neural_network}
        settings = {"model_metadata": metadata, **more}
        return TrainingConfig.from_settings(settings, lambda _: "training.yaml").network

    assert TrainingConfig().network == "fast"
    assert network("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW") == "deepracer"
    assert network("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", network="fast") == "fast"
    assert network("DEEP_CONVOLUTIONAL_NETWORK_DEEP", network="fast") == "fast"
    with pytest.raises(ConfigError, match="NETWORK_DEEP is not trained by this version"):
        network("DEEP_CONVOLUTIONAL_NETWORK_DEEP")


def test_the_granularity_form_becomes_a_list_of_actions() -> None:
    config = TrainingConfig.from_yaml(
        "model_metadata: {action_space: {max_steering_angle: 30, steering_granularity: 3, "
        "max_speed: 2, speed_granularity: 1}}"
    )
    expected = DiscreteActionSpace.from_granularity(30, 3, 2, 1)
    assert config.model_metadata.action_space == expected


def test_starts_carry_the_names_of_the_simulator() -> None:
    assert set(StartConfig.model_fields) == {field.name for field in dataclasses.fields(Starts)}
    assert StartConfig().starts() == Starts()
    assert StartConfig(mode="fixed", offset=0.25).starts() == Starts(mode="fixed", offset=0.25)


def test_ranks_share_the_cars_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert TrainingConfig().rank_count() == 2
    assert TrainingConfig(cars=1).rank_count() == 1
    assert TrainingConfig(ranks=4).rank_count() == 4
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert TrainingConfig().rank_count() == 1


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        TrainingConfig().seed = 3  # type: ignore[misc]
