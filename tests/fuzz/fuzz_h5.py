"""Fuzz the reader of HDF5 files: whole models of Keras 2, and arrays in every layout that is read."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import numpy as np

from attacks import keras_files


def packed(file: object, **options: object) -> None:
    file.create_dataset("a/W", data=np.arange(35.0).reshape(5, 7), **options)  # type: ignore[attr-defined]


if __name__ == "__main__":
    layouts = ({}, {"chunks": (3, 2)}, {"chunks": (3, 2), "compression": "gzip", "shuffle": True})
    arrays = [
        keras_files.hdf5(lambda file, options=options: packed(file, **options), libver=version)
        for options in layouts
        for version in ("earliest", "v108", "v110", "latest")
    ]
    hostile = [content for name, content in keras_files.ATTACKS.items() if name.endswith("h5")]
    main(
        reading("hdf5"),
        [keras_files.good_hdf5(), keras_files.hdf5(keras_files.two_arrays), *arrays]
        + [content for content in hostile if len(content) < 20_000],
    )
