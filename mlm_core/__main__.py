"""The `mlm` command."""

from __future__ import annotations

import os
import sys

from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.request import Request
from mlm_core.errors import MlmError, RunError
from mlm_core.system.machine import check_system


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        check_system()
        request = parse_request(build_parser(), words)
        return _run(request)
    except MlmError as error:
        return _report(error, "--json" in words)
    except KeyboardInterrupt:
        print("mlm: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone, so there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        fix = "use less text or a smaller --batch-size"
        return _report(RunError("out of memory", code="out_of_memory", fix=fix), "--json" in words)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _report(RunError(f"{place}{error.strerror or error}", code="system_error"), "--json" in words)


def _run(request: Request) -> int:
    from importlib import import_module

    command = import_module(f"mlm_core.cli.{request.command}")
    try:
        results: dict[str, object] = command.run(request)
    except MlmError as error:
        if error.option == "--model" and "run" in request.arguments:
            # In this command the model is the argument RUN.
            error.option = "RUN"
        raise
    if request.json:
        import json

        print(json.dumps(results, allow_nan=False))
    else:
        command.show(results)
    return int(command.exit_code(results)) if hasattr(command, "exit_code") else 0


def _report(error: MlmError, as_json: bool) -> int:
    print(f"mlm: error: {error}", file=sys.stderr)
    if as_json:
        import json

        print(json.dumps({"error": error.as_dict()}))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
