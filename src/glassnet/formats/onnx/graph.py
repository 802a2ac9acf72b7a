"""From an ONNX graph to a network: its nodes in order, each read by the function that knows its operator.

The first axis of the inputs is taken for the rows of a batch where it has no fixed size, or one that all inputs share.
Where an operator works across it and the size is fixed, the whole tensor is one row instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from glassnet.errors import GlassnetError, ParametersError, UnsafeFileError
from glassnet.formats.contents import MOST_ARRAYS, MOST_AXES, shown
from glassnet.formats.onnx import arranging, calculating, learning, messages, quantising
from glassnet.formats.onnx.messages import Graph, Model
from glassnet.formats.onnx.model import NARROW_TYPES, tensor
from glassnet.formats.onnx.node import Node, Reader, dtype_of
from glassnet.formats.onnx.tidy import needed, tidy
from glassnet.formats.onnx.values import ANY_ROWS, FLOAT64, AcrossRowsError, Builder, NotConstantError, Value, constant
from glassnet.network import Activate, Cast, Input, Label, Network

# Name of a set of operators → the operators of it that are read.
OPERATORS: Mapping[str, Mapping[str, Reader]] = {
    "": {**calculating.OPERATORS, **arranging.OPERATORS, **quantising.OPERATORS},
    "ai.onnx.ml": learning.OPERATORS,
    "com.microsoft": {"QGemm": quantising.OPERATORS["QGemm"], "Gelu": calculating.OPERATORS["Gelu"]},
}
_SAME = {"ai.onnx": ""}


def network_of(
    model: Model, folder: Path | None = None, fixed: Mapping[str, npt.ArrayLike] | None = None
) -> tuple[Network, tuple[str, ...]]:
    """Return the network that a graph is, and notes on what was folded or taken for granted.

    folder: where external data may lie. fixed: values for inputs that are to be constants.
    Raises ParametersError, naming node and operator, for what is not a dense feed-forward graph.
    """
    with np.errstate(all="ignore"):  # weights may be infinite, NaN, or a signalling NaN
        graph = _Graph(model, folder, fixed or {})
        rows = graph.rows()
        if rows is None:
            return graph.read(None)
        try:
            return graph.read(rows)
        except AcrossRowsError as error:
            if rows == ANY_ROWS:
                hint = "the first axis has no fixed size, so it is that of the rows"
                raise ParametersError(error.message, hint=hint) from None
            return graph.read(None)


class _Graph:
    def __init__(self, model: Model, folder: Path | None, fixed: Mapping[str, npt.ArrayLike]) -> None:
        self.graph, self.folder = model.graph or Graph(model.raw), folder
        self.versions = {_SAME.get(entry.domain, entry.domain): entry.version for entry in model.opset_import}
        if not self.versions and model.ir_version < 3:
            self.versions = {"": 1}
        if self.graph.sparse_initializer:
            raise ParametersError("it has sparse initializers, expected plain ones")
        self.constants = {name: constant(np.asarray(values)) for name, values in fixed.items()}
        if unknown := set(fixed) - {given.name for given in self.graph.input}:
            raise ParametersError(f"there is no input '{shown(min(unknown))}' to fix")
        if len(self.graph.initializer) > MOST_ARRAYS:
            raise ParametersError(f"{len(self.graph.initializer):,} initializers, expected at most {MOST_ARRAYS:,}")
        for proto in self.graph.initializer:
            if proto.name in self.constants and proto.name not in fixed:
                raise ParametersError(f"two initializers are called '{shown(proto.name)}'")
            self.constants.setdefault(proto.name, constant(tensor(proto, folder)))
        self._check_operators()
        used = {out.name for out in self.graph.output}
        for node in self.graph.node:
            used.update(node.input[:1] if node.op_type == "CastLike" else node.input)
        self.inputs = []
        for given in self.graph.input:
            if given.name in used and given.name not in self.constants:
                self.inputs.append(given)
            elif given.name not in self.constants and given.tensor_type is not None:
                # At most its type is asked for.
                dtype = dtype_of(given.elem_type, narrow=True)
                self.constants[given.name] = constant(np.zeros((), dtype))
        if not self.inputs:
            raise ParametersError("the graph has no input")
        self.narrow = {
            *(given.name for given in self.graph.input if given.elem_type in NARROW_TYPES),
            *(proto.name for proto in self.graph.initializer if proto.data_type in NARROW_TYPES),
        }
        self.shapes = {given.name: self._declared(given) for given in self.inputs}

    def _check_operators(self) -> None:
        """Raise ParametersError for an operator that nothing here reads: it says more than a shape not known."""
        inputs = {given.name for given in self.graph.input}
        for node in self._in_order({*inputs, *self.constants}):
            _reader(node)

    def _declared(self, given: messages.ValueInfo) -> tuple[int | None, ...]:
        """Return the declared shape of an input, None for a size that is not fixed."""
        name = shown(given.name)
        if given.tensor_type is None:
            raise ParametersError(f"input '{name}' is no tensor")
        if given.tensor_type.shape is None:
            raise ParametersError(f"input '{name}' has no declared shape")
        dims = [dim.dim_value for dim in given.tensor_type.shape.dim]
        if len(dims) > MOST_AXES:
            raise ParametersError(f"input '{name}' has {len(dims)} axes, expected at most {MOST_AXES}")
        sizes = [size if size and size > 0 else None for size in dims]
        if 0 in dims[1:] or dims == [0]:
            raise ParametersError(f"input '{name}' holds no values: a size of it is 0")
        for axis, size in enumerate(sizes[1:], start=1):
            if size is None:
                sizes[axis] = self._inferred(given.name) if axis == len(sizes) - 1 else None
            if sizes[axis] is None:
                raise ParametersError(
                    f"input '{name}': axis {axis} has no fixed size, expected one on all axes but the first"
                )
        return tuple(sizes)

    def _inferred(self, name: str) -> int | None:
        """Return how many features an input has by the weights that it meets, where its shape does not say."""
        names = {name}
        for node in self.graph.node:
            if not names.intersection(node.input):
                continue
            known = [self.constants[other].constant for other in node.input if other in self.constants]
            weights = next((array for array in known if array is not None and array.ndim == 2), None)
            if node.op_type in ("MatMul", "Gemm") and weights is not None and node.input[0] in names:
                transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
                return int(weights.shape[1 if transposed else 0])
            if node.op_type not in ("Cast", "Identity", "Sub", "Div", "Mul", "Add", "Scaler", "Dropout", "Clip"):
                return None
            names.update(node.output)
        return None

    def rows(self) -> int | None:
        """Return the size of the axis of the rows as the inputs declare it; None where they have none in common."""
        if any(not shape for shape in self.shapes.values()):
            return None
        first = {shape[0] for shape in self.shapes.values()}
        if first == {None}:
            return ANY_ROWS
        if None in first:
            lone = shown(next(name for name, shape in self.shapes.items() if shape[0] is not None))
            raise ParametersError(
                f"input '{lone}' has a fixed number of rows and others have not",
                hint=f"from_onnx(model, fixed={{'{lone}': …}}) makes it a constant",
            )
        (size,) = first if len(first) == 1 else (None,)
        return size if size and all(len(shape) > 1 for shape in self.shapes.values()) else None

    def read(self, rows: int | None) -> tuple[Network, tuple[str, ...]]:
        """Return the network, with the first axis of every input as the rows, or none of them."""
        stored = sum(value.constant.size for value in self.constants.values() if value.constant is not None)
        build = Builder(rows, stored)
        build.narrow.update(self.narrow)
        values: dict[str, Value] = dict(self.constants)
        inputs = []
        for given in self.inputs:
            shape = tuple(size or rows or 1 for size in self.shapes[given.name])
            dtype = dtype_of(given.elem_type, narrow=True)
            if dtype.kind == "O":
                raise ParametersError(f"input '{shown(given.name)}' holds texts, expected numbers")
            build.taken.add(given.name)
            value = Value(shape, dtype, name=given.name, rows=None if rows is None else 0)
            if given.name in values:
                raise ParametersError(f"two inputs are called '{shown(given.name)}'")
            values[given.name] = value
            inputs.append(Input(value.row_shape, name=given.name))
        for node in self._in_order(set(values)):
            self._read_node(node, values, build)
        return self._network(build, inputs, values)

    # --- nodes ---

    def _in_order(self, known: set[str]) -> Iterator[messages.Node]:
        """Give the nodes that the outputs need, each after those whose results it reads."""
        makers: dict[str, int] = {}
        for index, node in enumerate(self.graph.node):
            for name in node.output:
                if name in makers or (name and name in known):
                    raise ParametersError(f"{called(node)}: its output '{shown(name)}' is there twice")
                if name:
                    makers[name] = index
        state: dict[int, bool] = {}  # on the way: False, done: True
        stack = [makers[out.name] for out in reversed(self.graph.output) if out.name in makers]
        while stack:
            index = stack[-1]
            if state.get(index):
                stack.pop()
                continue
            node = self.graph.node[index]
            waiting = []
            for name in node.input:
                if name in known or not name:
                    continue
                if name not in makers:
                    raise ParametersError(
                        f"{called(node)}: reads '{shown(name)}', which nothing in the graph is called"
                    )
                if not state.get(makers[name]):
                    waiting.append(makers[name])
            if index in state and waiting:
                raise ParametersError(f"{called(node)}: reads what is made from its own result")
            state[index] = False
            if waiting:
                stack.extend(reversed(waiting))
                continue
            state[index] = True
            stack.pop()
            yield node

    def _read_node(self, proto: messages.Node, values: dict[str, Value], build: Builder) -> None:
        read, domain = _reader(proto)
        names = tuple(name for name in proto.output if name)
        build.prefix = names[0] if names else proto.op_type
        # Inner steps get the name of the node with a number; its last one should have the tensor's.
        node = Node(
            operator=proto.op_type,
            inputs=tuple(values[name] if name else None for name in proto.input),
            input_names=tuple(proto.input),
            attributes={attribute.name: attribute for attribute in proto.attribute},
            version=self.versions.get(domain, 1),
            outputs=max((i + 1 for i, name in enumerate(proto.output) if name), default=0),
            build=build,
            folder=self.folder,
        )
        try:
            result = read(node)
        except UnsafeFileError:
            raise
        except (AcrossRowsError, NotConstantError) as error:
            raise type(error)(f"{called(proto)}: {error.message}", hint=error.hint) from None
        except (
            GlassnetError,
            ValueError,
            TypeError,
            IndexError,
            KeyError,
            OverflowError,
            ZeroDivisionError,
            AttributeError,
        ) as error:
            reason = error.message if isinstance(error, GlassnetError) else str(error)
            raise ParametersError(f"{called(proto)}: {shown(reason, 300)}") from error
        results = result if isinstance(result, tuple) else (result,)
        for i, name in enumerate(proto.output):
            if not name:
                continue
            if i >= len(results):
                raise ParametersError(f"{called(proto)}: it has no output {i + 1}")
            values[name] = results[i]

    # --- the network ---

    def _network(
        self, build: Builder, inputs: list[Input], values: dict[str, Value]
    ) -> tuple[Network, tuple[str, ...]]:
        notes: list[str] = []
        outputs: list[str] = []
        labels: tuple[Label, ...] | None = None
        for proto in self.graph.output:
            if proto.name not in values:
                raise ParametersError(f"output '{shown(proto.name)}' is not made by any node")
            value = values[proto.name]
            if value.choices is not None:
                labels = tuple(value.choices.reshape(-1).tolist())
                notes.append(f"output '{shown(proto.name)}' became the labels: predict gives them")
            else:
                outputs.append(self._output(build, value, proto.name, inputs))
        if not outputs:
            raise ParametersError("it answers labels alone, and no numbers to decide by")
        network = tidy(Network(needed(build.steps, outputs), inputs=inputs, outputs=outputs))
        if labels is not None:
            try:
                network = network.replace(labels=labels)
            except GlassnetError as error:
                notes.append(f"labels were left out: {shown(error.message)}")
        if build.rows is None:
            notes.append("the whole tensor is one row: it has no axis of rows, or the graph works across it")
        return network, tuple(notes)

    def _output(self, build: Builder, value: Value, name: str, inputs: list[Input]) -> str:
        """Return the name of the value that an output is, with what it takes to answer in its type."""
        first = Value(inputs[0].shape, np.dtype(np.float32), name=inputs[0].name)
        build.prefix = name
        if value.constant is not None:
            if value.by_rows:
                raise AcrossRowsError(f"output '{shown(name)}' is the number of rows")
            array = value.constant
            if build.rows is not None:
                raise AcrossRowsError(f"output '{shown(name)}' is a constant")
            if not array.size:
                raise ParametersError(f"output '{shown(name)}' is a constant without values")
            value = replace(build.lifted(value, (first,)), dtype=array.dtype)
        elif value.rows not in (None, 0):
            if build.rows != ANY_ROWS:
                raise AcrossRowsError(f"output '{shown(name)}' has its rows on another axis")
            value = build.transpose(value, [value.rows or 0, *(i for i in range(value.ndim) if i != value.rows)])
        made = {step.name: step for step in build.steps}
        step = made.get(value.name)
        if step is None:  # an input given back
            value = build.emit(Activate("identity"), value, dtype=value.dtype, rows=value.rows)
            step = build.steps[-1]
        wanted = value.dtype
        wide = any(array.dtype == FLOAT64 for made in build.steps for array in made.arrays.values())
        double = wanted == FLOAT64 and build.computes_in_double and not wide
        if (wanted.kind in "biu" or wanted == np.float16 or double) and (
            step.answers is None or step.answers != wanted
        ):
            value = build.emit(Cast(wanted.name), value, dtype=wanted, rows=value.rows)
        return value.name


def _reader(node: messages.Node) -> tuple[Reader, str]:
    """Return what reads an operator, and its set of operators; raise ParametersError where nothing does."""
    domain = _SAME.get(node.domain, node.domain)
    table = OPERATORS.get(domain, {})
    if node.op_type not in table:
        where = f" of {shown(domain)}" if domain else ""
        raise ParametersError(
            f"{called(node)} is a {shown(node.op_type)}{where}; glassnet reads dense feed-forward graphs",
            hint=_WHY.get(node.op_type, ""),
        )
    return table[node.op_type], domain


def called(node: messages.Node) -> str:
    """Return what errors call a node."""
    name = node.name or (f"{node.op_type} of '{node.output[0]}'" if node.output else node.op_type)
    return f"node '{shown(name)}'" if node.name else f"the {shown(name)}"


_WHY = dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool"), "convolutions are not dense layers")
_WHY |= dict.fromkeys(("LSTM", "GRU", "RNN"), "it keeps a state from one call to the next")
_WHY |= dict.fromkeys(("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"), "trees are not dense layers")
_WHY |= dict.fromkeys(("If", "Loop", "Scan"), "it depends on values which way the graph goes")
