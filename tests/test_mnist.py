"""MNIST: the textbook's return value, where the files are looked for, and how they are fetched."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest

from glassnet.datasets import download, load_mnist, mnist, read_mnist, write_idx
from glassnet.datasets.download import RemoteFile, fetch
from glassnet.errors import DownloadError, FileFormatError, MissingFileError, OptionError

COUNTS = {"train": 6, "test": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tiny data set of MNIST's form."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, (images, labels) in mnist.PARTS.items():
        count = COUNTS[part]
        pixels = np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
        write_idx(folder / f"{images}.gz", pixels)
        write_idx(folder / labels, np.arange(count, dtype=np.uint8))
    return folder


# --- the textbook's function ---


def test_the_textbooks_call(folder: Path) -> None:
    (x_train, t_train), (x_test, t_test) = load_mnist(folder=folder)
    assert (x_train.shape, x_test.shape) == ((6, 784), (4, 784))
    assert x_train.dtype == np.float32
    assert x_train.max() == 1.0
    assert x_train[0, 51] == np.float32(51 / 255)
    np.testing.assert_array_equal(t_train, [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(t_test, [0, 1, 2, 3])


def test_the_textbooks_options(folder: Path) -> None:
    (x_train, t_train), _ = load_mnist(False, False, True, folder=folder)
    assert x_train.shape == (6, 1, 28, 28)
    assert x_train.dtype == np.uint8
    assert x_train[0, 0, 1, 23] == 51
    np.testing.assert_array_equal(t_train, np.eye(10)[:6])
    assert t_train.dtype == np.float64


def test_the_folder_named_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named in (folder, folder.parent):
        monkeypatch.setenv("GLASSNET_DATA", str(named))
        assert load_mnist()[1][0].shape == (4, 784)


def test_without_a_folder_the_cache_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def cached(names: object) -> Path:
        asked.append(names)
        return folder

    monkeypatch.delenv("GLASSNET_DATA", raising=False)
    monkeypatch.setattr(download, "cached_mnist", cached)
    assert read_mnist(None, "test")[0].shape == (4, 28, 28)
    assert asked == [mnist.PARTS["test"]]
    assert load_mnist()[1][0].shape == (4, 784)


def test_a_folder_in_the_environment_without_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSNET_DATA", str(tmp_path / "absent"))
    with pytest.raises(MissingFileError, match=r"GLASSNET_DATA is '.*absent', but neither .* holds t10k-images"):
        read_mnist(None, "test")
    with pytest.raises(MissingFileError, match="or unset it to download MNIST"):
        load_mnist()


def test_the_cache_holds_the_four_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(download, "fetch", lambda file, folder, mirrors: asked.append(file.name))
    for names in mnist.PARTS.values():
        assert download.cached_mnist(names) == tmp_path / "glassnet" / "mnist"
    assert asked == [f"{name}.gz" for names in mnist.PARTS.values() for name in names]


def test_names_as_some_archives_spell_them(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte").rename(folder / "train-labels.idx1-ubyte")
    assert len(read_mnist(folder, "train")[1]) == 6


def test_importing_the_room_costs_nothing_heavy() -> None:
    code = "import sys, glassnet.datasets; print(*{'pooch', 'requests', 'rich', 'cv2'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


# --- folders that do not hold it ---


def test_a_part_that_does_not_exist(folder: Path) -> None:
    with pytest.raises(OptionError, match="no part 'validation'"):
        read_mnist(folder, "validation")


def test_a_folder_without_a_file(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingFileError, match=r"no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in"):
        load_mnist(folder=folder)


def test_images_and_labels_that_do_not_fit(folder: Path) -> None:
    images, labels = (folder / name for name in mnist.PARTS["test"])
    write_idx(labels, np.zeros(3, np.uint8))
    with pytest.raises(FileFormatError, match="expected 4 labels of uint8, one for each image, found shape"):
        read_mnist(folder, "test")
    write_idx(labels, np.array([0, 9, 10, 3], np.uint8))
    with pytest.raises(FileFormatError, match="label 10 in row 2, expected 0 to 9"):
        read_mnist(folder, "test")
    write_idx(images, np.zeros((4, 32, 32), np.uint8))
    with pytest.raises(FileFormatError, match=r"expected images \(n, 28, 28\) of uint8, found \(4, 32, 32\)"):
        read_mnist(folder, "test")


def test_the_real_files(data_folder: Path) -> None:
    images, labels = read_mnist(data_folder / "mnist", "test")
    assert images.shape == (10000, 28, 28)
    np.testing.assert_array_equal(labels[:10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])


# --- fetching, from servers on this machine ---

CONTENT = bytes(range(256)) * 400
FILE = RemoteFile("digits.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves ``body`` under every path, with ranges; ``breaks_after`` bytes the first connection drops."""

    def __init__(self, body: bytes, *, status: int = 200, breaks_after: int | None = None, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status, self.breaks_after, self.ranges = body, status, breaks_after, ranges
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        given = self.headers.get("Range", "")
        self.server.asked.append(given)
        start = int(given.removeprefix("bytes=").rstrip("-")) if given and self.server.ranges else 0
        self.send_response(206 if start else self.server.status)
        self.send_header("Content-Length", str(len(self.server.body) - start))
        self.end_headers()
        rest = self.server.body[start:]
        first, self.server.breaks_after = self.server.breaks_after, None
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            self.wfile.write(rest[:first])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[functools.partial[Server]]:
    with contextlib.ExitStack() as stack:

        def start(body: bytes, **behaviour: int | None) -> Server:
            server = stack.enter_context(Server(body, **behaviour))  # type: ignore[arg-type]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield functools.partial(start)


def test_a_file_is_fetched_once(serve: functools.partial[Server], tmp_path: Path) -> None:
    mirror = serve(CONTENT)
    for _ in range(2):
        path = fetch(FILE, tmp_path, [mirror.url])
        assert path.read_bytes() == CONTENT
    assert len(mirror.asked) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [FILE.name]


@pytest.mark.parametrize("status", [404, 500])
def test_a_mirror_that_fails_is_followed_by_the_next(
    status: int, serve: functools.partial[Server], tmp_path: Path
) -> None:
    first, second = serve(b"gone", status=status), serve(CONTENT)
    assert fetch(FILE, tmp_path, [first.url, second.url]).read_bytes() == CONTENT
    assert len(first.asked) == len(second.asked) == 1


def test_a_mirror_that_nobody_serves(serve: functools.partial[Server], tmp_path: Path) -> None:
    assert fetch(FILE, tmp_path, ["http://127.0.0.1:9/", serve(CONTENT).url]).read_bytes() == CONTENT


def test_without_a_network_the_error_is_short(serve: functools.partial[Server], tmp_path: Path) -> None:
    gone = serve(b"gone", status=404).url
    with pytest.raises(DownloadError) as caught:
        fetch(FILE, tmp_path, ["http://127.0.0.1:9/", gone])
    host = gone.removeprefix("http://").rstrip("/")
    assert caught.value.message == (
        f"downloading digits.gz: no mirror gave it (127.0.0.1:9: no connection; {host}: it answers 404)"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (CONTENT[:-1] + b"!", "its SHA-256 is not that of the original"),
        (CONTENT + b"!", "102,400 bytes expected, found 102,401"),
        (b"<html>log in to this network first</html>", "102,400 bytes expected, found 41"),
    ],
)
def test_wrong_bytes_never_reach_the_cache(
    body: bytes, reason: str, serve: functools.partial[Server], tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="no mirror gave it") as caught:
        fetch(FILE, tmp_path, [serve(body).url])
    assert reason in caught.value.message
    assert "\n" not in caught.value.message
    assert not list(tmp_path.iterdir())


