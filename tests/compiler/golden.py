"""Golden files: what came out once, looked at and kept; ``pytest --update-golden`` writes them anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Golden:
    """The golden files, to compare with or to write."""

    folder: Path = FOLDER
    update: bool = False

    def check(self, name: str, found: str) -> None:
        """Compare a text with the file of that name; a file that is missing is a failure."""
        path = self.folder / name
        if self.update:
            path.write_text(found, encoding="utf-8")
        assert path.exists(), f"{path} is missing: look at what comes out, then run pytest --update-golden"
        expected = path.read_text(encoding="utf-8")
        pairs = list(zip(found.splitlines(), expected.splitlines(), strict=False))
        different = [f"found    {one}\nexpected {other}" for one, other in pairs if one != other]
        assert not different, f"{name}: {len(different)} of {len(pairs)} lines differ, the first:\n{different[0]}"
        assert found == expected, f"{name}: another number of lines"
