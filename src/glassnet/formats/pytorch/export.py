"""Programs that ``torch.export.save`` wrote (``.pt2``): a graph in JSON beside the weights, with every activation.

The graph's nodes name PyTorch's own operations, and each is looked up in one table of ours; nothing is run. The bytes
of the weights are members of the zip, and a second JSON says their dtypes, sizes and strides.
Schema: ``torch/_export/serde/schema.py``, archive: ``torch/export/pt2_archive``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats.contents import Contents, parsed_json, shown
from glassnet.formats.pickle_rules import Budget
from glassnet.formats.pytorch.graph import ROWS, Graph, Rows, computed_in
from glassnet.formats.pytorch.operations import OPERATIONS
from glassnet.formats.pytorch.tensors import BFLOAT16, Storage, Storages, tensor_at
from glassnet.formats.zips import Archive
from glassnet.network import Input
from glassnet.network.steps import Array, frozen_parameters

# ScalarType of the schema → dtype.
_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 12: "bool",
    13: BFLOAT16, 28: "uint16",
}  # fmt: skip
# How an argument is given, in the schema's ArgumentKind.
_BY_NAME = 2
_NO_ANSWER = ("_assert_scalar", "_assert_async", "_assert_tensor_metadata", "sym_constrain_range_for_size")


def is_one(archive: Archive, folder: str) -> bool:
    """Tell whether an archive holds an exported program."""
    return f"{folder}models/model.json" in archive


def read(archive: Archive, folder: str, budget: Budget, order: str) -> Contents:
    """Return the weights of an exported program, and the network it is."""
    arrays: dict[str, Array] = {}
    for kind in ("weights", "constants"):
        arrays |= _arrays(archive, f"{folder}data/{kind}/", kind, budget, order)
    return contents_of(archive.read(f"{folder}models/model.json"), arrays)


def contents_of(text: memoryview, arrays: Mapping[str, Array]) -> Contents:
    """Return the network that a program is, whose parameters are ``arrays``."""
    program = parsed_json(text, "a program")
    module = _member(program, "graph_module", dict)
    graph, signature = _member(module, "graph", dict), _member(module, "signature", dict)
    known, inputs = _inputs(graph, signature, arrays)
    dtype = computed_in(arrays.values())
    batched = all(len(sizes) > 1 for sizes in inputs.values())
    rows = {sizes[0] for sizes in inputs.values()} if batched else set()
    builder = Graph(
        [Input(tuple(sizes[batched:]), name=name) for name, sizes in inputs.items()], dtype, batched=batched
    )
    builder.rows = next(iter(rows)) if len(rows) == 1 else None
    values: dict[str, Any] = {**known, **{value.name: value for value in builder.values}}
    for node in _member(graph, "nodes", list):
        _run(node, builder, values)
    answers = [_value(_member(_member(spec, "user_output", dict), "arg", dict), values) for spec in _outputs(signature)]
    network = builder.network(answers)
    return Contents(arrays, network=network)


def _arrays(archive: Archive, folder: str, kind: str, budget: Budget, order: str) -> dict[str, Array]:
    name = f"{folder}model_{kind}_config.json"
    if name not in archive:
        return {}
    storages = Storages(lambda storage: archive.read(folder + storage.key), budget, order)
    found = {}
    for key, entry in _member(parsed_json(archive.read(name), "a list of weights"), "config", dict).items():
        if _member(entry, "use_pickle", bool):
            raise ParametersError(f"array '{shown(key)}' is a pickled object, expected plain numbers")
        meta = _member(entry, "tensor_meta", dict)
        dtype = _DTYPES.get(_member(meta, "dtype", int), "")
        sizes, strides = (tuple(map(_whole, _member(meta, part, list))) for part in ("sizes", "strides"))
        storage = Storage(dtype, _member(entry, "path_name", str), 0)
        if 0 not in sizes:
            found[key] = storages.array(tensor_at(storage, dtype, _whole(meta.get("storage_offset")), sizes, strides))
    return found


def _inputs(
    graph: Mapping[str, Any], signature: Mapping[str, Any], arrays: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, list[int]]]:
    """Return the parameters by the names the graph gives them, and the sizes of the inputs (0: of any number)."""
    parameters: dict[str, Array] = {}
    inputs: dict[str, list[int]] = {}
    sizes = _member(graph, "tensor_values", dict)
    for spec in _member(signature, "input_specs", list):
        [kind] = spec if isinstance(spec, dict) and len(spec) == 1 else [""]
        entry = _member(spec, kind, dict)
        if kind == "user_input":
            name = _member(_member(_member(entry, "arg", dict), "as_tensor", dict), "name", str)
            inputs[name] = [_size(size) for size in _member(_member(sizes, name, dict), "sizes", list)]
            if 0 in inputs[name][1:]:
                raise ParametersError(f"input '{shown(name)}' has a size that is not fixed, beside its rows")
        elif f"{kind}_name" in entry:
            key = _member(entry, f"{kind}_name", str)
            if key in arrays:
                name = _member(_member(entry, "arg", dict), "name", str)
                parameters[name] = frozen_parameters(arrays[key], key)
            elif "num_batches_tracked" not in key:
                raise ParametersError(f"array '{shown(key)}' is missing: the program needs it")
        else:
            raise ParametersError(f"an input of kind '{shown(str(kind))}', expected parameters, buffers and tensors")
    return parameters, inputs


def _outputs(signature: Mapping[str, Any]) -> list[dict[str, Any]]:
    specs = _member(signature, "output_specs", list)
    found = [spec for spec in specs if isinstance(spec, dict) and "user_output" in spec]
    if len(found) < len(specs):
        raise ParametersError("a program that changes its own parameters; call model.eval() before it is exported")
    return found


# --- one node -----------------------------------------------------------------------------------------------


def _run(node: object, builder: Graph, values: dict[str, Any]) -> None:
    """Give names to what a node answers."""
    target = _member(node, "target", str)
    assert isinstance(node, dict)
    parts = target.split(".")
    name = parts[3] if target.startswith("torch.ops.aten.") and len(parts) > 3 else target
    if name in _NO_ANSWER:
        return
    arguments, options = [], {}
    for entry in _member(node, "inputs", list):
        value = _value(_member(entry, "arg", dict), values)
        if entry.get("kind") == _BY_NAME:
            options[_member(entry, "name", str)] = value
        else:
            arguments.append(value)
    if name == "sym_size" or target.startswith("_operator."):
        answer: Any = _counted(builder, name, arguments)
    else:
        answer = builder.call(name, OPERATIONS, *arguments, **options)
    outputs = _member(node, "outputs", list)
    names = [one for output in outputs for one in _names(output)]
    answers = list(answer) if isinstance(answer, list | tuple) else [answer]
    if len(names) > len(answers):
        raise ParametersError(f"operation '{shown(name)}' answers {len(answers)} values, {len(names)} are named")
    values.update(zip(names, answers, strict=False))


def _counted(builder: Graph, name: str, arguments: list[Any]) -> object:
    """Return a size, or what is counted from sizes: a number where it is none of the batch."""
    if name == "sym_size":
        return builder.call("size", OPERATIONS, *arguments)
    if any(isinstance(argument, Rows) for argument in arguments):
        return ROWS
    raise ParametersError(f"operation '{shown(name)}' has no step here")


def _names(output: object) -> list[str]:
    match output:
        case {"as_tensor": {"name": str(name)}}:
            return [name]
        case {"as_tensors": [*tensors]}:
            return [_member(tensor, "name", str) for tensor in tensors]
        case {"as_sym_int": {"as_name": str(name)}} | {"as_sym_bool": {"as_name": str(name)}}:
            return [name]
        case {"as_optional_tensor": {"as_tensor": {"name": str(name)}}}:
            return [name]
        case {"as_none": _}:
            return [""]
    raise ParametersError("a node whose answer has no name")


def _value(argument: object, values: Mapping[str, Any]) -> Any:
    """Return an argument: a value by its name, or what stands in the file."""
    match argument:
        case {"as_tensor": {"name": str(name)}} | {"as_sym_int": {"as_name": str(name)}}:
            if name not in values:
                raise ParametersError(f"'{shown(name)}' is used before it is made")
            return values[name]
        case {"as_tensors": [*tensors]}:
            return [_value({"as_tensor": tensor}, values) for tensor in tensors]
        case {"as_sym_ints": [*numbers]}:
            return [_value({"as_sym_int": number}, values) for number in numbers]
        case {"as_sym_int": {"as_int": int(number)}}:
            return number
        case {"as_none": _}:
            return None
        case {"as_int": value} | {"as_float": value} | {"as_bool": value} | {"as_string": value}:
            if isinstance(value, bool | int | float | str):
                return value
        case {"as_ints": [*numbers]} | {"as_floats": [*numbers]}:
            return numbers
        case {"as_scalar_type": _} | {"as_memory_format": _} | {"as_layout": _} | {"as_device": _}:
            return None
    raise ParametersError(f"an argument of a kind that no dense network needs: {shown(str(argument), 60)}")


def _size(entry: object) -> int:
    """Return a size of an input, 0 where it is any."""
    match entry:
        case {"as_expr": _}:
            return 0
    return _whole(entry)


def _whole(entry: object) -> int:
    match entry:
        case {"as_int": int(number)} if number >= 0:
            return number
    raise FileFormatError("a size that is not a whole number")


def _member(entry: object, key: str, kind: type) -> Any:
    if not isinstance(entry, dict) or key not in entry or not isinstance(entry[key], kind):
        raise FileFormatError(f"its program has no usable '{shown(key)}'")
    return entry[key]
