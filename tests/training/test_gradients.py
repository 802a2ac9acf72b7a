"""Slopes against central differences in float64: every activation, every loss, every kind of step."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet import ACTIVATIONS, Dense, Input, Network
from glassnet.activations import Activation, Array, activation
from glassnet.errors import OptionError
from glassnet.network import (
    BINARY,
    FUNCTIONS,
    REDUCTIONS,
    STEPS,
    Activate,
    Add,
    ArgMax,
    Binary,
    Cast,
    Clip,
    Concatenate,
    Constant,
    Map,
    MatMul,
    Multiply,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Step,
    Take,
    Transpose,
)
from glassnet.training import (
    ARRAY_GRADIENTS,
    BACKWARD,
    LOSSES,
    CrossEntropy,
    Loss,
    MeanSquaredError,
    Objective,
    Rows,
    Sgd,
    initialise,
    train,
)
from glassnet.training.backward import differentiable, through, unfold

CLASSIFYING = ("softmax", "log_softmax")


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def dense(inputs: int, outputs: int, h: str | Activation = "identity", seed: int = 0, **named: object) -> Dense:
    generator = np.random.default_rng(seed)
    return Dense(generator.standard_normal((inputs, outputs)), generator.standard_normal(outputs), h, **named)  # type: ignore[arg-type]


def central_differences(objective: Objective, rows: Rows, width: float = 1e-6) -> Array:
    """Return (loss(p + width) - loss(p - width)) / (2 width) for each parameter p, forward passes only."""
    slopes = np.empty_like(objective.parameters)
    for i, value in enumerate(objective.parameters.copy()):
        losses = []
        for moved in (value + width, value - width):
            objective.parameters[i] = moved
            losses.append(objective.evaluate(rows).loss)
        objective.parameters[i] = value
        slopes[i] = (losses[0] - losses[1]) / (2 * width)
    return slopes


def assert_slopes_hold(network: Network, x: Array | tuple[Array, ...], t: Array, loss: Loss) -> None:
    objective = Objective(network, loss)
    rows = Rows.of(network, x, t)
    score = objective.differentiate(rows.x, rows.t)
    assert score == pytest.approx(objective.evaluate(rows))
    expected = central_differences(objective, rows)
    assert np.abs(expected).max() > 1e-3, "a check that could not fail"
    np.testing.assert_allclose(objective.gradient, expected, rtol=1e-6, atol=1e-8)


# --- activations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("h", [h for h in ACTIVATIONS if h != "step"])
def test_slopes_through_every_hidden_activation(h: str) -> None:
    network = Network([dense(3, 4, h, 1), dense(4, 2, "identity", 2)])
    assert_slopes_hold(network, random(5, 3), random(5, 2, seed=3), MeanSquaredError())


@pytest.mark.parametrize("h", [h for h in ACTIVATIONS if h != "step"])
def test_mean_squared_error_through_every_output_activation(h: str) -> None:
    network = Network([dense(3, 4, "tanh", 1), dense(4, 2, h, 2)])
    assert_slopes_hold(network, random(5, 3), random(5, 2, seed=3), MeanSquaredError())


@pytest.mark.parametrize(
    ("h", "changed"),
    [("leaky_relu", {"slope": 0.3}), ("elu", {"alpha": 0.5}), ("hard_sigmoid", {"slope": 0.2, "offset": 0.4})],
)
def test_slopes_with_changed_parameters_of_an_activation(h: str, changed: dict[str, float]) -> None:
    network = Network([dense(3, 4, activation(h, **changed), 1), dense(4, 2, "identity", 2)])
    assert_slopes_hold(network, random(5, 3), random(5, 2, seed=3), MeanSquaredError())


def test_the_slope_through_the_step_function_is_0_as_central_differences_say() -> None:
    a = np.array([[-2.0, 3.0]])
    step = ACTIVATIONS["step"]
    differences = (step(a + 1e-6) - step(a - 1e-6)) / 2e-6
    np.testing.assert_array_equal(through(step, a, step(a), np.ones((1, 2))), differences)


# --- losses -------------------------------------------------------------------------------------------------


def test_every_loss_is_checked_here() -> None:
    assert set(LOSSES.values()) == {CrossEntropy, MeanSquaredError}


@pytest.mark.parametrize("h", CLASSIFYING)
def test_cross_entropy_of_classes(h: str) -> None:
    network = Network([dense(3, 4, "tanh", 1), dense(4, 3, h, 2)], labels=("a", "b", "c"))
    assert_slopes_hold(network, random(5, 3), np.array(["a", "c", "c", "b", "a"]), CrossEntropy())


@pytest.mark.parametrize("h", CLASSIFYING)
def test_cross_entropy_of_probabilities(h: str) -> None:
    network = Network([dense(3, 4, "tanh", 1), dense(4, 3, h, 2)])
    t = np.random.default_rng(3).dirichlet(np.ones(3), size=5)
    assert_slopes_hold(network, random(5, 3), t, CrossEntropy())


def test_binary_cross_entropy_of_one_sigmoid() -> None:
    network = Network([dense(3, 4, "tanh", 1), dense(4, 1, "sigmoid", 2)], labels=("no", "yes"))
    assert_slopes_hold(network, random(4, 3), np.array(["no", "yes", "yes", "no"]), CrossEntropy())


# --- kinds of steps -----------------------------------------------------------------------------------------

X = Input((3,), name="x")
U = Input((3,), name="u")

# Kind of step → networks in which the slope must pass through it.
NETWORKS: dict[str, list[Network]] = {
    "dense": [
        Network([dense(3, 4, seed=1), dense(4, 2, seed=2)]),
        Network([dense(3, 4, "tanh", 1), dense(4, 2, seed=2)], inputs=Input((5, 3))),  # rows of several rows
    ],
    "activate": [
        Network([dense(3, 4, seed=1), Activate("tanh"), dense(4, 2, seed=2)]),
        Network([dense(3, 4, seed=1), Activate("softmax"), dense(4, 2, seed=2), Activate("sigmoid")]),
    ],
    "scale_shift": [
        Network([dense(3, 4, seed=1), ScaleShift(random(4), random(4, seed=5)), dense(4, 2, seed=2)]),
        Network([dense(3, 4, seed=1), ScaleShift(1.5, -0.5), dense(4, 2, seed=2)]),
        Network([dense(3, 1, seed=1), ScaleShift(random(4), 0.5), dense(4, 2, seed=2)]),  # one value becomes four
        Network([ScaleShift(random(2, 1), random(3)), dense(3, 2, seed=2)], inputs=X),  # a row becomes two
    ],
    "clip": [Network([dense(3, 4, seed=1), Clip(-1.0, 0.7), dense(4, 2, seed=2)])],
    "reshape": [
        Network([dense(3, 4, seed=1), Reshape((2, 2)), dense(2, 3, "tanh", 2), Reshape((6,)), dense(6, 2, seed=3)])
    ],
    "slice": [Network([dense(3, 6, seed=1), Slice(1, 4), dense(3, 2, seed=2)])],
    "concatenate": [
        Network(
            [
                dense(3, 4, "tanh", 1, name="left", sources=("x",)),
                dense(3, 2, "sigmoid", 2, name="right", sources=("u",)),
                Concatenate(sources=("left", "x", "right")),
                dense(9, 2, seed=3),
            ],
            inputs=(X, U),
        )
    ],
    "add": [
        Network(  # a residual connection: one value read twice
            [dense(3, 4, "tanh", 1, name="z"), dense(4, 4, "tanh", 2, name="f"), Add(sources=("z", "f", "z"))]
        ),
        Network(
            [
                dense(3, 1, "tanh", 1, name="one"),
                dense(3, 4, "tanh", 2, name="four", sources=("x",)),
                Add(sources=("one", "four")),
            ]
        ),
    ],
    "multiply": [
        Network(  # a gate
            [
                dense(3, 4, "sigmoid", 1, name="gate"),
                dense(3, 4, "tanh", 2, name="z", sources=("x",)),
                Multiply(sources=("gate", "z", "gate")),
            ]
        ),
        Network(
            [
                dense(3, 1, "tanh", 1, name="one"),
                dense(3, 4, "tanh", 2, name="four", sources=("x",)),
                Multiply(sources=("one", "four")),
            ]
        ),
    ],
    "prelu": [
        Network([dense(3, 4, seed=1), PRelu(random(4)), dense(4, 2, seed=2)]),
        Network([dense(3, 4, seed=1), PRelu(0.3), dense(4, 2, seed=2)]),
        Network([dense(3, 1, seed=1), PRelu(random(4)), dense(4, 2, seed=2)]),  # one value becomes four
    ],
    "normalise": [
        Network([dense(3, 4, seed=1), Normalise(random(4), random(4, seed=5)), dense(4, 2, seed=2)]),
        Network([dense(3, 4, seed=1), Normalise(random(3, 4), None, 0.1)], inputs=Input((3, 3))),
    ],
    "map": [
        Network([dense(3, 4, "softplus", 1), Map(name), dense(4, 2, seed=2)])
        for name, entry in FUNCTIONS.items()
        if entry.slope
    ],
    "binary": [
        Network(
            [
                dense(3, 4, "softplus", 1, name="a"),
                dense(3, size, "softplus", 2, name="b", sources=("x",)),
                Binary(name, sources=("a", "b")),
            ]
        )
        for name, entry in BINARY.items()
        if entry.slopes
        for size in (1, 4)
    ],
    "select": [
        Network(
            [
                dense(3, 4, "tanh", 1, name="a"),
                dense(3, 1, "tanh", 2, name="b", sources=("x",)),
                Clip(0.0, 1.0, name="c", sources=("x",)),
                Take((0, 1, 2, 0), name="d"),
                Select(sources=("d", "a", "b")),
            ]
        )
    ],
    "matmul": [
        Network(
            [
                dense(3, 8, seed=1),
                Reshape((2, 2, 2), name="a"),
                dense(3, 6, seed=2, sources=("x",)),
                Reshape((2, 3), name="b"),
                MatMul(sources=("a", "b")),
            ]
        )
    ],
    "constant": [
        Network(
            [dense(3, 4, "tanh", 1, name="z"), Constant(random(4), name="c"), Multiply(sources=("z", "c"))],
        )
    ],
    "transpose": [
        Network([dense(3, 24, seed=1), Reshape((2, 3, 4)), Transpose((2, 0, 1)), dense(3, 2, "tanh", seed=2)]),
    ],
    "take": [
        Network([dense(3, 6, seed=1), Take((5, 0, 0)), dense(3, 2, seed=2)]),
        Network([dense(3, 6, seed=1), Reshape((3, 2)), Take((2, 0), axis=0), dense(2, 2, seed=2)]),
    ],
    "reduce": [
        Network([dense(3, 6, seed=1), Reshape((3, 2)), Reduce(name, axes), Activate("tanh")])
        for name in REDUCTIONS
        for axes in ((-1,), (0,), (0, 1))
    ],
}
# Their answers are whole numbers, or may be.
WITHOUT_SLOPE = {"argmax", "cast"}


def test_every_kind_of_step_has_a_way_back_and_is_checked_here() -> None:
    assert set(BACKWARD) == set(STEPS) - WITHOUT_SLOPE
    assert set(NETWORKS) == set(BACKWARD)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Cast("int8"), "cast1: a step of kind cast cannot be trained, because its slope is 0 everywhere"),
        (ArgMax(), "argmax1: a step of kind argmax cannot be trained, because its slope is 0 everywhere"),
        (Map("round"), "map1: the function round cannot be trained, because its slope is 0 everywhere"),
        (
            Binary("less", sources=("dense1", "dense1")),
            "binary1: the function less cannot be trained, because its slope is 0 everywhere",
        ),
    ],
)
def test_what_has_no_slope_is_refused(step: Step, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Objective(Network([dense(3, 4), step]), MeanSquaredError())
    assert str(caught.value) == message
    before = Network([Reshape((3,)), Map("floor"), dense(3, 2)], inputs=X)  # no parameter moves it
    assert_slopes_hold(before, 3 * random(5, 3), random(5, 2), MeanSquaredError())


def test_every_kind_of_step_with_arrays_can_learn() -> None:
    examples: list[Step] = [dense(2, 2), ScaleShift(2.0, 1.0), Activate("tanh"), Clip(0, 1), Reshape((2,)), Slice(0, 1)]
    examples += [PRelu(), Normalise([1.0]), Map("abs"), Constant([1.0]), Transpose((0,)), Take((0,)), Reduce("sum")]
    examples += [kind(sources=("a", "b")) for kind in (Concatenate, Add, Multiply, MatMul)]
    examples += [Select(sources=("a", "b", "c"))]
    examples += [Binary("divide", sources=("a", "b")), ArgMax(), Cast("int8")]
    assert {example.KIND for example in examples} == set(STEPS)
    assert {example.KIND for example in examples if example.arrays} == set(ARRAY_GRADIENTS)


@pytest.mark.parametrize("network", [pytest.param(n, id=kind) for kind, several in NETWORKS.items() for n in several])
@pytest.mark.parametrize("rows", [1, 5])
def test_slopes_through_every_kind_of_step(network: Network, rows: int) -> None:
    x = tuple(random(rows, *given.shape, seed=7 + i) for i, given in enumerate(network.inputs))
    t = random(rows, *network.shapes[network.outputs[0]], seed=9)
    assert_slopes_hold(network, x, t, MeanSquaredError())


def test_the_check_itself_finds_a_wrong_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**BACKWARD, "slice": lambda step, inputs, output, slope: (np.ones_like(inputs[0]),)}
    monkeypatch.setattr("glassnet.training.objective.BACKWARD", wrong)
    with pytest.raises(AssertionError):
        test_slopes_through_every_kind_of_step(NETWORKS["slice"][0], 5)


# --- a network worked by hand -------------------------------------------------------------------------------


def test_a_network_worked_by_hand() -> None:
    """2-2-1, sigmoid then identity, one row x = [1, 2], t = 1, loss (y - t)².

    Layer 1   W = [[0.1, 0.3], [0.2, -0.4]], b = [0.0, 0.1]
              a = [1·0.1 + 2·0.2 + 0, 1·0.3 - 2·0.4 + 0.1] = [0.5, -0.4]
              z = sigmoid(a) = [0.62246, 0.40131]
    Layer 2   W = [[0.5], [-1.0]], b = [0.2]
              y = 0.62246·0.5 - 0.40131·1.0 + 0.2 = 0.10992
    Loss      (0.10992 - 1)² = 0.79225
    Back      ∂loss/∂y  = 2 · (0.10992 - 1) = -1.78017
              ∂loss/∂W2 = z · -1.78017 = [-1.10808, -0.71440], ∂loss/∂b2 = -1.78017
              ∂loss/∂z  = -1.78017 · [0.5, -1.0] = [-0.89008, 1.78017]
              z·(1 - z) = [0.23500, 0.24026]
              ∂loss/∂a  = [-0.20917, 0.42770], ∂loss/∂b1 the same
              ∂loss/∂W1 = x · ∂loss/∂a = [[-0.20917, 0.42770], [-0.41834, 0.85541]]
    """
    network = Network([Dense([[0.1, 0.3], [0.2, -0.4]], [0.0, 0.1], "sigmoid"), Dense([[0.5], [-1.0]], [0.2])])
    objective = Objective(network, MeanSquaredError())
    rows = Rows.of(network, [[1.0, 2.0]], [1.0])

    loss, hits = objective.differentiate(rows.x, rows.t)

    assert loss == pytest.approx(0.79225, abs=1e-5)
    assert hits is None
    expected = [-0.20917, 0.42770, -0.41834, 0.85541, -0.20917, 0.42770, -1.10808, -0.71440, -1.78017]
    np.testing.assert_allclose(objective.gradient, expected, atol=1e-5)


def test_scikit_learn_learns_the_same_weights() -> None:
    """Whole batches down the slope: five updates of theirs and five of ours, from the same weights."""
    from sklearn.neural_network import MLPClassifier

    x, t = random(20, 4), np.arange(20) % 3
    theirs = MLPClassifier(
        (5,),
        activation="tanh",
        solver="sgd",
        alpha=0,
        momentum=0,
        learning_rate_init=0.1,
        batch_size=20,
        random_state=0,
    )
    theirs.partial_fit(x, t, classes=range(3))
    (w1, w2), (b1, b2) = theirs.coefs_, theirs.intercepts_
    network = Network([Dense(w1, b1, "tanh"), Dense(w2, b2, "softmax")], labels=range(3))
    for _ in range(5):
        theirs.partial_fit(x, t)

    ours = train(network, x, t, loss=CrossEntropy(), optimizer=Sgd(0.1), epochs=5, batch_size=20)

    assert ours.history[-1].loss == pytest.approx(theirs.loss_)
    for layer, weights, bias in zip(ours.network.layers, theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(layer.weights, weights, rtol=1e-10)
        np.testing.assert_allclose(layer.bias, bias, rtol=1e-10)


def test_torch_finds_the_same_slopes() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    network = initialise((6, 5, 4, 3), seed=1)
    x, t = random(7, 6).astype(np.float32), np.arange(7) % 3
    objective = Objective(network, CrossEntropy())
    rows = Rows.of(network, x, t)
    loss, _ = objective.differentiate(rows.x, rows.t)

    theirs = [torch.tensor(array, requires_grad=True) for step in network.steps for array in step.arrays.values()]
    z = torch.tensor(x)
    for i in range(0, 6, 2):
        z = z @ theirs[i] + theirs[i + 1]
        z = torch.relu(z) if i < 4 else z
    expected = torch.nn.functional.cross_entropy(z, torch.tensor(t))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    slopes = np.concatenate([parameter.grad.numpy().ravel() for parameter in theirs])
    np.testing.assert_allclose(objective.gradient, slopes, rtol=1e-5, atol=1e-7)


# --- how it is done -----------------------------------------------------------------------------------------


def test_unfolding_changes_nothing_and_shows_the_sums() -> None:
    network = initialise((3, 4, 2), hidden="tanh", seed=0)
    x = random(5, 3)
    unfolded = unfold(network)
    np.testing.assert_array_equal(unfolded(x), network(x))
    assert [step.name for step in unfolded.steps] == ["dense1.a", "dense1", "dense2.a", "dense2"]
    np.testing.assert_array_equal(unfolded.forward([x])["dense1.a"], network.trace(x)["a1"])


def test_no_slope_is_wanted_at_what_no_parameter_moves() -> None:
    network = Network(
        [Clip(0, 1, name="clipped"), dense(3, 2, name="layer"), Add(sources=("layer", "layer"), name="y")], inputs=X
    )
    assert differentiable(network) == {"layer", "y"}


def test_evaluating_reads_the_vector_of_parameters_itself() -> None:
    network = initialise((2, 2), output="identity", seed=0)
    objective = Objective(network, MeanSquaredError())
    rows = Rows.of(network, [[1.0, 1.0]], [[0.0, 0.0]])
    objective.parameters[:] = 0
    assert objective.evaluate(rows).loss == 0
    assert np.any(network.layers[0].weights), "the network given is never changed"
