"""The standard streams of a command: missing, full, closed, or of another encoding, they never end a run."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, NoReturn

from mlm_core.system.terminal import fitted
from mlm_core.visible import visible


def prepare_streams() -> None:
    """Open what is missing of the three streams, and let each show any character in some way.

    A missing descriptor would be taken by the next file that is opened, and receive what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Gives the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    stream: Any
    for stream in (sys.stdout, sys.stderr):
        # Not every replacement of a stream, for example in a notebook, has this method.
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, SilentlyFailing):
        sys.stderr = SilentlyFailing(sys.stderr)


class SilentlyFailing:
    """A text stream for what need not be seen: what cannot be written is dropped."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or not."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write, or not."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or not."""
        with suppress(OSError, ValueError):
            self._stream.flush()


@contextmanager
def captured_output() -> Iterator[io.StringIO]:
    """While inside, what is printed to stdout is collected."""
    collected = io.StringIO()
    with redirect_stdout(collected):
        yield collected


def write_output(text: str, *, plain: bool) -> None:
    """Write a command's whole output to stdout and flush it.

    Args:
        text: the output.
        plain: whether it is for people, with characters that control terminals made visible, and on a
            terminal wrapped between words; else as it is.

    Raises:
        OSError: it cannot be written.
    """
    try:
        sys.stdout.write(fitted(visible(text, lines=True), sys.stdout) if plain else text)
        sys.stdout.flush()
    except OSError:
        give_up_output()
        raise


def flush_output() -> bool:
    """Flush stdout; returns whether that worked. If not, Python does not try again when it ends."""
    try:
        sys.stdout.flush()
        return True
    except (OSError, ValueError):
        give_up_output()
        return False


def end_process(code: int) -> NoReturn:
    """Flush the streams and end the process, with 1 in place of 0 if stdout cannot be flushed.

    Python's own end waits for the threads of a framework. Those that make batches ahead, for a run that ended
    early, may wait for Python in turn.
    """
    flushed = flush_output()
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code if flushed else code or 1)


def give_up_output() -> None:
    """Send to nowhere what stdout still holds: Python would try, and complain, when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
