"""MNIST: 70,000 handwritten digits, with the signature and the return value of the textbook's ``load_mnist``.

The four files are looked for where the user said, in ``GLASSNET_DATA``, in the user's cache, and fetched only
where neither was named. A folder of the user's is taken as it is, so that Fashion-MNIST or digits of their
own work too; what comes from the network must be the four original files, bit for bit.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from glassnet.datasets.idx import Array, read_idx
from glassnet.errors import FileFormatError, MissingFileError, OptionError

Part: TypeAlias = tuple[Array, Array]

# Part → the files of its images and labels. They may be gzipped, and "-idx" may have become ".idx" on the way.
PARTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    }
)
CLASSES = 10
SIDE = 28


def load_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    *,
    folder: str | os.PathLike[str] | None = None,
) -> tuple[Part, Part]:
    """Return ``(x_train, t_train), (x_test, t_test)``, as the textbook's function of this name does.

    normalize: pixels as float32 from 0 to 1; otherwise uint8 from 0 to 255.
    flatten: images as rows (n, 784); otherwise (n, 1, 28, 28).
    one_hot_label: labels as rows (n, 10) with a single 1; otherwise (n,).
    folder: where the four files lie; left out, ``GLASSNET_DATA`` (or its folder ``mnist``) where that is set, else
    the user's cache, into which they are downloaded. Raises MissingFileError, FileFormatError or DownloadError.
    """
    place = _folder([name for names in PARTS.values() for name in names]) if folder is None else folder

    def finished(part: str) -> Part:
        images, labels = read_mnist(place, part)
        x = images.reshape(len(images), -1) if flatten else images.reshape(-1, 1, SIDE, SIDE)
        if normalize:
            x = x.astype(np.float32)
            x /= 255
        return x, np.eye(CLASSES)[labels] if one_hot_label else labels

    return finished("train"), finished("test")


def read_mnist(folder: str | os.PathLike[str] | None, part: str) -> Part:
    """Return images (n, 28, 28) and labels (n,), both uint8, of ``part`` "train" or "test" of a local folder.

    Without a folder they are looked for as ``load_mnist`` does, and only these two are downloaded. Raises
    MissingFileError where a file is absent and FileFormatError where it does not hold such digits.
    """
    if part not in PARTS:
        raise OptionError(f"MNIST has no part {part!r}", hint=f"choose one of: {', '.join(PARTS)}")
    place = _folder(PARTS[part]) if folder is None else Path(folder)
    paths = [_found_file(place, name) for name in PARTS[part]]
    images, labels = (read_idx(path) for path in paths)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        raise FileFormatError(
            f"reading {paths[0]}: expected images (n, {SIDE}, {SIDE}) of uint8, found {images.shape} of {images.dtype}"
        )
    if labels.dtype != np.uint8 or labels.shape != (len(images),):
        raise FileFormatError(
            f"reading {paths[1]}: expected {len(images)} labels of uint8, one for each image, found shape "
            f"{labels.shape} of {labels.dtype}"
        )
    if labels.size and labels.max() >= CLASSES:
        row = int(np.argmax(labels >= CLASSES))
        raise FileFormatError(f"reading {paths[1]}: label {labels[row]} in row {row}, expected 0 to {CLASSES - 1}")
    return images, labels


def _found_file(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise MissingFileError(
            f"reading MNIST: no {name} or {name}.gz in {folder}",
            hint=f"the folder should hold {', '.join(name for names in PARTS.values() for name in names)}",
        )
    return path


def _file(folder: Path, name: str) -> Path | None:
    spellings = (name, name.replace("-idx", ".idx"))
    paths = (folder / f"{spelling}{suffix}" for spelling in spellings for suffix in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _folder(names: Sequence[str]) -> Path:
    """Return the folder with the files ``names``: of ``GLASSNET_DATA`` where that is set, else the user's cache."""
    if named := os.environ.get("GLASSNET_DATA"):
        for folder in (Path(named) / "mnist", Path(named)):
            if all(_file(folder, name) for name in names):
                return folder
        raise MissingFileError(
            f"reading MNIST: GLASSNET_DATA is {named!r}, but neither {named} nor its folder mnist holds "
            f"{' and '.join(names)}",
            hint="correct GLASSNET_DATA, or unset it to download MNIST",
        )
    # Here, because it brings pooch and requests, which reading a local folder does not need.
    from glassnet.datasets.download import cached_mnist  # noqa: PLC0415

    return cached_mnist(names)
