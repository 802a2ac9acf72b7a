"""A zip as a stranger's file: its members by name, seen where they lie and never unpacked to a disk.

Python's ``zipfile`` reads the directory at the end; what a member's entry there claims is compared with its own header,
with its neighbours and with the length of the file before a byte is taken. A member stored as it is becomes a view of
the file, so a large file that is mapped costs nothing. Checksums are not compared: PyTorch may leave them out
(``torch.serialization.set_crc32_options``), and they would mean reading all of the file at once.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.beginnings import HEAD_BYTES, first_member
from glassnet.formats.contents import CUT_OFF_HINT, MOST_ARRAYS, Data, file_data, shown

# Learned parameters hardly compress (7 % is usual); a zip that grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24
# The directory of a zip is read in one piece, and then becomes a Python object for each of its members.
LONGEST_READ_BYTES = 1 << 22
_LOCAL_SIGNATURE, _END, _END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
_LOCAL = struct.Struct("<4sHHHHHIIIHH")

# What zipfile and zlib raise for bytes that are not what they should be.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    ValueError,
    OSError,
)


def broken(data: Data, error: Exception) -> FileFormatError:
    """Return the error for a zip that cannot be read: most are cut off, and the directory at their end is missing."""
    end = data.rfind(_END)
    if 0 <= end <= len(data) - _END_BYTES:
        return FileFormatError(f"a broken zip: {shown(error)}")
    last = data.rfind(_LOCAL_SIGNATURE)
    name = first_member(data[last : last + HEAD_BYTES]) if last >= 0 else ""
    where = f", the last of them those of '{shown(name)}'" if name else ""
    return FileFormatError(
        f"cut off: a zip ends with a directory of its members, found none in {len(data):,} bytes{where}",
        hint=CUT_OFF_HINT,
    )


class Cautious(io.FileIO):
    """A file that is never read in large pieces, which bounds the directory that zipfile takes."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the next ``size`` bytes; raise UnsafeFileError for more than a directory may have."""
        _check_directory(size)
        return super().read(size) or b""


class _CautiousBytes(io.BytesIO):
    """The same of a zip within a zip."""

    def read(self, size: int | None = -1) -> bytes:
        _check_directory(size)
        return super().read(size)


def _check_directory(size: int | None) -> None:
    if size is not None and size > LONGEST_READ_BYTES:
        raise UnsafeFileError(f"its directory claims {size:,} bytes, expected at most {LONGEST_READ_BYTES:,}")


def check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Check that the members are few, each once, not encrypted, and together no more than such a file can hold."""
    if len(members) > MOST_ARRAYS:
        raise FileFormatError(f"holds {len(members):,} arrays, expected at most {MOST_ARRAYS:,}")
    names = set()
    for member in members:
        name = shown(member.filename)
        if member.filename in names:
            raise FileFormatError(f"its member '{name}' is there twice")
        if member.flag_bits & 1:
            raise FileFormatError(f"its member '{name}' is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"its member '{name}' is compressed otherwise than stored or deflated")
        names.add(member.filename)
    total = sum(member.file_size for member in members)
    if total > max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * size):
        raise UnsafeFileError(f"its {size:,} bytes would become {total:,}, expected at most {_LARGEST_GROWTH} times")


@dataclass(frozen=True)
class Archive:
    """A zip that has been checked: the bytes of its members by name, each taken when asked for."""

    data: Data
    members: Mapping[str, _Member]

    @classmethod
    def of(cls, path: Path) -> Archive:
        """Return the zip at ``path``; raise FileFormatError where it is broken, UnsafeFileError where it bursts."""
        return cls._of(file_data(path), Cautious(path))

    @classmethod
    def _of(cls, data: Data, file: IO[bytes]) -> Archive:
        try:
            with file, zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                directory = archive.start_dir
        except BROKEN as error:
            if isinstance(error, FileFormatError):
                raise
            raise broken(data, error) from error
        check_members(members, len(data))
        found = {member.name: member for member in _located(members, data, directory)}
        return cls(data, found)

    def within(self, name: str) -> Archive:
        """Return a member that is a zip itself; raises as ``of`` does, naming it.

        It must be stored as it is: what it holds may grow, and one that grows within another would burst.
        """
        data = bytes(self.read(name))
        try:
            if self.members[name].deflated:
                raise UnsafeFileError("a zip that is compressed once more, expected it stored as it is")
            return self._of(data, _CautiousBytes(data))
        except FileFormatError as error:
            raise type(error)(f"its member '{shown(name)}': {error.message}", hint=error.hint) from None

    def __contains__(self, name: object) -> bool:
        return name in self.members

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> memoryview:
        """Return a member's bytes, a view of the file where it is stored as it is; raise FileFormatError."""
        if name not in self.members:
            raise FileFormatError(f"its member '{shown(name)}' is missing")
        member = self.members[name]
        view = memoryview(self.data)[member.begin : member.end]
        if not member.deflated:
            return view
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(view, member.size + 1)
        except zlib.error as error:
            raise FileFormatError(f"its member '{shown(name)}' is broken: {shown(error)}") from None
        if len(content) != member.size or not unpacker.eof:
            raise FileFormatError(f"its member '{shown(name)}' does not have the {member.size:,} bytes it claims")
        return memoryview(content)


@dataclass(frozen=True)
class _Member:
    name: str
    begin: int
    end: int
    size: int
    deflated: bool


def _located(members: list[zipfile.ZipInfo], data: Data, directory: int) -> list[_Member]:
    """Return where the members' bytes lie: one behind the other, none in another's place, all before the directory."""
    if not members:
        raise FileFormatError("a zip without a member")
    in_order = sorted(members, key=lambda member: member.header_offset)
    limits = [*(member.header_offset for member in in_order[1:]), directory]
    return [_member(info, data, limit) for info, limit in zip(in_order, limits, strict=True)]


def _member(info: zipfile.ZipInfo, data: Data, limit: int) -> _Member:
    name = shown(info.filename)
    parts = info.filename.split("/")
    if info.filename != info.orig_filename or "\\" in info.filename or any(part in ("", "..") for part in parts[:-1]):
        raise UnsafeFileError(f"its member '{name}' has a path that leads elsewhere")
    start = info.header_offset
    header = data[max(start, 0) : start + _LOCAL.size]
    if start < 0 or len(header) < _LOCAL.size:
        raise FileFormatError(f"its member '{name}' lies outside of the file")
    signature, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(header)
    begin = start + _LOCAL.size + name_length + extra_length
    own_name = data[start + _LOCAL.size : start + _LOCAL.size + name_length]
    if (signature, method, own_name) != (_LOCAL_SIGNATURE, info.compress_type, _encoded(info)) or flags & 1:
        raise FileFormatError(f"its member '{name}' says otherwise of itself than the directory does")
    end = begin + info.compress_size
    if end > limit:
        raise FileFormatError(f"its member '{name}' lies upon another, or outside of the file")
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if not deflated and info.file_size != info.compress_size:
        raise FileFormatError(f"its member '{name}' has two lengths: {info.file_size:,} and {info.compress_size:,}")
    return _Member(info.filename, begin, end, info.file_size, deflated)


def _encoded(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
