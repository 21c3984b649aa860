"""Makes calls of the operating system fail in this process, as a bad disk, a full one or a limit would."""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.ESTALE, errno.ENOMEM, errno.EDQUOT)
"""What a disk, a quota, a network file system and a process limit answer."""

WRITING = ("replace", "rename", "fsync", "mkdir", "open", "unlink")
READING = ("open",)


@dataclass
class FailingCalls:
    """From the `after`-th call that touches a directory on, `length` calls fail with one error.

    Attributes:
        directory: calls with a path elsewhere never fail.
        calls: names of functions of `os`; "open" is also the builtin function.
        number: the `errno`.
        after: how many calls pass first.
        length: how many calls fail; then they pass again.
        read_only: only files opened to be read fail.
    """

    directory: Path
    calls: tuple[str, ...]
    number: int
    after: int
    length: int
    read_only: bool = False

    def install(self) -> None:
        """Replace the functions in this process."""
        for name in self.calls:
            setattr(os, name, self._failing(name, getattr(os, name)))
            if name == "open":
                opened = self._failing(name, builtins.open)
                builtins.open = opened  # type: ignore[assignment]
                io.open = opened  # type: ignore[assignment]

    def _failing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self._is_meant(name, args, options):
                self.after -= 1
                if self.after < 0 and self.length > 0:
                    self.length -= 1
                    raise OSError(self.number, os.strerror(self.number), str(args[0]))
            return function(*args, **options)

        return call

    def _is_meant(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
        path = args[0] if args else options.get("path", options.get("file"))
        if isinstance(path, int):
            try:
                path = Path(f"/proc/self/fd/{path}").readlink()
            except OSError:
                return False
        mode = args[1] if len(args) > 1 else options.get("mode", "r")
        if name == "open" and self.read_only and not (isinstance(mode, str) and set(mode) <= set("rbt")):
            return False
        return str(path).startswith(str(self.directory))


@dataclass
class Limit:
    """A limit of the system on this process, for example on its open files or the size of a file."""

    kind: int
    value: int

    def install(self) -> None:
        """Set the limit."""
        resource.setrlimit(self.kind, (self.value, self.value))


def drawn_calls(draw: random.Random, directory: Path) -> FailingCalls:
    """Calls that write, one of them or a row of them, fail somewhere in a training."""
    names = draw.choice([WRITING, ("fsync",), ("replace", "rename"), ("open",), ("mkdir",)])
    return FailingCalls(
        directory, names, draw.choice(ERRORS), draw.randrange(40), draw.choice([1, 1, 3, 999])
    )


def drawn_limit(draw: random.Random) -> Limit:
    """A limit on the size of a file, on open files, or on memory."""
    return draw.choice(
        [
            Limit(resource.RLIMIT_FSIZE, draw.choice([0, 700, 5_000, 40_000, 80_000])),
            Limit(resource.RLIMIT_NOFILE, draw.randrange(4, 40)),
            Limit(resource.RLIMIT_AS, draw.choice([300, 1_000, 3_000]) * 2**20),
        ]
    )
