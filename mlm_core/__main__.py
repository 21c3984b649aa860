"""The `mlm` command."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 1 (it failed), 2 (the request is wrong), 128 + a signal.

    Every error is one line on stderr; its traceback is shown with `--verbose`.

    Args:
        arguments: the words after `mlm`; None: those of this process, which ends afterwards.
    """
    try:
        # Loaded here, so that Ctrl-C while it loads is no traceback either.
        from mlm_core.cli.run import run_command

        return run_command(arguments)
    except KeyboardInterrupt:
        print("mlm: stopped by Ctrl-C", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
