"""What libraries raise on the files of a model from elsewhere: one line, by the phase of the work.

Any file of a model can be wrong, and each library has its own exceptions; a native library may panic. Around
each phase, and nowhere else, whatever is raised becomes an error that names the model and the phase. The
exception itself is the error's cause, so that its traceback can be shown on request.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum

from mlm_core.errors import MlmError, RequestError, first_line

_LONGEST = 200
"""The number of characters of a library's message that are shown."""

_FEW_WORDS = 3
"""A message with fewer words says nothing without the exception's type: `KeyError: 'gelo'`."""

_OF_THE_MACHINE = {
    errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EROFS
}  # fmt: skip
"""Errors of this machine, not of a model's files."""


class Phase(Enum):
    """What is done with a model's files: what failed, a stable code, and what to do about it."""

    CONFIG = (
        "its config.json cannot be loaded",
        "not_a_model",
        "give a directory with config.json and tokenizer files",
    )
    TOKENIZER = (
        "its tokenizer cannot be loaded",
        "not_a_model",
        "give a directory with config.json and tokenizer files",
    )
    TOKENIZE = (
        "its tokenizer fails on a text",
        "bad_tokenizer",
        "check the tokenizer files, or copy them again",
    )
    BUILD = (
        "no model can be built from its config.json",
        "bad_config",
        "check config.json, or copy it again",
    )
    WEIGHTS = (
        "its weights cannot be used",
        "damaged_weights",
        "check that config.json belongs to the weights, or copy the files again",
    )
    PASS = (
        "it fails on a batch of text",
        "bad_model",
        "check that config.json and the tokenizer belong to the weights",
    )

    @property
    def code(self) -> str:
        """The code of the phase's error."""
        return self.value[1]

    def error(self, model: str, raised: BaseException) -> RequestError:
        """The error for what was raised in this phase; `model` is the model's name."""
        failed, code, fix = self.value
        if isinstance(raised, ImportError):
            code, fix = "missing_package", "install what is missing, or choose another model"
        return RequestError(
            f"{failed} ({reason_of(raised)})", code=code, option="--model", value=model, fix=fix
        )


@contextmanager
def explained(
    phase: Phase, model: str, memory_errors: AbstractContextManager[None] | None = None
) -> Iterator[None]:
    """While inside, whatever a library raises becomes the phase's error.

    Unchanged are the project's own errors, interruptions, a lack of memory and other errors of this machine.

    Args:
        phase: what is done inside.
        model: the user's name for the model.
        memory_errors: tells a framework's memory errors from others; see `Framework.memory_errors_as`.

    Raises:
        RequestError: the phase failed.
    """
    try:
        with memory_errors or nullcontext():
            yield
    except (MlmError, MemoryError):
        raise
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        raise phase.error(model, error) from error
    except Exception as error:
        raise phase.error(model, error) from error
    except BaseException as error:
        # Other exceptions of this kind end the process: an interruption, SystemExit.
        if not is_panic(error):
            raise
        raise phase.error(model, error) from error


def is_panic(error: BaseException) -> bool:
    """Whether an exception is a panic of a library written in Rust; its type has no public name."""
    return type(error).__name__ == "PanicException"


def reason_of(error: BaseException) -> str:
    """What an exception says, in one printable line of limited length."""
    said = " ".join(first_line(error).split())
    name = type(error).__name__
    if len(said.split()) < _FEW_WORDS and said != name:
        said = f"{name}: {said}"
    return shortened(said)


def shortened(text: str) -> str:
    """A text for a message: printable, and cut where it is long."""
    printable = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}..."
