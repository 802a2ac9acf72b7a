"""What the documents show is run: the code of README, README.ko and docs, and the commands in their consoles.

- ```` ```python ```` with ``>>>``: a doctest; what is printed must be what stands there. Without: run as it is.
  The blocks of one document share one namespace, top to bottom.
- ```` ```console ````: each ``$ glassnet …`` is run, and its output compared; ``…`` stands for any text.
- ``<!-- needs: data -->`` above a block: it reads MNIST, and is run only where that lies.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [path for path in (ROOT / "README.md", ROOT / "README.ko.md") if path.exists()]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

BLOCK = re.compile(
    r"(?:^<!-- needs: (?P<needs>\w+) -->\n)?^```(?P<language>python|console)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int
    needs_data: bool


def blocks(text: str) -> list[Block]:
    """Return the blocks to run, those inside quotations too."""
    text = re.sub(r"^>( |$)", "", text, flags=re.MULTILINE)
    return [
        Block(match["language"], match["code"], text.count("\n", 0, match.start("code")), match["needs"] == "data")
        for match in BLOCK.finditer(text)
    ]


def run_python(chosen: Sequence[Block], name: str) -> list[str]:
    """Run the blocks in one namespace; return what went otherwise than written."""
    complaints: list[str] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    for block in chosen:
        if ">>>" in block.code:
            examples = doctest.DocTestParser().get_doctest(block.code, namespace, name, name, block.line)
            runner.run(examples, out=complaints.append, clear_globs=False)
            namespace = examples.globs
        else:
            exec(compile("\n" * block.line + block.code, name, "exec"), namespace)
    return complaints


def shown_commands(code: str) -> list[tuple[str, str]]:
    """Return each ``$ command`` of a console block with the output shown below it."""
    parts = re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def matches(shown: str, printed: str) -> bool:
    """Compare line by line without trailing spaces; ``…`` stands for any text, also over several lines."""

    def trimmed(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip().splitlines())

    pattern = re.escape(trimmed(shown)).replace("…", ".*")
    return re.fullmatch(pattern, trimmed(printed), re.DOTALL) is not None


def run_console(chosen: Sequence[Block], folder: Path) -> list[str]:
    complaints = []
    program = shutil.which("glassnet", path=sysconfig.get_path("scripts"))
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    for command, shown in (pair for block in chosen for pair in shown_commands(block.code)):
        words = shlex.split(command)
        if words[0] != "glassnet":
            continue  # pip, git and the like: a newcomer's machine, not ours
        assert program is not None, "the command glassnet is not installed"
        done = subprocess.run(
            [program, *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if not matches(shown, done.stdout + done.stderr):
            complaints.append(f"$ {command}\nshown:\n{shown}\nprinted:\n{done.stdout}{done.stderr}")
    return complaints


def run(document: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, with_data: bool) -> None:
    """Run a document's blocks in a folder where ``examples`` and ``docs`` lie as they do in the repository."""
    for name in ("examples", "docs"):
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.chdir(folder)
    chosen = [block for block in blocks(document.read_text(encoding="utf-8")) if with_data or not block.needs_data]
    complaints = run_python([block for block in chosen if block.language == "python"], str(document))
    complaints += run_console([block for block in chosen if block.language == "console"], folder)
    assert not complaints, "\n".join(complaints)


def titled(documents: Sequence[Path]) -> dict[str, Any]:
    return {"argvalues": documents, "ids": [str(path.relative_to(ROOT)) for path in documents]}


@pytest.mark.parametrize("document", **titled(DOCUMENTS))
def test_document(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(document, tmp_path, monkeypatch, with_data=False)


@pytest.mark.parametrize("document", **titled([path for path in DOCUMENTS if "needs: data" in path.read_text("utf-8")]))
def test_document_with_data(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.setenv("GLASSNET_DATA", str(data_folder.resolve()))
    run(document, tmp_path, monkeypatch, with_data=True)


@pytest.mark.parametrize("document", **titled(DOCUMENTS))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"", text)
    missing = [
        target
        for target in (link or source for link, source in targets)
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert missing == []


def test_both_tours_show_the_same_code() -> None:
    english, korean = (blocks((ROOT / "docs" / path).read_text("utf-8")) for path in ("tour.md", "ko/tour.md"))
    assert [(block.code, block.needs_data) for block in korean] == [(block.code, block.needs_data) for block in english]


def test_the_pictures_are_those_of_the_script() -> None:
    script = (ROOT / "docs" / "make_images.py").read_text("utf-8")
    made = set(re.findall(r'^    "([\w-]+\.svg)": ', script, re.MULTILINE))
    assert made == {path.name for path in (ROOT / "docs" / "images").iterdir()}


# --- the checkers can fail ---

PLANTED = """\
```python
>>> 1 + 1
{answer}
```

<!-- needs: data -->
```python
>>> "MNIST"
'MNIST'
```
"""


def test_a_wrong_number_is_seen() -> None:
    assert run_python(blocks(PLANTED.format(answer=2)), "planted") == []
    [complaint] = run_python(blocks(PLANTED.format(answer=3)), "planted")
    assert "Expected:\n    3\nGot:\n    2" in complaint
    assert [block.needs_data for block in blocks(PLANTED)] == [False, True]


def test_a_failing_block_is_seen() -> None:
    with pytest.raises(AssertionError):
        run_python(blocks("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n"), "planted")


def test_a_wrong_output_of_a_command_is_seen(tmp_path: Path) -> None:
    assert matches("7  … %\n", "7  99.8 %   \n")
    assert not matches("7  … %", "1  99.8 %")
    [complaint] = run_console(blocks("```console\n$ pip install x\n$ glassnet --help\nnot this\n```\n"), tmp_path)
    assert complaint.startswith("$ glassnet --help\nshown:\nnot this\n")
