"""Recipes in TOML: what they mean, that they come back as written, and what is refused with the nearest known name."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import formats
from glassnet.activations import Array
from glassnet.digits import DISTORTIONS, Affine, Elastic, NonDigits, NotDigits, Recipe, make_recipe, read_recipe
from glassnet.digits.recipe_toml import toml
from glassnet.errors import FileFormatError, GlassnetError, MissingFileError, OptionError
from glassnet.training import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    AdamW,
    Cosine,
    CrossEntropy,
    Distillation,
    WarmUp,
    initialise,
)

WHOLE = """\
layers = [12, 8]
activation = "tanh"
dropout = 0.1
normalise = true
average = 0.9
mixup = 0.2
epochs = 3
batch_size = 16
seed = 5
hold_out = 0.25
patience = 2
workers = 0
members = 2
calibrate = 10
drawn = 30
half = true

[loss]
kind = "cross_entropy"
smoothing = 0.1

[optimizer]
kind = "adamw"
weight_decay = 0.02
clip = 1.0
rate = { kind = "warm_up", share = 0.1, then = { kind = "cosine", peak = 0.01 } }

[[augment]]
kind = "affine"
turn_degrees = 8

[[augment]]
kind = "elastic"

[not_digits]
expected = 0.02
share = 0.25
kinds = ["strokes", "pair"]
count = 50
"""


def strokes(count: int) -> tuple[Array, Array]:
    """Return pictures of upright and level strokes, and which is which."""
    labels = np.arange(count) % 2
    pictures = np.zeros((count, 28, 28), np.uint8)
    pictures[labels == 0, 5:23, 13:15] = 255
    pictures[labels == 1, 13:15, 5:23] = 255
    return pictures, labels


def test_every_key_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(WHOLE)
    recipe = read_recipe(path)
    assert recipe == Recipe(
        layers=(12, 8),
        activation="tanh",
        dropout=0.1,
        normalise=True,
        loss=CrossEntropy(0.1),
        optimizer=AdamW(WarmUp(Cosine(0.01), 0.1), weight_decay=0.02, clip=1.0),
        average=0.9,
        augment=(Affine(turn_degrees=8), Elastic()),
        drawn=30,
        not_digits=NotDigits(0.25, ("strokes", "pair"), 50, "none", 0.02),
        mixup=0.2,
        epochs=3,
        batch_size=16,
        seed=5,
        hold_out=0.25,
        patience=2,
        workers=0,
        members=2,
        calibrate=10,
        half=True,
    )
    defaults = Recipe()
    alike = {f.name for f in dataclasses.fields(Recipe) if getattr(recipe, f.name) == getattr(defaults, f.name)}
    assert alike == {"workers"}, "a key that is not tried here"


def test_a_recipe_trains_and_repeats_itself() -> None:
    recipe = make_recipe(tomllib.loads(WHOLE))
    pictures, labels = strokes(120)
    one, two = recipe.train(pictures, labels), recipe.train(pictures, labels)
    for layer, other in zip(one.network.layers, two.network.layers, strict=True):
        np.testing.assert_array_equal(layer.weights, other.weights)
    assert [layer.outputs for layer in one.network.layers] == [12, 8, 11] * 2
    assert one.network.labels == (*range(10), "none")
    assert [epoch.epoch for epoch in one.history] == list(range(1, 7))
    assert one.history == two.history
    learned = dataclasses.replace(recipe, epochs=12, average=None, mixup=None).train(pictures, labels).network
    assert (learned.predict(pictures) == labels).mean() > 0.95


def test_a_network_is_less_sure_of_what_is_no_digit() -> None:
    pictures, labels = strokes(160)
    kinds = ("zigzag", "dots")
    scribbles = NonDigits(kinds)(100, np.random.default_rng(9))
    surest = {}
    for name, not_digits in (
        ("with", {"share": 0.3, "kinds": kinds, "count": 200, "answer": "unsure"}),
        ("without", None),
    ):
        table = {"layers": [16], "epochs": 15, "batch_size": 16, "hold_out": 0}
        recipe = make_recipe(table if not_digits is None else {**table, "not_digits": not_digits})
        surest[name] = recipe.train(pictures, labels).network(scribbles).max(axis=1).mean()
    assert surest["with"] < 0.7 * surest["without"], surest


def test_a_network_says_none_to_what_is_no_digit() -> None:
    pictures, labels = strokes(160)
    not_digits = {"share": 0.3, "kinds": ("zigzag", "dots"), "count": 200}
    recipe = make_recipe({"layers": [16], "epochs": 15, "batch_size": 16, "hold_out": 0, "not_digits": not_digits})
    network = recipe.train(pictures, labels).network
    scribbles = NonDigits(("zigzag", "dots"))(100, np.random.default_rng(9))
    assert (network.predict(scribbles) == "none").mean() > 0.9
    assert (network.predict(pictures) == labels).mean() > 0.95
    assert type(network.predict(pictures)[0]) is int


def test_without_held_out_pictures_the_last_epoch_counts() -> None:
    pictures, labels = strokes(40)
    recipe = make_recipe({"hold_out": 0, "epochs": 2, "layers": []})
    training = recipe.train(pictures, labels)
    assert [epoch.validation_loss for epoch in training.history] == [None, None]
    assert len(training.network.layers) == 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_its_name(name: str) -> None:
    assert type(make_recipe({"optimizer": {"kind": name}}).optimizer) is OPTIMIZERS[name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_its_name(name: str) -> None:
    options = {"then": 0.1} if name == "warm_up" else {"peak": 0.1}
    rate = make_recipe({"optimizer": {"kind": "sgd", "rate": {"kind": name, **options}}}).optimizer.rate
    assert type(rate) is SCHEDULES[name]


@pytest.mark.parametrize("name", DISTORTIONS)
def test_every_distortion_has_its_name(name: str) -> None:
    assert make_recipe({"augment": [{"kind": name}]}).augment == (DISTORTIONS[name](),)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_name(name: str) -> None:
    options = {"teacher": "digits"} if name == "distillation" else {}
    assert type(make_recipe({"loss": {"kind": name, **options}}).loss) is LOSSES[name]


def test_a_teacher_lies_beside_the_recipe(tmp_path: Path) -> None:
    teacher = initialise((784, 4, 10), seed=3)
    formats.save(teacher, tmp_path / "teacher.npz")
    (tmp_path / "recipe.toml").write_text(
        '[loss]\nkind = "distillation"\nteacher = "teacher.npz"\nsoft = 0.5\nlabels = { kind = "cross_entropy" }\n'
    )
    loss = read_recipe(tmp_path / "recipe.toml").loss
    assert isinstance(loss, Distillation)
    np.testing.assert_array_equal(loss.teacher.layers[0].weights, teacher.layers[0].weights)
    assert loss.labels == CrossEntropy()


def test_a_table_as_toml_says_the_same() -> None:
    table = tomllib.loads(WHOLE) | {"note": 'a "quoted" \\ text\n\x7f', "none": None}
    assert tomllib.loads(toml(table)) == {key: value for key, value in table.items() if value is not None}


ADAM: dict[str, Any] = {"kind": "adam"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"epoch": 3}, "recipe: there is no option 'epoch'; the nearest is 'epochs'"),
        (
            {"optimizer": {"kind": "adamw", "weigth_decay": 0.1}},
            "recipe: optimizer (adamw): there is no option 'weigth_decay'; the nearest is 'weight_decay'",
        ),
        (
            {"optimizer": {**ADAM, "weight_decay": 0.1}},
            "recipe: optimizer (adam): there is no option 'weight_decay'; the nearest is",
        ),
        ({"optimizer": {"kind": "best"}}, "unknown optimizer 'best'\nhint: one of sgd, adam, adamw"),
        ({"optimizer": {"rate": 0.1}}, "recipe: optimizer: a kind is missing\nhint: one of sgd, adam, adamw"),
        ({"optimizer": "adam"}, "recipe: optimizer: expected a table with a kind"),
        (
            {"optimizer": {**ADAM, "rate": {"kind": "cosine"}}},
            "recipe: optimizer: rate (cosine): 'peak' is missing",
        ),
        (
            {"optimizer": {**ADAM, "rate": {"kind": "cosine", "peek": 1}}},
            "recipe: optimizer: rate (cosine): there is no option 'peek'; the nearest is 'peak'",
        ),
        ({"optimizer": {**ADAM, "rate": "fast"}}, "Adam: rate must be a number above 0 or a schedule, found 'fast'"),
        ({"optimizer": {**ADAM, "rate": -1}}, "Adam: rate must be a number above 0, found -1"),
        ({"optimizer": {**ADAM, "clip": "no"}}, "Adam: clip must be a number above 0, found 'no'"),
        ({"augment": {"kind": "affine"}}, "recipe: augment: expected a list of tables"),
        ({"augment": [{"kind": "affin"}]}, "unknown distortion 'affin'\nhint: one of affine, elastic"),
        ({"augment": [{"kind": "affine", "turn": 1}]}, "there is no option 'turn'; the nearest is 'turn_degrees'"),
        ({"loss": {"kind": "distillation"}}, "recipe: loss (distillation): 'teacher' is missing"),
        ({"loss": {"kind": "cross_entropy", "class_weights": ["a"] * 10}}, "recipe: loss (cross_entropy): "),
        ({"drawn": -1}, "recipe: drawn must be 0 or more, found -1"),
        ({"not_digits": True}, "recipe: not_digits: expected a table: [not_digits], found True"),
        ({"not_digits": {"kind": 3}}, "unknown "),
        ({"not_digits": {"expected": 1}}, "NotDigits: expected must be "),
        ({"not_digits": {"answer": "no"}}, 'NotDigits: answer must be "none" or "unsure", found \'no\''),
        ({"members": 0}, "recipe: members must be "),
        ({"not_digits": {"part": 3}}, "recipe: not_digits (not_digits): there is no option 'part'"),
        ({"not_digits": {"share": 2}}, "NotDigits: share must be between 0 and 1, found 2"),
        ({"not_digits": {"count": 0}}, "NotDigits: count must be 1 or more, found 0"),
        ({"layers": "50,100"}, "recipe: layers: expected a list of numbers such as [50, 100], found '50,100'"),
        ({"layers": [50, 0]}, "recipe: layers must be 1 or more, found 0"),
        ({"activation": 3}, "recipe: activation: expected a text, found 3"),
        ({"normalise": 1}, "recipe: normalise: expected true or false, found 1"),
        ({"hold_out": 1}, "recipe: hold_out must be at least 0 and below 1, found 1"),
        ({"dropout": "some"}, "recipe: dropout must be at least 0 and below 1, found 'some'"),
    ],
)
def test_what_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        make_recipe(table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("contents", "kind", "message"),
    [
        (b"layers = [50,", FileFormatError, "not a recipe in TOML"),
        (b"\xff\xfe", FileFormatError, "not a recipe in TOML"),
        (None, MissingFileError, "there is no such file"),
        (b"epohcs = 3", OptionError, "recipe.toml: there is no option 'epohcs'; the nearest is 'epochs'"),
    ],
)
def test_files_that_are_refused(
    contents: bytes | None, kind: type[GlassnetError], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(kind) as caught:
        read_recipe(path)
    assert message in str(caught.value)


def test_a_teacher_that_is_not_there_is_made_by_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "student.toml").write_text('[loss]\nkind = "distillation"\nteacher = "teacher.safetensors"\n')
    with pytest.raises(MissingFileError, match="teacher: there is no file") as caught:
        read_recipe(tmp_path / "student.toml")
    assert caught.value.hint == ""
    (tmp_path / "teacher.toml").touch()
    with pytest.raises(MissingFileError) as caught:
        read_recipe(tmp_path / "student.toml")
    assert caught.value.hint.startswith("its recipe makes it: glassnet train ")