def test_a_broken_download_goes_on_where_it_stopped(serve: functools.partial[Server], tmp_path: Path) -> None:
    first, second = serve(CONTENT, breaks_after=70_000), serve(CONTENT)
    assert fetch(FILE, tmp_path, [first.url, second.url]).read_bytes() == CONTENT
    (asked,) = second.asked
    assert 0 < int(asked.removeprefix("bytes=").rstrip("-")) <= 70_000


def test_a_download_goes_on_in_the_next_run(serve: functools.partial[Server], tmp_path: Path) -> None:
    (tmp_path / "digits.gz.part").write_bytes(CONTENT[:1000])
    mirror = serve(CONTENT)
    assert fetch(FILE, tmp_path, [mirror.url]).read_bytes() == CONTENT
    assert mirror.asked == ["bytes=1000-"]


def test_a_server_without_ranges_starts_again(serve: functools.partial[Server], tmp_path: Path) -> None:
    (tmp_path / "digits.gz.part").write_bytes(CONTENT[:1000])
    assert fetch(FILE, tmp_path, [serve(CONTENT, ranges=0).url]).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"other bytes", CONTENT + b"!"])
def test_a_wrong_beginning_does_not_spoil_the_file(
    left: bytes, serve: functools.partial[Server], tmp_path: Path
) -> None:
    (tmp_path / "digits.gz.part").write_bytes(left)
    assert fetch(FILE, tmp_path, [serve(CONTENT).url]).read_bytes() == CONTENT


def test_the_known_files_are_the_original_ones(data_folder: Path) -> None:
    """A gzip header also keeps a date, so the lengths are compared; the sums are those of the original files."""
    for file in download.MNIST:
        path = data_folder / "mnist" / file.name
        if file.name != "train-images-idx3-ubyte.gz" and path.is_file():
            assert path.stat().st_size == file.length
