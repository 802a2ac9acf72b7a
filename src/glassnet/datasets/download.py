"""MNIST from the network, into the user's cache: several mirrors in turn, checked bit for bit, resumed.

pooch keeps the cache and checks the sums; the transfer itself is written here, because pooch's own starts a
broken download again from the first byte. What has come so far lies beside the file, as ``NAME.part``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from glassnet.errors import DownloadError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SECONDS_WITHOUT_ANSWER = 20
PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file known before it is fetched: no mirror can give another one, or a longer one."""

    name: str
    length: int
    sha256: str


MNIST = (
    RemoteFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    RemoteFile("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    RemoteFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)


def cached_mnist(names: Collection[str]) -> Path:
    """Return the cache folder with the files ``names`` of MNIST, fetching those it lacks."""
    folder = Path(pooch.os_cache("glassnet")) / "mnist"
    for file in MNIST:
        if file.name.removesuffix(".gz") in names:
            fetch(file, folder, MIRRORS)
    return folder


def fetch(file: RemoteFile, folder: Path, mirrors: Sequence[str]) -> Path:
    """Return the path of ``file`` in ``folder``, downloading it from the first mirror that gives it.

    Raises DownloadError, with each mirror's reason, where none does; then nothing wrong is left in the folder.
    """
    part = folder / f"{file.name}.part"
    reasons: dict[str, str] = {}

    def transfer(url: str, output: str, _: object) -> None:
        _resume(url, part, file)
        part.replace(output)

    pooch.get_logger().setLevel("WARNING")  # the progress bar says it already
    # A second round, because a mirror may have continued what another one had begun with other bytes.
    for mirror in (*mirrors, *mirrors):
        try:
            path = pooch.retrieve(mirror + file.name, file.sha256, file.name, folder, downloader=transfer)
        except ValueError:
            reasons[mirror] = "its SHA-256 is not that of the original"
        except (OSError, DownloadError) as error:
            reasons[mirror] = _reason(error)
        else:
            return Path(path)
    listed = "; ".join(f"{urlsplit(mirror).netloc}: {reason}" for mirror, reason in reasons.items())
    raise DownloadError(
        f"downloading {file.name}: no mirror gave it ({listed})",
        hint="put the four MNIST files into a folder and name it in GLASSNET_DATA",
    )


def _reason(error: Exception) -> str:
    """Return why a transfer failed in a few words, where the library has a paragraph."""
    match error:
        case requests.Timeout():
            return f"no answer in {SECONDS_WITHOUT_ANSWER} s"
        case requests.ConnectionError():
            return "no connection"
        case requests.HTTPError(response=requests.Response(status_code=code)):
            return f"it answers {code}"
    return str(error)


def _resume(url: str, part: Path, file: RemoteFile) -> None:
    """Fetch ``url`` into ``part``, going on after the bytes that ``part`` holds where the server can."""
    have = part.stat().st_size if part.exists() else 0
    if have >= file.length:
        part.unlink()
        have = 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=SECONDS_WITHOUT_ANSWER) as answer, _bar() as bar:
        answer.raise_for_status()
        continued = answer.status_code == requests.codes.partial_content
        have = have if continued else 0
        task = bar.add_task(file.name, total=file.length, completed=have)
        with part.open("ab" if continued else "wb") as output:
            for piece in answer.iter_content(PIECE_BYTES):
                have += output.write(piece)
                bar.update(task, completed=have)
                if have > file.length:
                    break
    if have != file.length:  # and the server thinks that was all: it has something else under this name
        part.unlink()
        raise DownloadError(f"{file.length:,} bytes expected, found {have:,}")


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
