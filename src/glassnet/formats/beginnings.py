"""How files begin: one function for each format, which tells its files by their first bytes.

They stand apart from the readers, so that asking which format a file has loads no reader but the one it needs.
"""

from __future__ import annotations

import re
import zlib

# Enough for the name of a zip's first member, by which zips of several formats are told apart.
HEAD_BYTES = 512
# The number that the first of the five pickles of PyTorch's old files is, and how it stands there.
PYTORCH_MAGIC = 0x1950A86A20F9469CFC6C
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
GGUF_MAGIC = b"GGUF"
C_HEADER = "/* A network in C, written by glassnet."
# What joblib compresses with, each with the ways it begins; ``ZF`` is that of joblib before 0.10.
ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
GZIP, BZ2, XZ, LZMA, LZ4, OLD_JOBLIB = b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x04\x22\x4d\x18", b"ZF"

# The first member of what torch.export.save wrote before version 2.8.
OLD_PROGRAM = "serialized_exported_program.json"
# The first member of what stable-baselines3 saves, of which another one, policy.pth, is a file of PyTorch.
POLICY_DATA = "data"

_LOCAL_HEADER_BYTES = 30
_PYTORCH_MEMBERS = ("data.pkl", "data", ".data", "byteorder", "version", "constants.pkl", "code", "archive_format",
                    ".format_version", ".storage_alignment", "extra", "models", "traced_inputs", "")  # fmt: skip
_KERAS_MEMBERS = ("config.json", "metadata.json", "model.weights.h5", "assets/")
# What skops calls its members: the place in memory that an array once had.
SKOPS_MEMBER = re.compile(r"[0-9]{5,20}\.np[yz]|schema\.json", re.ASCII)
# The tags of protobuf that may follow the version in an ONNX model.
_ONNX_TAGS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")


def safetensors(head: bytes) -> bool:
    """Tell whether a file begins with the length of a header and its first brace."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def pytorch(head: bytes) -> bool:
    """Tell whether a file begins as PyTorch's zips do, with policies and old programs too, or as the five pickles."""
    name = first_member(head)
    folder, slash, rest = name.partition("/")
    in_zip = bool(folder and slash) and rest.partition("/")[0] in _PYTORCH_MEMBERS
    return in_zip or name in (OLD_PROGRAM, POLICY_DATA) or PYTORCH_MAGIC.to_bytes(10, "little") in head[:32]


def skops(head: bytes) -> bool:
    """Tell whether a file begins as a zip whose first member is skops' description or an array with a number."""
    return SKOPS_MEMBER.fullmatch(first_member(head)) is not None


def joblib(head: bytes) -> bool:
    """Tell whether a file begins as a compressed pickle; what others compress with gzip or zlib begins otherwise."""
    if not compressed(head):
        return False
    try:
        begin = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(head, 2)
    except zlib.error:
        return True  # compressed in another way, or broken
    return pickle(begin)


def compressed(head: bytes) -> bool:
    """Tell whether a file begins as joblib's compressed files do."""
    return head.startswith((*ZLIB, GZIP, BZ2, XZ, LZMA, LZ4)) or (head.startswith(OLD_JOBLIB) and head[2:4] == b"0x")


def keras(head: bytes) -> bool:
    """Tell whether a zip begins as Keras writes it."""
    return first_member(head).startswith(_KERAS_MEMBERS)


def hdf5(head: bytes) -> bool:
    """Tell whether a file begins as HDF5 does."""
    return head.startswith(HDF5_SIGNATURE)


def gguf(head: bytes) -> bool:
    """Tell whether a file begins with GGUF's four letters."""
    return head.startswith(GGUF_MAGIC)


def matlab(head: bytes) -> bool:
    """Tell whether a file begins as MATLAB, Octave or SciPy write it."""
    return head[:7] == b"MATLAB " and head[126:128] in (b"IM", b"MI")


def zipped(head: bytes) -> bool:
    """Tell whether a file begins as a zip does; one that no other format claims is NumPy's."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def pickle(head: bytes) -> bool:
    """Tell whether a file begins as a pickle of protocol 2 or later; older ones begin with anything."""
    return head[:1] == b"\x80" and head[1:2] <= b"\x05"


def json(head: bytes) -> bool:
    """Tell whether a file begins as a JSON object does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


def onnx(head: bytes) -> bool:
    """Tell whether a file begins as ONNX models do: with the version of the format, then another field of a model."""
    return len(head) > 2 and head[0] == 0x08 and 0 < head[1] < 0x20 and head[2] in _ONNX_TAGS


def c_header(head: bytes) -> bool:
    """Tell whether a file begins as the headers written here do."""
    return head.startswith(C_HEADER.encode())


def first_member(head: bytes) -> str:
    """Return the name of the member a zip begins with, as far as ``head`` reaches; empty for what is no zip."""
    if head[:4] != b"PK\x03\x04" or len(head) < _LOCAL_HEADER_BYTES:
        return ""
    length = int.from_bytes(head[26:28], "little")
    return str(head[_LOCAL_HEADER_BYTES : _LOCAL_HEADER_BYTES + length], "utf-8", "replace")
