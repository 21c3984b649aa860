"""What a user can do about an error of the operating system, by its number."""

from __future__ import annotations

import errno
import os

_ADVICE = {
    (errno.ENOSPC,): "free some space on the disk",
    (errno.EDQUOT,): "free some space in your quota",
    (errno.EFBIG,): "raise the limit of file sizes (ulimit -f)",
    (errno.EMFILE, errno.ENFILE): "raise the limit of open files (ulimit -n)",
    (errno.EACCES, errno.EPERM): "change its permissions, or run as its owner",
    (errno.EROFS,): "choose a place that is not read-only",
    (errno.EIO, errno.ESTALE): "check the disk or the network file system",
    (errno.ENAMETOOLONG,): "choose a shorter path",
    (errno.EISDIR,): "move the directory that is in its place",
    (errno.ENOTDIR, errno.ENOENT): "check that its directory still exists",
    (errno.ENOMEM,): "free some memory",
    (errno.EAGAIN,): "raise the limit of processes and threads (ulimit -u)",
    (errno.ELOOP,): "remove the link that points to itself",
}
_BY_NUMBER = {number: advice for numbers, advice in _ADVICE.items() for number in numbers}


OF_THE_MACHINE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.ENOMEM,
        errno.EAGAIN,
    }
)  # fmt: skip
"""Errors that say nothing about the file that was read or written, only about the machine."""


def advice(error: BaseException) -> str | None:
    """What to do about an error; None: it is not known. Nothing that it advises loses data."""
    return _BY_NUMBER.get(error.errno or 0) if isinstance(error, OSError) else None


def reason(error: BaseException) -> str:
    """An error of the operating system in words, without its path; another error by its message."""
    if isinstance(error, OSError):
        return error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    return str(error) or type(error).__name__
