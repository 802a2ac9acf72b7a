"""From the names of arrays to modules: which belong together, what each is, and in which order they stand.

Tools name alike. One word says what an array is (``weight``, ``kernel``, ``W``, ``bias``, ``running_mean``); the rest
of the name says whose: ``net.0.weight`` and ``net.0.bias`` are those of ``net.0``, ``w1`` and ``b1`` those of ``1``.
Numbers put modules in order, so that ``net.10`` follows ``net.2``; words keep the order in which the file has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.network.steps import Array

# The end of a name → what the array is. The two names of weight normalisation are PyTorch's old and new ones.
_ENDINGS = (
    (re.compile(r"parametrizations\.weight\.original0$"), "weight_g"),
    (re.compile(r"parametrizations\.weight\.original1$"), "weight_v"),
    (re.compile(r"weight_(g|v)$"), "weight_"),
    (re.compile(r"(running_mean|running_var|num_batches_tracked)$"), ""),
)
_WORDS = {
    **dict.fromkeys(("weight", "weights", "w", "kernel", "coef", "coefs", "theta", "gamma"), "weight"),
    **dict.fromkeys(("bias", "biases", "b", "intercept", "intercepts", "beta"), "bias"),
}
# Weights under these words have shape (inputs, outputs): Keras, Flax, scikit-learn.
_INPUTS_FIRST = {"kernel", "coef", "coefs"}
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_EDGES = "._/-: "
# How widely a policy draws its actions (its answer is the middle), counters, and the sizes of layers.
_ASIDE = re.compile(
    r"(^|[._])log_?stds?$|(^|\.)(sigma|std|num_batches_tracked|(layer_?)?(sizes|dims|shapes))$",
    re.IGNORECASE | re.ASCII,
)

RECURRENT = re.compile(r"(weight|bias)_(ih|hh)(_|$)|in_proj_(weight|bias)$")


@dataclass(eq=False)
class Module:
    """Arrays with one name but for the word that says what each is."""

    name: str
    names: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)

    def get(self, what: str) -> Array | None:
        """Return the array that is ``what``, if there is one."""
        return self.arrays.get(what)

    def called(self, what: str) -> str:
        """Return that array's name in the file, short enough to be shown."""
        return shown(self.names[what])

    @property
    def number(self) -> int | None:
        """The number its name ends in, its place in a Sequential."""
        tokens = tokens_of(self.name)
        return tokens[-1] if tokens and isinstance(tokens[-1], int) else None

    @property
    def stem(self) -> str:
        """Its name up to the first number: the list, or the network, it belongs to."""
        match = re.search(r"\d", self.name)
        return self.name[: match.start()].rstrip(_EDGES) if match else self.name

    @property
    def inputs_first(self) -> bool:
        """Whether the words of its tool say that weights have shape (inputs, outputs)."""
        return bool(self.words & _INPUTS_FIRST)


def tokens_of(name: str) -> list[str | int]:
    """Return the words and numbers of a name."""
    return [int(token) if token.isascii() and token.isdigit() else token for token in _TOKEN.findall(name[:500])]


def modules_of(arrays: Mapping[str, Array]) -> tuple[list[Module], list[str]]:
    """Return the modules in order, and the names of arrays that are left aside because no answer needs them.

    Raises ParametersError where two arrays of one module would be the same thing.
    """
    modules: dict[str, Module] = {}
    aside = []
    for name, array in arrays.items():
        if _ASIDE.search(name):
            aside.append(name)
            continue
        whose, what, word = _split(name)
        module = modules.setdefault(whose, Module(whose))
        if what in module.arrays:
            raise ParametersError(
                f"arrays '{module.called(what)}' and '{shown(name)}' are both the {what} of one layer"
            )
        module.arrays[what], module.names[what] = array, name
        module.words.add(word)
    return in_order(modules.values()), aside


def _split(name: str) -> tuple[str, str, str]:
    """Return whose array this is, what it is, and the word that says so."""
    bare = name.removesuffix(":0")  # TensorFlow's
    for pattern, prefix in _ENDINGS:
        if match := pattern.search(bare):
            what = prefix if pattern.groups == 0 else prefix + match[1]
            return _without_edge(bare[: match.start()]), what, what
    for match in reversed(list(_TOKEN.finditer(bare[:500]))):
        if (word := match[0].lower()) in _WORDS:
            before, after = _without_edge(bare[: match.start()]), bare[match.end() :].strip(_EDGES)
            return f"{before}.{after}".strip("."), _WORDS[word], word
    return name, "", ""


def _without_edge(name: str) -> str:
    """Return a name without what parts it from the next word: ``V_`` and ``V`` may be two layers."""
    return name[:-1] if name.endswith(tuple(_EDGES)) else name


def names_parameter(name: str) -> bool:
    """Tell whether a name says that this is a weight or a bias."""
    return bool(_split(name)[1])


def in_order(modules: Iterable[Module]) -> list[Module]:
    """Return the modules by their numbers, and where there are none as the file has them."""
    ranks: dict[tuple[str | int, ...], int] = {}
    keys = {}
    listed = list(modules)
    for module in listed:
        tokens = tokens_of(module.name)
        key = []
        for length, token in enumerate(tokens, start=1):
            rank = token if isinstance(token, int) else ranks.setdefault(tuple(tokens[:length]), len(ranks))
            key.append((isinstance(token, str), rank))
        keys[id(module)] = key
    return sorted(listed, key=lambda module: keys[id(module)])


def lies_below(name: str, part: str) -> bool:
    """Tell whether ``name`` is ``part`` or lies below it, in whole words."""
    return name == part or (name.startswith(part) and name[len(part) : len(part) + 1] in tuple("./"))


def under(name: str, part: str) -> bool:
    """Tell whether ``name`` is ``part`` or lies below it, in words between underscores too."""
    return name == part or (name.startswith(part) and name[len(part) : len(part) + 1] in tuple("._/"))
