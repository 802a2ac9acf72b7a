"""Fuzz the reader of .keras files: whole zips, and configurations put into one with good weights. Needs h5py."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import json

from attacks import keras_files


def target(data: bytes) -> None:
    whole(data if data[:2] == b"PK" else keras_files.keras_zip(data, WEIGHTS))


if __name__ == "__main__":
    whole = reading("keras")
    WEIGHTS = keras_files.hdf5(keras_files.two_arrays)
    configs = [json.dumps(config).encode() for _, config in keras_files.readable()]
    hostile = [content for name, content in keras_files.ATTACKS.items() if name.endswith("keras")]
    main(target, [keras_files.good_keras(), *configs, *(content for content in hostile if len(content) < 20_000)])
