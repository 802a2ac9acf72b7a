"""Programs that ``torch.jit.save`` wrote: the weights from the pickle, the order of operations from the program's text.

The text is Python's syntax with few of its words. It is parsed, never compiled, and ``forward`` is followed once with
a value in place of the input: an operation on it becomes a step, everything else (sizes, flags, the branches that they
choose) is decided on the way, by a table of what there may be. Calls of methods and functions are those in the archive.
Serialization: ``torch/csrc/jit/docs/serialization.md``.
"""

from __future__ import annotations

import ast
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats.contents import Contents, shown
from glassnet.formats.names import RECURRENT
from glassnet.formats.pickle_rules import Record
from glassnet.formats.pytorch.graph import ROWS, Graph, Rows, Value, computed_in
from glassnet.formats.pytorch.operations import OPERATIONS
from glassnet.formats.pytorch.tensors import Storages, Tensor
from glassnet.formats.zips import Archive
from glassnet.network import Input, Network
from glassnet.network.steps import Array, frozen_parameters

# No file can be called so. Python looks for the file of a text it cannot parse, to show the line.
_NO_FILE = ""
_MOST_CHARACTERS = 1 << 18
_MOST_NESTED = 60
_MOST_CALLS = 200
_MOST_STATEMENTS = 20_000
_MOST_SIZES = 24


def is_one(archive: Archive, folder: str) -> bool:
    """Tell whether an archive holds a TorchScript program."""
    return f"{folder}constants.pkl" in archive


def read(archive: Archive, folder: str, module: object, constants: object, storages: Storages) -> Contents:
    """Return the weights of a module, and the network its program is.

    module: what ``data.pkl`` holds, constants: what ``constants.pkl`` holds.
    """
    if not isinstance(module, Record) or not isinstance(module.state, dict):
        raise ParametersError(f"expected a module, found {type(module).__name__}")
    arrays = dict(_arrays(module, "", storages, 0))
    if recurrent := next((name for name in arrays if RECURRENT.search(name)), None):
        raise ParametersError(f"array '{shown(recurrent)}' belongs to a recurrent or attention layer: dense only")
    program = _Program(archive, folder, constants, storages)
    network = _followed(program, module, arrays)
    return Contents(arrays, network=network)


def _arrays(module: Record, prefix: str, storages: Storages, depth: int) -> Iterator[tuple[str, Array]]:
    """Give the tensors of a module and of those in it, by their dotted names."""
    if depth > _MOST_NESTED:
        raise FileFormatError(f"modules nested more than {_MOST_NESTED} deep")
    for key, value in module.state.items() if isinstance(module.state, dict) else ():
        if isinstance(value, Record) and isinstance(key, str):
            yield from _arrays(value, f"{prefix}{key}.", storages, depth + 1)
        elif isinstance(value, Tensor) and value.sizes and 0 not in value.sizes:
            yield f"{prefix}{key}", storages.array(value)


def _followed(program: _Program, module: Record, arrays: Mapping[str, Array]) -> Network:
    """Return the network, its input as wide as one of the layers reads: the file does not say which."""
    forward = program.method(module, "forward")
    names = [entry.arg for entry in forward.args.args[1 : len(forward.args.args) - len(forward.args.defaults)]]
    if len(names) != 1:
        raise ParametersError(
            f"its forward reads {len(names)} inputs ({', '.join(map(shown, names[:8]))}), and TorchScript does not say "
            "their sizes",
            hint="torch.export.save(torch.export.export(model, inputs), path) keeps them",
        )
    # Weights first: a layer's is what the first of them reads.
    ranked = sorted(arrays.values(), key=lambda array: array.ndim != 2)
    sizes = dict.fromkeys(array.shape[-1] for array in ranked)
    first: ParametersError | None = None
    for size in itertools.islice(sizes, _MOST_SIZES):
        graph = Graph([Input((size,), name=names[0])], computed_in(arrays.values()))
        try:
            return program.network(graph, module, forward)
        except ParametersError as error:
            first = first or error
    raise first or ParametersError("no array of two axes among them: a network needs weights")


