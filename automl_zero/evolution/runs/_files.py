"""Reading and writing whole files so that a kill, a full disk or a stranger does no harm."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from pathlib import Path
from typing import Final

_PARTIAL: Final = re.compile(r"\..+\.[0-9]+\.partial", re.DOTALL)


class RunWriteError(OSError):
    """A file of a run could not be written: which one and why, with the system's ``errno``."""

    def __str__(self) -> str:
        return str(self.strerror)


def write_error(path: Path, error: OSError, action: str = "write") -> RunWriteError:
    """``error`` as a :class:`RunWriteError` that names ``path``."""
    reason = error.strerror or str(error) or type(error).__name__
    return RunWriteError(error.errno or errno.EIO, f"cannot {action} {path}: {reason}")


def write_atomically(path: str | Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write a file so that it is there as a whole or not at all.

    The data goes to ``.NAME.PID.partial`` in the same folder, which then takes the place
    of ``path``. If anything fails before that, the old file is untouched and the partial
    one is removed.

    Args:
        path: File to make or to replace, in a folder that exists.
        data: What it shall hold; text is written as UTF-8.
        durable: Wait until the disk has it. Without that a killed process loses nothing,
            because the system keeps what was written; a power cut may leave an empty file.

    Raises:
        RunWriteError: If it cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_atomically(folder / "best.txt", "fitness 0.5", durable=False)
        >>> (folder / "best.txt").read_text()
        'fitness 0.5'
    """
    path = Path(path)
    raw = data.encode("utf-8") if isinstance(data, str) else data
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.unlink(missing_ok=True)
        # O_EXCL: never through a link that somebody put there.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_all(descriptor, raw)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, in as many pieces as the system likes."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems without fsync of folders (CIFS)
            raise
    finally:
        os.close(descriptor)


def remove_partials(folder: str | Path) -> None:
    """Remove the partial files that killed processes left in ``folder``.

    Only for a process that holds the run's lock: another one may be writing right now.

    Raises:
        RunWriteError: If one cannot be removed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _PARTIAL.fullmatch(entry.name)]
    except FileNotFoundError:
        return
    for name in names:
        path = Path(folder, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error, "remove") from error


def is_partial(name: str) -> bool:
    """True for the name of a file that was being written."""
    return _PARTIAL.fullmatch(name) is not None


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file. Never waits for a pipe that lies there instead.

    Args:
        path: The file.
        limit: Most bytes that are read; guards against a wrong file.

    Raises:
        ValueError: If it cannot be read, is no regular file or is longer; names the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ValueError(f"{path}: expected a readable file: {_reason(error)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "something else"
            raise ValueError(f"{path}: expected a regular file, received {kind}")
        if status.st_size > limit:
            raise ValueError(
                f"{path}: expected at most {limit} bytes, received {status.st_size}"
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(status.st_size)
    except OSError as error:
        raise ValueError(f"{path}: expected a readable file: {_reason(error)}") from None
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
