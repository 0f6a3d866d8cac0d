"""Being asked to stop (SIGTERM of a scheduler, Ctrl-C), as a question that a train loop can ask between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

RESUME_ME = 75
"""Exit code of a run that was asked to stop and saved where it was: EX_TEMPFAIL of sysexits.h, "try again"."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RunStopped(Exception):
    """A run that was asked to stop has saved all it had; the message says where and how to go on."""


class StopRequest:
    """Whether a signal asked this process to stop. A second Ctrl-C stops at once, as it always does.

    Attributes:
        signal: the name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: str | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts, :data:`SIGNALS` are noted instead of ending the process. Only in the main thread."""
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
def no_news_of_workers() -> Iterator[None]:
    """While this lasts, a loader's worker that dies is found out by who waits for its batch, not by a signal handler.

    PyTorch raises the news from a handler of SIGCHLD, in the middle of whatever the process does, such as a step of the
    optimiser or the saving of a checkpoint, of which then a part is done. Only in the main thread.
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


class DeafWorker:
    """A loader's ``worker_init_fn`` whose worker ignores Ctrl-C, which terminals send to every process of a job.

    Args:
        init: the ``worker_init_fn`` to call besides, or None.
    """

    def __init__(self, init: Callable[[int], Any] | None) -> None:
        self.init = init

    def __call__(self, worker: int) -> None:
        """Called by PyTorch in the worker. SIGTERM keeps its meaning: Python ends its workers by it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # after a fork it would be the run's own handler
        if self.init is not None:
            self.init(worker)
