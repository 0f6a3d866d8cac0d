"""Requests to stop (SIGTERM of a scheduler, Ctrl-C), noted for a train loop to ask about between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

RESUME_ME = 75
"""Exit code of a run that was asked to stop and saved its state: EX_TEMPFAIL of sysexits.h, "try again"."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RunStopped(Exception):
    """A run that was asked to stop has saved its state; the message says where."""


class StopRequest:
    """Whether a signal asked this process to stop. A second Ctrl-C stops at once, as it always does.

    Attributes:
        signal: the name of the signal received, or None.
    """

    def __init__(self) -> None:
        self.signal: str | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, :data:`SIGNALS` are noted instead of ending the process. Does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = name


@contextlib.contextmanager
def without_sigchld_handler() -> Iterator[None]:
    """Inside, the death of a loader's worker is noticed by whoever waits for its batch, not by a signal handler.

    PyTorch raises the error from a handler of SIGCHLD, in the middle of whatever the process does: a step of the
    optimiser, or saving a checkpoint, would be left half done. Does nothing outside the main thread.
    """
    number = getattr(signal, 'SIGCHLD', None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


class IgnoreCtrlC:
    """A ``worker_init_fn`` that makes a loader's worker ignore Ctrl-C, which terminals send to every process of a job.

    Args:
        init: the ``worker_init_fn`` to call afterwards, or None.
    """

    def __init__(self, init: Callable[[int], Any] | None) -> None:
        self.init = init

    def __call__(self, worker: int) -> None:
        """Called by PyTorch in the worker. SIGTERM still ends it: Python ends its workers that way."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # after a fork it has the run's own handler
        if self.init is not None:
            self.init(worker)
