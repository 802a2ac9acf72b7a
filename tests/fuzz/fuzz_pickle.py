"""Fuzz the reader of .pickle files."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import pickle

from attacks import pickles

if __name__ == "__main__":
    good = [pickle.dumps(pickles.parameters(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    main(reading("pickle"), [*good, *(content for content in pickles.ATTACKS.values() if len(content) < 4000)])
