"""Runs a command: its errors, its output and its exit code."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from mlm_core.cli.launch import launch, ranks_asked
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.request import Request
from mlm_core.errors import MlmError, RequestError, RunError, first_line
from mlm_core.progress import show_last
from mlm_core.ranks.launch import Launched, launched
from mlm_core.ranks.notes import begin_watched, notes
from mlm_core.system.machine import check_system
from mlm_core.system.os_errors import advice, reason
from mlm_core.system.streams import (
    captured_output,
    end_process,
    flush_output,
    give_up_output,
    prepare_streams,
    write_output,
)
from mlm_core.visible import masked_values, visible

_TOGETHER, _EACH = ("train", "evaluate"), ("doctor",)
"""The commands that several ranks run together, and those that each rank runs for itself."""


def run_command(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit code; `main` says which, and takes the same arguments."""
    words = sys.argv[1:] if arguments is None else arguments
    prepare_streams()
    try:
        code = _guarded(words)
    except SystemExit as end:
        if not flush_output():
            return 1
        if arguments is not None:
            raise
        code = end.code if isinstance(end.code, int) else 1
    launcher = notes()
    if launcher is not None and code == 0:
        launcher.write_done(launched().rank)
    if arguments is None:
        # The process ends: another interrupt could only break its end.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_process(code)
    return code


def _guarded(words: list[str]) -> int:
    as_json = "--json" in words
    try:
        check_system()
        begin_watched()
        return _run(parse_request(build_parser(), words), words)
    except MlmError as error:
        if error.__cause__ is not None:
            # What a library raised on the files of a model.
            _show_traceback(words)
        return _report(error, as_json)
    except KeyboardInterrupt as stop:
        return _report(_stopped(stop), as_json) if notes() is None else 130
    except BrokenPipeError:
        # The reader of the output has gone, so there is nobody to tell.
        give_up_output()
        if notes() is not None:
            _report(RunError("nobody reads the output any more", code="output_failed"), as_json)
        return 1
    except MemoryError:
        fix = "use less text or a smaller --batch-size"
        return _report(RunError("out of memory", code="out_of_memory", fix=fix), as_json)
    except OSError as error:
        _show_traceback(words)
        place = f"{error.filename}: " if isinstance(error.filename, str) else ""
        failed = RunError(f"{place}{reason(error)}", code="system_error", fix=advice(error))
        return _report(failed, as_json)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Not foreseen, so a fault of this program. Native libraries raise errors that are no Exceptions.
        _show_traceback(words)
        return _report(_unforeseen(error, shown="--verbose" in words), as_json)


def _run(request: Request, words: list[str]) -> int:
    from importlib import import_module

    command = import_module(f"mlm_core.cli.{request.command}")
    place = launched() if request.command not in _EACH else Launched()
    if place.count > 1 and request.command not in _TOGETHER:
        raise RequestError(
            f"mlm {request.command} works in one process",
            code="several_processes",
            option=place.by,
            value=place.count,
            fix="start one process",
        )
    count = ranks_asked(request, place)
    if count > 1:
        return launch(request, words, count, command.given_config(request))
    try:
        results: dict[str, object] = command.run(request)
    except MlmError as error:
        if error.option == "--model" and "run" in request.arguments:
            # In this command the model is the argument RUN.
            error.option = "RUN"
        raise
    if not place.first:
        return 0
    if request.json:
        import json

        text = json.dumps(masked_values(results), allow_nan=False) + "\n"
    else:
        with captured_output() as output:
            command.show(results)
        text = output.getvalue()
    try:
        write_output(text, plain=not request.json)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(f"the output cannot be written ({reason(error)})", code="output_failed") from None
    return int(command.exit_code(results)) if hasattr(command, "exit_code") else 0


def _stopped(stop: KeyboardInterrupt) -> MlmError:
    """The end by Ctrl-C, with what a run has noted about how it goes on."""
    error = MlmError(
        "stopped by Ctrl-C", code="interrupted", fix="; ".join(getattr(stop, "__notes__", ())) or None
    )
    error.exit_code = 128 + signal.SIGINT
    return error


def _unforeseen(error: BaseException, *, shown: bool) -> RunError:
    again = "" if shown else "run it again with --verbose to see where, and "
    return RunError(
        f"an unforeseen error ({type(error).__name__}: {first_line(error)})",
        code="internal_error",
        fix=f"{again}report it as CONTRIBUTING.md says",
    )


def _show_traceback(words: list[str]) -> None:
    if "--verbose" in words:
        import traceback

        print(visible(traceback.format_exc(), lines=True), file=sys.stderr)


def _report(error: MlmError, as_json: bool) -> int:
    rank, launcher = _rank(), notes()
    told = launcher is not None and launcher.write_error(rank, error)
    # The rank that failed says it, or the launcher that watches all.
    if told or error.said_by not in (None, rank):
        return error.exit_code
    speaker = f"rank {rank}: " if rank else ""
    # A stop that the user asked for is no error.
    kind = "" if error.code == "interrupted" else "error: "
    show_last(f"mlm: {kind}{speaker}{visible(str(error))}")
    if as_json:
        import json

        facts = {
            name: visible(value) if isinstance(value, str) else value
            for name, value in error.as_dict().items()
        }
        with suppress(OSError):
            write_output(json.dumps({"error": facts}) + "\n", plain=False)
    return error.exit_code


def _rank() -> int:
    try:
        return launched().rank
    except RequestError:
        return 0
