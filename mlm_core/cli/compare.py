"""mlm compare."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.cli.request import Request, whole_number
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

if TYPE_CHECKING:
    from mlm_core.compare.variant_process import VariantProcess


def run(request: Request) -> dict[str, Any]:
    """Train variants in interleaved rounds and write a report, or compare two reports."""
    least = _least_ratio(request.arguments["fail_below"])
    return (_between if request.arguments["from"] is not None else _trained)(request, least)


def _trained(request: Request, least: float | None) -> dict[str, Any]:
    config, arguments = Config.from_dict(request.given), request.arguments
    rounds = whole_number(arguments["rounds"], "--rounds", least=2)
    steps = whole_number(arguments["steps"], "--steps", least=1)
    from mlm_core.compare.report import measured_point, report_content
    from mlm_core.compare.run import Rounds
    from mlm_core.compare.variants import chosen_points, chosen_variants, side_by_side
    from mlm_core.compare.written import check_report_directory, write_report
    from mlm_core.data.check_source import check_source
    from mlm_core.model.find_model import find_model
    from mlm_core.progress import Progress

    points = chosen_points(arguments["sweep"])
    asked = (arguments["backends"], arguments["variants"], arguments["baseline"])
    variants, points = side_by_side(chosen_variants(*asked, least=1 if len(points) > 1 else 2), points)
    directory = check_report_directory(config)
    # An error that is visible here ends the command; otherwise it would become a row of the report.
    find_model(config)
    check_source(config)
    work = Rounds(config, variants, rounds, steps, Progress.of(config))
    # As an exception, SIGTERM also ends the other processes and keeps the finished rounds.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    found: list[dict[str, Any]] = []
    ended_by: BaseException | None = None
    for point in points:
        processes: list[VariantProcess] = []
        try:
            work.at(point, processes)
        except (KeyboardInterrupt, SystemExit) as error:
            ended_by = error
        _raise_shared_problem(processes)
        found.append(measured_point(point, processes, work.load.facts()))
        if ended_by is not None:
            break
    command = shlex.join(["mlm", *sys.argv[1:]])
    content = report_content(found, command=command, complete=ended_by is None, fail_below=least)
    place = None
    if any("rounds" in variant for point in found for variant in point["columns"]):
        place = str(write_report(directory, content))
        work.progress.say(f"written: {place}")
    if ended_by is not None:
        raise ended_by
    return content | {"output_dir": place}


def _raise_shared_problem(processes: list[VariantProcess]) -> None:
    """Raise the error of a wrong request that every variant reports."""
    problems = [process.problem for process in processes]
    first = problems[0] if problems else None
    if first is None or first.get("exit_code") != RequestError.exit_code:
        return
    if all(problem is not None and problem["code"] == first["code"] for problem in problems):
        raise RequestError(**{name: value for name, value in first.items() if name != "exit_code"})


def _between(request: Request, least: float | None) -> dict[str, Any]:
    """Compare two reports that exist already."""
    from mlm_core.compare.between import compare_reports
    from mlm_core.compare.report import read_report

    if request.given:
        raise RequestError(
            "reads two reports and trains nothing",
            code="contradiction",
            option="--from",
            fix=f"leave out {Config.options()[next(iter(request.given))].flag}",
        )
    before, after = (read_report(Path(path)) for path in request.arguments["from"])
    return {"comparisons": compare_reports(before, after), "fail_below": least}


def _least_ratio(written: str | None) -> float | None:
    try:
        least = None if written is None else float(written)
    except ValueError:
        least = -1.0
    if least is None or 0 < least < 100:
        return least
    raise RequestError(
        "must be a ratio above 0 and below 100",
        code="invalid_type",
        option="--fail-below",
        value=written,
        fix="for example, 0.95 fails a variant that reaches less than 95% of the speed it is compared with",
    )


def exit_code(results: dict[str, Any]) -> int:
    """1 if a point has no comparison or `--fail-below` is not met; else 0."""
    groups = [point["comparisons"] for point in results.get("points", [results])]
    met = all(groups) and all(_meets(results, comparison) for group in groups for comparison in group)
    return 0 if met else 1


def _against_the_threshold(results: dict[str, Any]) -> str:
    """Whether `--fail-below` is met, and whether there were enough rounds to be sure."""
    found = [comparison for point in results.get("points", [results]) for comparison in point["comparisons"]]
    unsure = any(comparison["speed"]["verdict"] == "unclear" for comparison in found)
    return (
        f"this {'does not meet' if exit_code(results) else 'meets'} --fail-below {results['fail_below']}"
        f"{', in too few rounds to be sure' if unsure else ''}"
    )


def _meets(results: dict[str, Any], comparison: dict[str, Any]) -> bool:
    least = results["fail_below"]
    # Speeds of different work cannot be compared.
    return least is None or (comparison["speed"]["value"] >= least and not comparison.get("other_work"))


def show(results: dict[str, Any]) -> None:
    """Print the tables and the verdicts."""
    from mlm_core.compare.tables import between, terminal

    # 80 columns where the output is no terminal.
    width = shutil.get_terminal_size().columns
    print(terminal(results, width) if "points" in results else between(results["comparisons"]))
    if results["fail_below"] is not None:
        print(_against_the_threshold(results))
