"""Messages of an Arrow stream that say themselves whether they are whole and undamaged.

Arrow pads the metadata of a message as far as its length says, and readers ignore the
padding. Here every message has metadata of the same length, and the padding ends with the
length of the body and two digests::

    FF FF FF FF   int32 1016   metadata, zeros, int64 body length, digest 1, digest 2   body

Digest 1 is over the message's place in the file and everything before it, digest 2 over
digest 1 and the body. Nothing that decides where a message ends goes unverified: so a
message that the end of the file cuts off was being written when its process was killed,
and anything else that is not as expected is damage.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from automl_zero.evolution.runs._seal import DIGEST_BYTES, digest_of

# The metadata of the event schema takes 592 bytes and that of a batch 528. With the 8 bytes
# before it this makes 1024, so bodies are aligned to 64 bytes as Arrow recommends.
_METADATA_BYTES: Final = 1016
_START: Final = struct.pack("<Ii", 0xFFFFFFFF, _METADATA_BYTES)
_TRAILER: Final = struct.Struct(f"<q{DIGEST_BYTES}s{DIGEST_BYTES}s")
_TRAILER_START: Final = len(_START) + _METADATA_BYTES - _TRAILER.size
_BODY_START: Final = len(_START) + _METADATA_BYTES
END_OF_STREAM: Final = struct.pack("<Ii", 0xFFFFFFFF, 0)


def frame(message: Any, offset: int) -> bytes:
    """An Arrow message as it is written at ``offset`` of the file.

    Raises:
        ValueError: If its metadata is too long, which the fixed columns rule out.
    """
    metadata = message.metadata.to_pybytes()
    body = message.body.to_pybytes() if message.body is not None else b""
    head = (_START + metadata).ljust(_TRAILER_START, b"\0")
    if len(head) > _TRAILER_START:
        raise ValueError(f"message: expected less metadata, received {len(metadata)} bytes")
    head += struct.pack("<q", len(body))
    first = digest_of(struct.pack("<q", offset), head)
    return b"".join((head, first, digest_of(first, body), body))


def frames(name: str, raw: bytes) -> list[tuple[int, int]]:
    """Where the complete messages of a file start and end, each verified.

    Args:
        name: What errors start with.
        raw: The file; a message that it cuts off at the end is left out.

    Raises:
        ValueError: If anything is damaged; names the batch.
    """
    view = memoryview(raw)
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(raw):
        end = _end_of_frame(f"{name}: {frame_name(len(found))}", view, start)
        if end is None:
            break
        found.append((start, end))
        start = end
    return found


def frame_name(number: int) -> str:
    """What messages call a message: the first one is the schema."""
    return f"batch {number}" if number else "schema"


def _end_of_frame(name: str, view: memoryview, start: int) -> int | None:
    """None for the end of the stream and for a message that is cut off."""
    left = len(view) - start
    begin = bytes(view[start : start + len(_START)])
    if begin == END_OF_STREAM:
        if left > len(END_OF_STREAM):
            raise ValueError(
                f"{name}: expected the end of the file after the end-of-stream mark, "
                f"received {left - len(END_OF_STREAM)} more bytes"
            )
        return None
    if begin not in (_START[: len(begin)], END_OF_STREAM[: len(begin)]):
        raise ValueError(f"{name}: expected {_START.hex()} at the start, received {begin.hex()}")
    if left < _BODY_START:
        return None
    head = view[start : start + _TRAILER_START + 8]
    length, *expected = _TRAILER.unpack_from(view, start + _TRAILER_START)
    first = digest_of(struct.pack("<q", start), head)
    _require_digest(f"{name}: digest of the metadata", expected[0], first)
    end = int(start + _BODY_START + length)
    if length < 0:
        raise ValueError(f"{name}: length: expected at least 0, received {length}")
    if end > len(view):
        return None
    body = view[start + _BODY_START : end]
    _require_digest(f"{name}: digest", expected[1], digest_of(first, body))
    return end


def _require_digest(name: str, expected: bytes, received: bytes) -> None:
    if received != expected:
        raise ValueError(f"{name}: expected {expected.hex()}, received {received.hex()}")
