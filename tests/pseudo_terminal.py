"""Runs the command on a terminal, and tells what somebody sees there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|[\r\n]|[^\x1b\r\n]")


class Screen:
    """What a terminal shows.

    Attributes:
        lines: from the top; none is lost.
        broken: words that the terminal had to break at its edge.
    """

    def __init__(self, width: int) -> None:
        self.lines = [""]
        self.broken: list[str] = []
        self._width = width
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Show more."""
        for found in _CONTROL.finditer(text):
            sign, numbers, letter = found[0], found[1], found[2]
            if sign == "\r":
                self._column = 0
            elif sign == "\n":
                self._down()
            elif letter == "A":
                self._row = max(0, self._row - int(numbers or 1))
            elif letter == "K":
                kept = self.lines[self._row][: self._column]
                self.lines[self._row] = "" if numbers == "2" else kept
            elif letter is None and not sign.startswith("\x1b"):
                self._write(sign)

    def _write(self, sign: str) -> None:
        if self._column == self._width:
            line = self.lines[self._row]
            if sign != " " and line[-1] != " ":
                self.broken.append(line.split()[-1] + sign)
            self._down()
            self._column = 0
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + sign + line[self._column + 1 :]
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    @property
    def text(self) -> str:
        """The lines, without spaces at their ends."""
        return "\n".join(line.rstrip() for line in self.lines)


def watch(
    *words: object, width: int, react: Callable[[str], bytes] | None = None, code: int = 0, **environment: str
) -> tuple[Screen, str]:
    """Run `mlm` on a terminal of some width until it ends.

    Args:
        words: of its command line.
        width: columns.
        react: gets all that was written so far; what it returns is typed.
        code: the exit code that is expected.
        environment: more variables.

    Returns:
        What is seen at the end, and everything that was written.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlm_core", *map(str, words)],
        stdin=follower, stdout=follower, stderr=follower, close_fds=True,
        env=known | {"TERM": "xterm-256color"} | environment,
        preexec_fn=_lead,
    )  # fmt: skip
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            # The last process that had it open has ended.
            break
        if not piece:
            break
        written += piece
        typed = react(written.decode("utf-8", "replace")) if react is not None else b""
        if typed:
            os.write(leader, typed)
    os.close(leader)
    text = written.decode("utf-8", "replace")
    assert process.wait() == code, text
    assert "Traceback" not in text
    screen = Screen(width)
    screen.feed(text)
    return screen, text


def _lead() -> None:
    """Make the terminal that of this process, so that Ctrl-C reaches it."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
