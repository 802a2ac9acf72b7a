"""Fuzz the reader of HDF5 files: whole models of Keras 2, and arrays in every layout that is read. Needs h5py."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from typing import Any

import numpy as np

from attacks import keras_files

LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"chunks": (3, 2)},
    {"chunks": (3, 2), "compression": "gzip", "shuffle": True},
)


def packed(options: dict[str, Any], version: str) -> bytes:
    def fill(file: Any) -> None:
        file.create_dataset("a/W", data=np.arange(35.0).reshape(5, 7), **options)

    return keras_files.hdf5(fill, libver=version)


if __name__ == "__main__":
    arrays = [packed(options, version) for options in LAYOUTS for version in ("earliest", "v108", "v110", "latest")]
    hostile = [content for name, content in keras_files.ATTACKS.items() if name.endswith("h5")]
    main(
        reading("hdf5"),
        [keras_files.good_hdf5(), keras_files.hdf5(keras_files.two_arrays), *arrays]
        + [content for content in hostile if len(content) < 20_000],
    )
