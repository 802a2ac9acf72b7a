"""The network: steps in order, what it expects, what it answers.

The forward pass written here in NumPy is the definition of correct; whatever runs faster is checked against it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glassnet.errors import GraphError, ShapeError
from glassnet.network.algebra import collapse
from glassnet.network.labels import Label, label_array
from glassnet.network.steps import Array, Dense, Shape, Step, real_array
from glassnet.network.summary import summary
from glassnet.network.trace import Trace, trace

if TYPE_CHECKING:
    from glassnet.compiler import CompiledNetwork

# A chunk's widest value takes about this much: small enough to stay in a core's cache between two steps.
CHUNK_BYTES = 1 << 21


@dataclass(frozen=True)
class Input:
    """One value a network is given, and how raw numbers become it.

    shape: of one row. An integer array holds raw numbers, pixels for instance, and becomes ``x · scale +
    shift``; a floating array is taken as it is. So pixels from 0 to 255 in a floating array, such as
    ``pixels.astype(float)``, are 255 times too large for a network that scales them, and its answers wrong: nothing
    in the numbers tells them from ready ones. Leave pixels as they are, or divide them yourself.

    >>> pixel = Input((1,), scale=1 / 255)
    >>> for x in (np.array([[51]]), np.array([[0.2]]), np.array([[51.0]])):
    ...     print(pixel.numbers(x, np.dtype(np.float64)).item())
    0.2
    0.2
    51.0
    """

    shape: Shape
    name: str = "x"
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        if any(size < 1 for size in self.shape):
            raise ShapeError(f"input {self.name!r}: every size must be 1 or more, found shape {self.shape}")
        if not (math.isfinite(self.scale) and math.isfinite(self.shift)):
            raise GraphError(f"input {self.name!r}: scale and shift must be finite")

    def batch(self, x: npt.ArrayLike) -> tuple[Array, bool]:
        """Return ``x`` as rows of this shape, and whether it was one row without a batch axis.

        Rows of another shape with as many values, such as 28 × 28 for 784, are flattened.
        """
        array = real_array(x, f"input {self.name!r}")
        size = math.prod(self.shape)
        if array.shape == self.shape:
            return array[np.newaxis], True
        if array.shape[1:] == self.shape:
            return array, False
        if array.ndim > 1 and math.prod(array.shape[1:]) == size:
            return array.reshape(len(array), *self.shape), False
        if array.ndim > 1 and array.size == size:
            return array.reshape(1, *self.shape), True
        raise ShapeError(
            f"input {self.name!r}: expected a row of shape {self.shape} or a batch (rows, "
            f"{', '.join(map(str, self.shape))}), found shape {array.shape}",
            hint="give a batch of single numbers a second axis: x[:, np.newaxis]" if size == 1 else "",
        )

    def numbers(self, rows: Array, dtype: np.dtype[Any]) -> Array:
        """Return raw or ready ``rows`` as what the first step reads."""
        if rows.dtype.kind in "iu" and (self.scale, self.shift) != (1.0, 0.0):
            return np.multiply(rows, self.scale, dtype=dtype) + dtype.type(self.shift)
        return rows.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False, init=False)
class Network:
    """A feed-forward network: a tuple of steps, the inputs they read, the values they answer with.

    steps: in order; each reads the value before it unless it names sources. Steps without a name get one.
    inputs: one ``Input`` or several; left out, one row of as many values as the first Dense reads.
    outputs: names of the values to return; left out, the last step's.
    labels: the classes of a classifier, one for each value of its only output (or two, for a single
    probability); None for values.

    ``network(x)`` takes one row or a batch and returns the same; the forms of ``x`` are those of ``Input.batch``.
    """

    steps: tuple[Step, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    labels: tuple[Label, ...] | None

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        inputs: Input | Sequence[Input] | None = None,
        outputs: str | Sequence[str] | None = None,
        labels: Sequence[Label] | None = None,
    ) -> None:
        named = _named(steps)
        if inputs is None:
            inputs = _guessed_input(named)
        if outputs is None:
            outputs = named[-1].name
        for field, value in (
            ("steps", named),
            ("inputs", (inputs,) if isinstance(inputs, Input) else tuple(inputs)),
            ("outputs", (outputs,) if isinstance(outputs, str) else tuple(outputs)),
            ("labels", None if labels is None else tuple(labels)),
        ):
            object.__setattr__(self, field, value)
        self._check()

    # --- what is known before any number arrives ---

    @cached_property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """For each step, the names of the values it reads."""
        before = [self.inputs[0].name, *(step.name for step in self.steps)]
        return tuple(step.sources or (before[i],) for i, step in enumerate(self.steps))

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The row shape of every value, by name: the inputs first, then the steps in order."""
        shapes: dict[str, Shape] = {}
        for given in self.inputs:
            if given.name in shapes:
                raise GraphError(f"two inputs are called {given.name!r}")
            shapes[given.name] = given.shape
        for step, sources in zip(self.steps, self.sources, strict=True):
            if step.name in shapes:
                raise GraphError(f"the name {step.name!r} is used twice")
            for source in sources:
                if source not in shapes:
                    raise GraphError(
                        f"{step.name}: reads {source!r}, which no input or earlier step is called",
                        hint=f"known here: {', '.join(shapes)}",
                    )
            shapes[step.name] = step.output_shape(*(shapes[source] for source in sources))
        return shapes

    def _check(self) -> None:
        if not self.inputs or not self.outputs:
            raise GraphError(
                f"a network needs an input and an output, found {len(self.inputs)} and {len(self.outputs)}"
            )
        for name in self.outputs:
            if name not in self.shapes:
                raise GraphError(f"output {name!r} is not the name of a value", hint=f"known: {', '.join(self.shapes)}")
        if self.labels is None:
            return
        for label in self.labels:
            if not isinstance(label, str | int | np.integer):
                raise GraphError(f"label {label!r} is neither an integer nor a text")
        if len(set(self.labels)) != len(self.labels):
            raise GraphError(f"a label is given twice: {list(self.labels)}")
        shape = self.shapes[self.outputs[0]]
        fits = shape == (len(self.labels),) or (shape == (1,) and len(self.labels) == 2)
        if len(self.outputs) != 1 or not fits:
            raise ShapeError(
                f"{len(self.labels)} labels need one output of {len(self.labels)} values, found "
                f"{len(self.outputs)} output(s), the first of row shape {shape}"
            )

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """What it computes in: float64 as soon as one parameter or a Cast is float64, else float32."""
        kinds = [array.dtype for step in self.steps for array in step.arrays.values()]
        asked = [step.answers for step in self.steps if step.answers is not None and step.answers.kind == "f"]
        return np.result_type(np.float32, *kinds, *asked)

    @cached_property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The kind of number each value is answered in where it is an output, by name."""
        return {given.name: self.dtype for given in self.inputs} | {
            step.name: self.dtype if step.answers is None else step.answers for step in self.steps
        }

    @cached_property
    def layers(self) -> tuple[Dense, ...]:
        """The dense steps, in order: layer 1, layer 2, … of the chapter."""
        return tuple(step for step in self.steps if isinstance(step, Dense))

    @property
    def parameter_count(self) -> int:
        """How many numbers were, or could be, learned."""
        return sum(array.size for step in self.steps for array in step.arrays.values())

    # --- forward ---

    def __call__(self, *x: npt.ArrayLike) -> Any:
        """Return the output for one row or a batch; with several outputs, a tuple of them.

        Raises ShapeError or DtypeError, naming the input, where ``x`` does not fit.
        """
        batches, single = self.batches(x)
        rows = len(batches[0])
        results = [np.empty((rows, *self.shapes[name]), self.dtypes[name]) for name in self.outputs]
        for chunk in self.chunks(rows):
            values = self.forward([batch[chunk] for batch in batches])
            for name, result in zip(self.outputs, results, strict=True):
                result[chunk] = values[name]
        answers = tuple(result[0] if single else result for result in results)
        return answers[0] if len(answers) == 1 else answers

    def forward(self, batches: Sequence[Array]) -> dict[str, Array]:
        """Return every value, by name, for batches already in the shapes of the inputs."""
        values = {
            given.name: given.numbers(batch, self.dtype) for given, batch in zip(self.inputs, batches, strict=True)
        }
        for step, sources in zip(self.steps, self.sources, strict=True):
            result = step.apply(*(values[source] for source in sources))
            values[step.name] = result.astype(self.dtype, copy=False)
        return values

    def batches(self, x: Sequence[npt.ArrayLike]) -> tuple[list[Array], bool]:
        """Return one batch for each input, and whether they were single rows."""
        if len(x) != len(self.inputs):
            names = ", ".join(given.name for given in self.inputs)
            raise ShapeError(f"the network reads {len(self.inputs)} input(s) ({names}), found {len(x)}")
        batches, single = zip(*(given.batch(value) for given, value in zip(self.inputs, x, strict=True)), strict=True)
        if len({len(batch) for batch in batches}) > 1:
            raise ShapeError(f"the inputs have different numbers of rows: {[len(batch) for batch in batches]}")
        return list(batches), all(single)

    def chunks(self, rows: int) -> Iterator[slice]:
        """Return the parts in which a batch goes through, so that the memory it takes stays bounded."""
        widest = max(math.prod(shape) for shape in self.shapes.values())
        size = max(16, CHUNK_BYTES // (widest * self.dtype.itemsize))
        return (slice(start, start + size) for start in range(0, rows, size))

    def predict(self, *x: npt.ArrayLike) -> Any:
        """Return a label for each row of a classifier, the values themselves of a regressor.

        Raw pixels are given as integers; 0 to 255 in a floating array is read as it is, and wrongly (see ``Input``).
        """
        answer = self(*x)
        return answer if self.labels is None else self.decide(answer)

    def decide(self, output: Array) -> Array:
        """Return the label of the largest value of each row (of a single probability: above one half)."""
        if self.labels is None:
            raise GraphError("this network answers values; it has no labels to decide between")
        chosen = output.argmax(axis=-1) if output.shape[-1] > 1 else (output[..., 0] > 0.5).astype(np.intp)
        return label_array(self.labels)[chosen]

    # --- looking inside, and rewriting ---

    def trace(self, *x: npt.ArrayLike) -> Trace:
        """Return every value on the way from ``x`` to the answer; see ``Trace``. For one row or a batch.

        Everything is kept, so a batch should be one to look at, not a data set.
        """
        return trace(self, x)

    def compile(self, *, threads: int = 1, target: str | None = None, cache: bool = True) -> CompiledNetwork:
        """Return this network as machine code: the same calls, the same numbers within rounding, fast.

        threads: how many may share a large batch. target: a lesser kind of processor than this one, by its name in
        ``glassnet.compiler.targets``. cache: whether object files are kept in the user's cache folder.
        """
        from glassnet.compiler import CompiledNetwork  # noqa: PLC0415  # a room above this one, entered when used

        return CompiledNetwork(self, threads=threads, target=target, cache=cache)

    def collapse(self) -> Network:
        """Return the same function with neighbouring linear layers multiplied into one."""
        return collapse(self)

    def summary(self) -> str:
        """Return a table of the steps with shapes, activations and parameter counts."""
        return summary(self)

    def replace(self, **changes: Any) -> Network:
        """Return this network with some of ``steps``, ``inputs``, ``outputs``, ``labels`` changed."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        layers = "-".join(str(size) for size in (*self.inputs[0].shape, *(layer.outputs for layer in self.layers)))
        return f"<Network {layers}, {len(self.steps)} steps, {self.parameter_count:,} parameters>"


def _named(steps: Sequence[Step]) -> tuple[Step, ...]:
    if isinstance(steps, Step):
        raise GraphError(f"expected a list of steps, found one {type(steps).__name__}", hint="Network([Dense(W, b)])")
    if not steps:
        raise GraphError("a network needs at least one step")
    for position, step in enumerate(steps):
        if not isinstance(step, Step):
            raise GraphError(
                f"step {position + 1} is not a step: {type(step).__name__}", hint="a layer is Dense(W, b, 'relu')"
            )
    taken = {step.name for step in steps}
    counts: dict[str, int] = {}
    named = []
    for step in steps:
        counts[step.KIND] = counts.get(step.KIND, 0) + 1
        name = step.name or f"{step.KIND}{counts[step.KIND]}"
        if not step.name and name in taken:
            raise GraphError(f"the name {name!r} is wanted for an unnamed step; give that step a name")
        named.append(step if step.name else dataclasses.replace(step, name=name))
    return tuple(named)


def _guessed_input(steps: tuple[Step, ...]) -> Input:
    first = steps[0]
    if not isinstance(first, Dense) or first.sources not in ((), ("x",)):
        raise GraphError("inputs must be given when the first step is not a dense layer that reads 'x'")
    return Input((first.inputs,))