class _Program:
    """The functions and classes of an archive, parsed when they are first asked for."""

    def __init__(self, archive: Archive, folder: str, constants: object, storages: Storages) -> None:
        self.archive = archive
        self.folder = folder
        self.constants = constants
        self.storages = storages
        self.files: dict[str, ast.Module] = {}
        self.characters = 0

    def network(self, graph: Graph, module: Record, forward: ast.FunctionDef) -> Network:
        """Return the network that ``forward`` is."""
        try:
            answer = _Run(self, graph).function(forward, [module, *graph.values], {})
        except RecursionError:
            raise ParametersError("its program is nested too deep") from None
        outputs = list(answer) if isinstance(answer, list | tuple) else [answer]
        return graph.network(list(answer.values()) if isinstance(answer, dict) else outputs)

    def method(self, record: Record, name: str) -> ast.FunctionDef:
        """Return a method of a module's class."""
        place, _, kind = record.name.rpartition(".")
        for node in self._file(place).body:
            if isinstance(node, ast.ClassDef) and node.name == kind:
                return _function(node.body, name)
        raise ParametersError(f"its program has no class '{shown(record.name)}'")

    def function(self, dotted: str) -> ast.FunctionDef:
        """Return a function by its full name."""
        place, _, name = dotted.rpartition(".")
        return _function(self._file(place).body, name)

    def _file(self, place: str) -> ast.Module:
        if place not in self.files:
            name = f"{self.folder}code/{place.replace('.', '/')}.py"
            content = self.archive.read(name)
            self.characters += len(content)
            if self.characters > _MOST_CHARACTERS:
                raise FileFormatError(f"a program of more than {_MOST_CHARACTERS:,} characters")
            self.files[place] = parsed(str(content, "utf-8", "replace"), name)
        return self.files[place]


