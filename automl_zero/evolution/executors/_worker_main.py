"""What a worker process does. Imports little: a worker starts in the time this takes."""

from __future__ import annotations

import os
import signal
import sys
import threading

from multiprocess import parent_process
from multiprocess.connection import Connection

from automl_zero.evolution.executors._pickling import dumps, loads
from automl_zero.evolution.executors._replies import reply_to


def serve(connection: Connection) -> None:
    """Answer calls until the other end of ``connection`` is closed.

    An empty message says that the worker is ready. Each call is one message, each reply two:
    traceback and pickled outcome.
    """
    # Ctrl-C reaches every process of the terminal, but it is the parent that decides what
    # becomes of the workers. The signal was blocked while this process started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()
    try:
        connection.send_bytes(b"")
        while True:
            text, data = reply_to(connection.recv_bytes(), loads, dumps)
            connection.send_bytes(text.encode(errors="backslashreplace"))
            connection.send_bytes(data)
    except (EOFError, OSError):
        pass  # no more calls


def use_one_thread() -> None:
    """Keep PyTorch to one thread, if a call or ``__main__`` has loaded it.

    Environment variables set the other libraries, but a ``set_num_threads`` at the top of
    ``__main__`` would overrule them.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _end_with_parent() -> None:
    """End this process, in the middle of a call if need be, when its parent is gone."""
    parent = parent_process()
    assert parent is not None  # every worker was started by one
    parent.join()
    os._exit(1)
