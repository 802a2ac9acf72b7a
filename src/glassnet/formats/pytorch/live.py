"""A network from a live PyTorch module, without a file between the two.

``torch.fx`` follows the module's ``forward`` once, with a stand-in for the input, and writes down which modules and
functions it calls; each of them is looked up in the table that exported programs use. A module that ``torch.fx``
cannot follow, or one that is in no table, is refused by name. https://docs.pytorch.org/docs/stable/fx.html
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import MissingLibraryError, OptionError, ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.pytorch.graph import Graph, Value, computed_in
from glassnet.formats.pytorch.operations import OPERATIONS
from glassnet.network import Input, Network
from glassnet.network.steps import Array, frozen_parameters

if TYPE_CHECKING:
    import torch

# Stands for "not in training" among a module's attributes.
_EVAL = "not training"
_NORM = ("weight", "bias", "running_mean", "running_var", _EVAL, "momentum", "eps")
# Class → its operation, and its attributes in the order of that operation's arguments.
_MODULES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Linear": ("linear", ("weight", "bias")),
    "BatchNorm1d": ("batch_norm", _NORM),
    "LayerNorm": ("layer_norm", ("normalized_shape", "weight", "bias", "eps")),
    "PReLU": ("prelu", ("weight",)),
    "Flatten": ("flatten", ("start_dim", "end_dim")),
    "LeakyReLU": ("leaky_relu", ("negative_slope",)),
    "ELU": ("elu", ("alpha",)),
    "CELU": ("celu", ("alpha",)),
    "GELU": ("gelu", ("approximate",)),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Hardtanh": ("hardtanh", ("min_val", "max_val")),
    "GLU": ("glu", ("dim",)),
    **{name: (name.lower(), ("dim",)) for name in ("Softmax", "Softmin")},
    "LogSoftmax": ("log_softmax", ("dim",)),
    **{
        name: (name.lower(), ())
        for name in (
            "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign",
            "Hardsigmoid", "Hardswish", "Identity",
        )
    },
    **dict.fromkeys(("Dropout", "Dropout1d", "AlphaDropout", "FeatureAlphaDropout"), ("identity", ())),
}  # fmt: skip
# What says how a function is computed, and not what.
_IGNORED = ("inplace", "training", "_stacklevel", "dtype")
_MOST_SIZES = 24


def from_torch(module: torch.nn.Module, *, features: Sequence[int] = ()) -> Network:
    """Return the network that a live PyTorch module is, as it answers after ``module.eval()``.

    It may be made of Linear, the activations, BatchNorm1d, LayerNorm, Dropout, Flatten, Identity and PReLU, in a
    Sequential or with a ``forward`` of its own that torch.fx can follow. The parameters are copied. Inputs are of shape
    (rows, features). features: how many each has, in the order of ``forward``; of a single one the first layer tells.
    What ``forward`` has a default for is that, unless features count it.

    Raises OptionError for what is no such module, and for other features than it has inputs; ParametersError, naming
    it, for a module or function that has no step here; MissingLibraryError without PyTorch.
    """
    try:
        import torch  # noqa: PLC0415
    except ImportError:
        raise MissingLibraryError(
            "a PyTorch module needs PyTorch, which is not installed", hint="pip install 'glassnet[interop]'"
        ) from None
    given: object = module  # not always what the signature asks for
    if not isinstance(given, torch.nn.Module) or isinstance(given, torch.jit.ScriptModule):
        raise OptionError(
            f"from_torch: expected a torch.nn.Module, found {type(given).__name__}",
            hint="save it with torch.jit.save or torch.export.save, and load the file",
        )
    arrays = [_array(tensor) for tensor in (*module.parameters(), *module.buffers())]
    whole = torch.nn.Sequential(module) if type(module).__name__ in _MODULES else module
    nodes = _followed(whole)
    given_to = [node for node in nodes if node.op == "placeholder"]
    names = [node.name for node in given_to if not node.args or len(features) == len(given_to)]
    listed = f"forward reads {len(names)} input{'s' * (len(names) != 1)} ({', '.join(names[:8])})"
    if features and len(features) != len(names):
        raise OptionError(f"from_torch: features={tuple(features)}, and {listed}")
    if len(names) > 1 and not features:
        example = ", ".join(str(4 - place) for place in range(min(len(names), 3)))
        raise ParametersError(
            f"from_torch: {listed}, and does not say their sizes",
            hint=f"say them in this order: from_torch(module, features=({example}{', …' * (len(names) > 3)}))",
        )
    dtype = computed_in(arrays)
    sizes = dict.fromkeys(array.shape[-1] for array in sorted(arrays, key=lambda array: array.ndim != 2) if array.ndim)
    first: ParametersError | None = None
    for tried in [features] if features else [(size,) for size in itertools.islice(sizes, _MOST_SIZES)]:
        inputs = [Input((size,), name=name) for size, name in zip(tried, names, strict=True)]
        try:
            return _run(nodes, whole, Graph(inputs, dtype))
        except ParametersError as error:
            first = first or ParametersError(f"from_torch: {error.message}", hint=error.hint)
    raise first or ParametersError("from_torch: the module has no parameters")


def _followed(module: torch.nn.Module) -> list[Any]:
    """Return the calls that ``forward`` makes when the module does not train."""
    from torch import fx  # noqa: PLC0415

    tracer = fx.Tracer()
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        return list(tracer.trace(module).nodes)
    except Exception as error:  # whatever the module's own code raises
        raise ParametersError(
            f"from_torch: torch.fx cannot follow {type(module).__name__}: {shown(error, 200)}",
            hint="save it with torch.export.save, and load the file",
        ) from error
    finally:
        for part, mode in modes:
            part.training = mode


def _run(nodes: list[Any], module: torch.nn.Module, graph: Graph) -> Network:
    """Return the network of the calls, in their order."""
    from torch import fx  # noqa: PLC0415

    values: dict[Any, Any] = {}
    inputs = {value.name: value for value in graph.values}
    for node in nodes:
        arguments = fx.node.map_arg(list(node.args), values.__getitem__)
        options = fx.node.map_arg(dict(node.kwargs), values.__getitem__)
        match node.op:
            case "placeholder":
                values[node] = inputs[node.name] if node.name in inputs else node.args[0]
            case "get_attr":
                values[node] = _array(operator.attrgetter(node.target)(module))
            case "call_module":
                values[node] = _module(graph, module.get_submodule(node.target), node.target, arguments[0])
            case "output":
                [answer] = arguments
                listed = answer.values() if isinstance(answer, dict) else answer
                return graph.network(list(listed) if isinstance(answer, dict | list | tuple) else [answer])
            case _:
                values[node] = _function(graph, node.target, list(arguments), dict(options))
    raise ParametersError("forward answers nothing")


def _module(graph: Graph, module: torch.nn.Module, name: str, value: Any) -> Any:
    """Return what a module comes to, by its class."""
    kind = type(module)
    if kind.__name__ not in _MODULES or not kind.__module__.startswith("torch.nn."):
        raise ParametersError(f"module '{name}' is a {kind.__name__}, which has no step here")
    operation, attributes = _MODULES[kind.__name__]
    given = [False if key == _EVAL else _attribute(getattr(module, key)) for key in attributes]
    try:
        return graph.call(operation, OPERATIONS, value, *given)
    except ParametersError as error:
        raise ParametersError(f"module '{name}', a {kind.__name__}: {error.message}") from None


def _attribute(value: Any) -> Any:
    return _array(value) if hasattr(value, "detach") else value


def _function(graph: Graph, target: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Return what a function or a method comes to, by its name."""
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    if name == "getattr" and arguments[1:] == ["shape"]:
        return graph.call("size", OPERATIONS, arguments[0])
    if name == "getitem":
        return _part(graph, *arguments)
    if name == "batch_norm" and getattr(target, "__module__", "") == "torch.nn.functional":
        x, mean, variance, *rest = arguments
        ordered = dict(zip(("weight", "bias", "training", "momentum", "eps"), rest, strict=False)) | options
        return graph.call(
            name, OPERATIONS, x, running_mean=mean, running_var=variance, **{"weight": None, "bias": None, **ordered}
        )
    if "dropout" in name:
        options = {"train": options.pop("training", False)}
    kept = {key: value for key, value in options.items() if key not in _IGNORED}
    return graph.call(name, OPERATIONS, *arguments, **kept)


def _part(graph: Graph, holder: Any, index: Any) -> Any:
    """Return an entry of a list, or a part of the rows of a value."""
    if not isinstance(holder, Value):
        return holder[index]
    places = index if isinstance(index, tuple) else (index,)
    for dim, place in reversed(list(enumerate(places))):
        if isinstance(place, slice):
            holder = graph.call("slice", OPERATIONS, holder, dim, place.start, place.stop, place.step or 1)
        elif isinstance(place, int):
            holder = graph.call("select", OPERATIONS, holder, dim, place)
        else:
            raise ParametersError("takes parts of a value by something else than numbers")
    return holder


def _array(tensor: Any) -> Array:
    """Return a copy of a tensor."""
    import torch  # noqa: PLC0415

    plain = tensor.detach().cpu()
    wide = plain.float() if plain.dtype in (torch.float16, torch.bfloat16) else plain
    array = np.array(wide.numpy())
    return frozen_parameters(array, "a parameter") if array.dtype.kind == "f" and array.size else array