def parsed(source: str, name: str) -> ast.Module:
    """Return the syntax tree of a program; nothing is compiled. Raises FileFormatError for what is no program."""
    depth = deepest = signs = 0
    for character in source:
        depth += (character in "([{") - (character in ")]}")
        signs = signs + 1 if character in "-+~ " else 0
        deepest = max(deepest, depth, signs - 200)
    if deepest > _MOST_NESTED:
        raise FileFormatError(f"its program '{shown(name)}' is nested too deep")
    try:
        return ast.parse(source, _NO_FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FileFormatError(f"its program '{shown(name)}' cannot be parsed: {shown(error)}") from None


def _function(body: Sequence[ast.stmt], name: str) -> ast.FunctionDef:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ParametersError(f"its program has no function '{shown(name)}'")


@dataclass(frozen=True)
class _Named:
    """A function of the archive that has been given another name."""

    dotted: str


class _Returned(Exception):  # noqa: N818  # no error: the way out of the statements of a function
    def __init__(self, value: object) -> None:
        self.value = value


class _Run:
    """One way through the program."""

    def __init__(self, program: _Program, graph: Graph) -> None:
        self.program = program
        self.graph = graph
        self.depth = 0
        self.statements = 0

    def function(self, node: ast.FunctionDef, arguments: Sequence[object], options: Mapping[str, object]) -> Any:
        """Return what a function answers."""
        names = [entry.arg for entry in node.args.args]
        values: dict[str, Any] = {}
        for name, default in zip(reversed(names), reversed(node.args.defaults), strict=False):
            values[name] = self.value(default, {})
        values |= {**dict(zip(names, arguments, strict=False)), **options}
        if len(arguments) > len(names) or not values.keys() >= set(names):
            raise ParametersError(f"function '{shown(node.name)}' is called with other arguments than it has")
        self.depth += 1
        if self.depth > _MOST_CALLS:
            raise ParametersError(f"calls nested more than {_MOST_CALLS} deep")
        try:
            self.body(node.body, values)
        except _Returned as returned:
            return returned.value
        finally:
            self.depth -= 1
        return None

    # --- statements ---

    def body(self, statements: Sequence[ast.stmt], values: dict[str, Any]) -> None:
        """Follow statements one after the other."""
        for statement in statements:
            self.statements += 1
            if self.statements > _MOST_STATEMENTS:
                raise ParametersError(f"more than {_MOST_STATEMENTS:,} statements")
            match statement:
                case ast.Assign(targets=[target], value=value):
                    self.assign(target, self.value(value, values), values)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self.assign(target, self.value(value, values), values)
                case ast.Return(value=None):
                    raise _Returned(None)
                case ast.Return(value=ast.expr() as value):
                    raise _Returned(self.value(value, values))
                case ast.If(test=test, body=body, orelse=otherwise):
                    self.body(body if self.truth(test, values) else otherwise, values)
                case ast.For(target=target, iter=source, body=body):
                    for item in self.listed(source, values):
                        self.assign(target, item, values)
                        self.body(body, values)
                case ast.Expr(value=value):
                    self.value(value, values)
                case ast.Pass():
                    pass
                case _:
                    raise ParametersError(f"its program has a statement of kind {type(statement).__name__}")

    def assign(self, target: ast.expr, value: Any, values: dict[str, Any]) -> None:
        """Give a value its name, or several their names."""
        match target:
            case ast.Name(id=name):
                values[name] = value
            case ast.Tuple(elts=targets) if isinstance(value, list | tuple) and len(value) == len(targets):
                for one, part in zip(targets, value, strict=True):
                    self.assign(one, part, values)
            case _:
                raise ParametersError("its program writes to something that is no name")

    def truth(self, test: ast.expr, values: dict[str, Any]) -> bool:
        """Return which way a branch goes; it may not depend on the input."""
        found = self.value(test, values)
        if not isinstance(found, bool | int | float | type(None)):
            raise ParametersError("its program branches on a value that depends on the input")
        return bool(found)

    def listed(self, source: ast.expr, values: dict[str, Any]) -> Sequence[Any]:
        """Return what a loop runs over."""
        found = self.value(source, values)
        if not isinstance(found, list | tuple | range) or len(found) > _MOST_STATEMENTS:
            raise ParametersError("its program loops over something that depends on the input")
        return found

    # --- expressions ---

    def value(self, node: ast.expr, values: dict[str, Any]) -> Any:
        """Return what an expression comes to."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as constant):
                return constant
            case ast.Name(id=name):
                if name not in values:
                    raise ParametersError(f"its program reads '{shown(name)}' before it is made")
                return values[name]
            case ast.List(elts=items) | ast.Tuple(elts=items):
                found = [self.value(item, values) for item in items]
                return found if isinstance(node, ast.List) else tuple(found)
            case ast.Attribute():
                return self.attribute(node, values)
            case ast.Subscript(value=holder, slice=index):
                return self.part(self.value(holder, values), self.value(index, values))
            case ast.Call():
                return self.call(node, values)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return self.value(body if self.truth(test, values) else otherwise, values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.truth(operand, values)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.plain("neg", [self.value(operand, values)])
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self.truth(part, values) for part in parts)
            case ast.BoolOp(op=ast.Or(), values=parts):
                return any(self.truth(part, values) for part in parts)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
                return self.plain(_SIGNS[type(sign)], [self.value(left, values), self.value(right, values)])
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _SIGNS:
                return self.plain(_SIGNS[type(sign)], [self.value(left, values), self.value(right, values)])
        raise ParametersError(f"its program has an expression of kind {type(node).__name__}")

    def attribute(self, node: ast.Attribute, values: dict[str, Any]) -> Any:
        """Return a constant or a function of the archive, or a part of a module."""
        if (dotted := _dotted(node)).startswith("__torch__."):
            return _Named(dotted)
        match node.value:
            case ast.Name(id="CONSTANTS") if node.attr[:1] == "c" and node.attr[1:].isdigit():
                return self.known(self.part(self.program.constants, int(node.attr[1:])))
            case ast.Name(id="math") if node.attr in ("inf", "nan", "pi"):
                return float({"pi": "3.141592653589793"}.get(node.attr, node.attr))
        return self.member(self.value(node.value, values), node.attr)

    def member(self, holder: object, name: str) -> Any:
        """Return an attribute of a module: a parameter as an array, False for whether it is in training."""
        if not isinstance(holder, Record) or not isinstance(holder.state, dict) or name not in holder.state:
            raise ParametersError(f"its program reads '{shown(name)}' of something that has none")
        return False if name == "training" else self.known(holder.state[name])

    def known(self, value: object) -> Any:
        """Return a tensor as the array it is; anything else as it stands."""
        if isinstance(value, Tensor):
            array = self.program.storages.array(value)
            return frozen_parameters(array, "a parameter") if 0 not in array.shape else array
        return value

    def part(self, holder: object, index: object) -> Any:
        """Return an entry of a list, a tuple or a dictionary."""
        if isinstance(holder, list | tuple) and type(index) is int and -len(holder) <= index < len(holder):
            return holder[index]
        if isinstance(holder, dict) and isinstance(index, str) and index in holder:
            return holder[index]
        raise ParametersError("its program takes a part of something that has none")

    # --- calls ---

    def call(self, node: ast.Call, values: dict[str, Any]) -> Any:
        """Return what a call comes to: a function of the archive, an operation, or one of the few words."""
        function = node.func
        dotted = _dotted(function)
        if isinstance(named := values.get(dotted), _Named):
            dotted = named.dotted
        if dotted in ("annotate", "unchecked_cast") and len(node.args) == 2:
            return self.value(node.args[1], values)
        if dotted == "uninitialized":
            return None
        arguments = [self.value(argument, values) for argument in node.args]
        options = {word.arg: self.value(word.value, values) for word in node.keywords if word.arg}
        if dotted == "getattr" and len(arguments) == 2 and isinstance(arguments[1], str):
            return self.member(arguments[0], arguments[1])
        if dotted.startswith("__torch__."):
            return self.function(self.program.function(dotted), arguments, options)
        if dotted.startswith(("torch.", "ops.aten.", "ops.prim.")) or dotted in _WORDS:
            return self.plain(dotted.rpartition(".")[2], arguments, options)
        if isinstance(function, ast.Attribute):
            holder = self.value(function.value, values)
            if isinstance(holder, Record):
                return self.function(self.program.method(holder, function.attr), [holder, *arguments], options)
        raise ParametersError(f"its program calls '{shown(dotted or 'something')}', which no dense network needs")

    def plain(self, name: str, arguments: Sequence[Any], options: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """Return what an operation comes to: plain numbers at once, everything else through the table of steps."""
        if name == "RaiseException":
            raise ParametersError(f"its program stops: {shown(str(arguments[0] if arguments else ''), 200)}")
        if any(isinstance(argument, Rows) for argument in arguments) and name in _OF_ROWS:
            return ROWS
        if name in _PLAIN and not any(isinstance(argument, Value | np.ndarray | Rows) for argument in arguments):
            try:
                return _PLAIN[name](*arguments)
            except (TypeError, ValueError, ArithmeticError, IndexError) as error:
                raise ParametersError(f"its program cannot be followed: {name}: {shown(error)}") from None
        if name in ("__is__", "__isnot__") and len(arguments) == 2:
            return (arguments[0] is arguments[1]) == (name == "__is__")
        if name == "dim" and len(arguments) == 1 and arguments[0] is not None:
            return self.graph.call("dim", OPERATIONS, *arguments)
        return self.graph.call(name, OPERATIONS, *arguments, **options)


def _dotted(node: ast.expr) -> str:
    """Return the name of a function that is reached by dots alone, else an empty text."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *parts[::-1]]) if isinstance(node, ast.Name) else ""


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``function`` take only numbers that stay small: a program can square as often as it likes."""

    def checked(*arguments: Any) -> Any:
        if not all(isinstance(argument, bool | int | float) and abs(argument) < 1 << 62 for argument in arguments):
            raise TypeError("expected plain numbers")
        return function(*arguments)

    return checked


def _range(*arguments: Any) -> range:
    found = range(*arguments)
    if len(found) > _MOST_STATEMENTS:
        raise ValueError("a loop that is too long")
    return found


_SIGNS: Mapping[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "remainder",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.Is: "__is__", ast.IsNot: "__isnot__",
}  # fmt: skip
_WORDS = ("int", "float", "bool", "len", "range", "str")
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "floordiv": operator.floordiv, "remainder": operator.mod, "neg": operator.neg, "int": int, "float": float,
    "bool": bool, "Int": int, "Float": float, "Bool": bool, "__not__": operator.not_,
}  # fmt: skip
# What a program counts with, where no tensor is among the arguments.
_PLAIN: Mapping[str, Callable[..., Any]] = {
    **{name: _bounded(function) for name, function in _NUMBERS.items()},
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "__contains__": lambda holder, item: item in holder,
    "__is__": operator.is_, "__isnot__": operator.is_not,
    "len": len, "range": _range, "str": lambda value: str(value)[:200], "format": lambda text, *rest: text,
    "list": list, "NumToTensor": lambda number: number, "NumToFloat": float, "IntImplicit": int,
    "warn": lambda *rest: None,
}  # fmt: skip
_OF_ROWS = ("add", "sub", "mul", "floordiv", "NumToTensor", "Int", "IntImplicit", "int", "list", "scalar_tensor")
