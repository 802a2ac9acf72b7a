"""Plans are data: which panels, where the parameters lie, and that nothing is lost in packing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from compiler.golden import Golden
from compiler.networks import dense
from glassnet import Dense, Network
from glassnet.activations import Array
from glassnet.compiler.plan import LINE, Layer, Plan, aligned, make_plan, pack
from glassnet.compiler.program import Program, lower
from glassnet.compiler.targets import TARGETS, Target, choose_target
from glassnet.network import Activate, Clip

ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def planned(target: Target, *layers: Dense) -> tuple[Plan, Program]:
    program = lower(Network(layers))
    return make_plan(program, target), program


def unpack(packed: Array, layer: Layer) -> tuple[Array, Array]:
    """Read bias and weights back, padding included, the way the kernels address them."""
    panels, at = [], layer.weights
    for panel in layer.panels:
        for _ in range(panel.count):
            size = layer.inputs * panel.width
            panels.append(packed[at : at + size].reshape(layer.inputs, panel.width))
            at += size
    return packed[layer.bias : layer.bias + layer.width], np.hstack(panels)


@ALL
@pytest.mark.parametrize("outputs", [*range(1, 71), 100, 130, 1000])
def test_panels_cover_the_outputs_with_little_to_spare(outputs: int, target: Target) -> None:
    plan, _ = planned(target, dense(1, 3, outputs))
    [layer] = plan.layers
    assert outputs <= layer.width < outputs + target.lanes
    assert all(panel.count >= 1 and len(panel.widths) <= target.vectors for panel in layer.panels)
    # Whole registers, and one shorter vector at the end that is a register of some kind as well.
    widths = [width for panel in layer.panels for width in panel.widths]
    assert set(widths[:-1]) <= {target.lanes}
    assert widths[-1] in {4, 8, 16}
    assert widths[-1] <= target.lanes


@ALL
def test_packing_loses_nothing(target: Target) -> None:
    layers = [dense(1, 20, 70, "relu"), dense(3, 70, 1), dense(5, 1, 130, "softmax")]
    plan, program = planned(target, *layers)
    packed = pack(plan, program)
    assert packed.size == plan.parameter_floats
    assert packed.ctypes.data % 64 == 0
    assert not packed.flags.writeable
    for layer, where in zip(layers, plan.layers, strict=True):
        bias, weights = unpack(packed, where)
        assert np.array_equal(weights[:, : layer.outputs], layer.weights)
        assert np.array_equal(bias[: layer.outputs], layer.bias)
        assert not weights[:, layer.outputs :].any()
        assert not bias[layer.outputs :].any()


def test_a_bias_of_minus_zero_is_packed_as_zero() -> None:
    plan, program = planned(TARGETS["sse"], Dense(np.ones((2, 3), np.float32), np.full(3, -0.0, np.float32)))
    assert not np.signbit(pack(plan, program)).any()


@ALL
def test_places_do_not_overlap(target: Target) -> None:
    plan, program = planned(target, *(dense(1, *sizes) for sizes in ((784, 50), (50, 7), (7, 100), (100, 1))))
    ends = [0]
    for layer in plan.layers:
        for start, size in ((layer.bias, layer.width), (layer.weights, layer.inputs * layer.width)):
            assert start >= ends[-1]
            assert start % LINE == 0
            ends.append(start + size)
    assert ends[-1] <= plan.every_column < ends[-1] + LINE
    assert plan.parameter_floats == plan.every_column + 784
    columns = pack(plan, program)[plan.every_column :].view(np.int32)
    assert columns.tolist() == list(range(784))


@ALL
def test_rows_of_scratch_hold_what_is_written_and_read(target: Target) -> None:
    plan, _ = planned(target, dense(1, 784, 1024, "relu"), dense(3, 1024, 10))
    for value, used in enumerate((784, *(layer.width for layer in plan.layers))):
        assert plan.stride(value) >= used
        assert plan.stride(value) % LINE == 0
        assert plan.stride(value) % 1024 != 0  # rows 4 KiB apart would share the sets of a cache
    assert plan.block_rows % target.rows == 0


@ALL
def test_places_in_scratch_do_not_overlap(target: Target) -> None:
    sizes = ((784, 50), (50, 100), (100, 10))
    plan, _ = planned(target, *(dense(1, *size, "relu") for size in sizes))
    rows, lists = plan.block_rows, plan.block_rows // target.rows
    place = plan.scratch
    assert place.lists >= rows * (784 + 50)
    assert place.columns - place.lists >= lists * (784 + LINE + 2)
    turned = 784 + 50 if plan.turns_dense else max((layer.inputs for layer in plan.layers[plan.turn :]), default=0)
    assert place.answer - place.columns >= target.lanes * turned
    assert place.end - place.answer >= (max(target.lanes * 10, 784 + 50) if turned else 0)
    assert plan.scratch_floats == place.end
    assert plan.few_scratch_floats >= 784 + 50 + (784 + LINE + 2)


@ALL
@pytest.mark.parametrize("outputs", [*range(1, 70), 100])
def test_parts_cover_a_panel(outputs: int, target: Target) -> None:
    parts = target.parts(outputs)
    assert sum(part.width * part.count for part in parts) == outputs
    assert all(1 <= part.width <= target.columns and part.count >= 1 for part in parts)
    assert len(parts) <= 2


def test_by_columns_where_rows_would_be_padding() -> None:
    """The plan turns where outputs do not fill registers; before that, and where they do, it stays with rows."""
    avx512 = TARGETS["avx512"]
    narrow, _ = planned(avx512, dense(1, 8, 50), dense(2, 50, 100), dense(3, 100, 10))
    assert (narrow.turn, narrow.turns_dense) == (0, False)
    wide, _ = planned(avx512, dense(1, 8, 512), dense(2, 512, 256), dense(3, 256, 1))  # a single chain would wait
    assert (wide.turn, wide.turns_dense) == (0, False)
    full, _ = planned(avx512, dense(1, 8, 512), dense(2, 512, 256))
    assert (full.turn, full.turns_dense) == (2, False)
    sparse, _ = planned(avx512, dense(1, 784, 50), dense(2, 50, 100), dense(3, 100, 10))
    assert (sparse.turn, sparse.turns_dense) == (1, True)
    assert sparse.block_rows == avx512.lanes


def test_memory_for_new_arrays_starts_on_a_cache_line() -> None:
    assert all(aligned(size).ctypes.data % 64 == 0 for size in range(1, 200, 7))


def test_zeros_are_searched_for_where_there_may_be_some() -> None:
    wide = [dense(1, 40, 40, name) for name in ("relu", "sigmoid", "identity")]
    plan, _ = planned(TARGETS["avx2"], *wide)
    assert [layer.searches for layer in plan.layers] == [True, True, False]
    plan, _ = planned(TARGETS["avx2"], dense(1, LINE - 1, 3))
    assert not plan.layers[0].searches
    infinite = Dense(np.full((40, 3), np.inf, np.float32))
    plan, _ = planned(TARGETS["avx2"], infinite)
    assert not plan.layers[0].searches  # 0 · ∞ is not 0


def test_the_plan_does_not_know_the_weights() -> None:
    """So networks of the same shapes share their machine code."""
    one, _ = planned(TARGETS["neon"], dense(1, 20, 30, "elu"), dense(2, 30, 4))
    other, _ = planned(TARGETS["neon"], dense(7, 20, 30, "elu"), dense(8, 30, 4))
    assert repr(one) == repr(other)
    third, _ = planned(TARGETS["neon"], dense(1, 20, 30, "selu"), dense(2, 30, 4))
    assert repr(one) != repr(third)


def test_descriptions(golden: Golden) -> None:
    """For people, for ``report()``: the digit network, and steps fused into the layers before them."""
    digits = Network([dense(1, 784, 50, "sigmoid"), dense(3, 50, 100, "relu"), dense(5, 100, 10, "softmax")])
    fused = Network([dense(1, 8, 65), Clip(-1, 2.5), Activate("leaky_relu"), dense(3, 65, 1)])
    texts = []
    for network in (digits, fused):
        for target in TARGETS.values():
            texts.append(make_plan(lower(network), target).describe())
    golden.check("plans.txt", "\n\n".join(texts) + "\n")


# --- the table of targets ---


def test_each_target_is_chosen_by_what_it_requires() -> None:
    for name, target in TARGETS.items():
        assert name == target.name
        assert choose_target(dict.fromkeys(target.requires, True)) is target
        assert not set(target.requires) & set(target.without)
        for missing in target.requires:
            lesser = choose_target({feature: feature != missing for feature in target.requires})
            assert lesser is not target
    assert choose_target({}) is list(TARGETS.values())[-1]  # the last one runs anywhere


def test_a_better_target_is_switched_off_for_a_lesser_one() -> None:
    """Every feature that a target on x86 requires is among those a lesser one is without."""
    x86 = [target for target in TARGETS.values() if target.name != "neon"]
    for position, better in enumerate(x86):
        for lesser in x86[position + 1 :]:
            assert set(better.requires) - set(lesser.requires) <= set(lesser.without)


@ALL
def test_a_tile_fits_into_the_registers(target: Target) -> None:
    registers = 32 if target.name in {"avx512", "neon"} else 16
    assert target.rows * target.vectors + target.vectors + 1 <= registers
    assert re.fullmatch(r"[a-z0-9]+", target.name)
    assert target.panel == target.lanes * target.vectors
