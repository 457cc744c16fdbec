"""What a worker answers to a call, and the future that it becomes.

A reply is a pair: the traceback as text, empty if the call returned, and the pickled result
or exception. The text is apart so that it arrives even when the exception does not.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Reply = tuple[str, bytes]
Dumps = Callable[[Any], bytes]
Loads = Callable[[bytes], Any]


class RemoteTraceback(Exception):
    """Where a call failed in its worker. The cause of the exception that the future raises."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def reply_to(call: bytes, loads: Loads, dumps: Dumps) -> Reply:
    """Make a call, pickled as ``(function, args, kwargs)``. In the worker. Never raises."""
    try:
        function, args, kwargs = loads(call)
        result = function(*args, **kwargs)
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        try:
            return text, dumps(error)
        except Exception as reason:
            raised = traceback.format_exception_only(error)[-1].strip()
            message = f"the call raised an exception that cannot be pickled ({reason}): {raised}"
            return text, dumps(pickle.PicklingError(message))
    try:
        return "", dumps(result)
    except Exception as reason:
        kind = type(result).__qualname__
        message = f"result: expected what can be pickled, received {kind} ({reason})"
        text = "".join(traceback.format_exception(reason))
        return text, dumps(pickle.PicklingError(message))


def deliver(reply: Reply, loads: Loads, future: Future[Any]) -> None:
    """Give a reply to the future of its call. In the parent. Never raises."""
    text, data = reply
    try:
        outcome = loads(data)
        if text and not isinstance(outcome, BaseException):
            raise TypeError(f"expected an exception, received {type(outcome).__qualname__}")
    except BaseException as reason:
        what = "exception" if text else "result"
        text = text or "".join(traceback.format_exception(reason))
        outcome = pickle.UnpicklingError(
            f"the {what} of the call arrived, but cannot be unpickled here: "
            f"{type(reason).__name__}: {reason}"
        )
    if text:
        outcome.__cause__ = RemoteTraceback(text)
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
