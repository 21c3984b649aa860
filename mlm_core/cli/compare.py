"""mlm compare."""

from __future__ import annotations

import shlex
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlm_core.cli.request import Request, whole_number
from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.system.scratch import scratch_directory

if TYPE_CHECKING:
    from mlm_core.compare.variant_process import VariantProcess
    from mlm_core.compare.variants import Point, Variant
    from mlm_core.progress import Progress

_NEVER = 10**7
"""Steps between checkpoints: more than any variant trains, so that nothing is saved."""


def run(request: Request) -> dict[str, Any]:
    """Train variants in interleaved rounds and write a report, or compare two reports."""
    least = _least_ratio(request.arguments["fail_below"])
    return (_between if request.arguments["from"] is not None else _trained)(request, least)


def _trained(request: Request, least: float | None) -> dict[str, Any]:
    config, arguments = Config.from_dict(request.given), request.arguments
    rounds = whole_number(arguments["rounds"], "--rounds", least=2)
    steps = whole_number(arguments["steps"], "--steps", least=1)
    from mlm_core.compare.report import measured_point, report_content
    from mlm_core.compare.variants import chosen_points, chosen_variants
    from mlm_core.compare.written import check_report_directory, write_report
    from mlm_core.data.check_source import check_source
    from mlm_core.model.find_model import find_model
    from mlm_core.progress import Progress

    variants = chosen_variants(arguments["backends"], arguments["variants"], arguments["baseline"])
    points = chosen_points(arguments["sweep"])
    directory = check_report_directory(config)
    # An error that is visible here ends the command; otherwise it would become a row of the report.
    find_model(config)
    check_source(config)
    work = _Work(config, variants, rounds, steps, Progress.of(config))
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
        found.append(measured_point(point, processes))
        if ended_by is not None:
            break
    command = shlex.join(["mlm", *sys.argv[1:]])
    content = report_content(found, command=command, complete=ended_by is None, fail_below=least)
    if any("rounds" in variant for point in found for variant in point["columns"]):
        write_report(directory, content)
        work.progress.say(f"written: {directory}")
    if ended_by is not None:
        raise ended_by
    return content


def _raise_shared_problem(processes: list[VariantProcess]) -> None:
    """Raise the error of a wrong request that every variant reports."""
    problems = [process.problem for process in processes]
    first = problems[0] if problems else None
    if first is None or first.get("exit_code") != RequestError.exit_code:
        return
    if all(problem is not None and problem["code"] == first["code"] for problem in problems):
        raise RequestError(**{name: value for name, value in first.items() if name != "exit_code"})


@dataclass(frozen=True)
class _Work:
    config: Config
    variants: list[Variant]
    rounds: int
    steps: int
    progress: Progress

    def at(self, point: Point, processes: list[VariantProcess]) -> None:
        """Train all variants at a point.

        Args:
            point: the value of the swept option.
            processes: receives the variants' processes, so that they can be read after an interruption too.
        """
        from mlm_core.compare.rounds import run_rounds
        from mlm_core.compare.variant_process import VariantProcess
        from mlm_core.compare.worker import WARM_UP

        config = replace(
            point.config(self.config),
            # One step more than is ever reached: a run saves its last step.
            max_steps=WARM_UP + self.rounds * self.steps + 1,
            save_steps=_NEVER,
            output_dir=None,
            overwrite=False,
            quiet=True,
        )
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_directory("compare", self.progress.say))
            counter = self.progress.counter(f"{point.name} rounds".strip(), self.rounds)
            stack.callback(counter.stop)
            for number, variant in enumerate(self.variants):
                processes.append(stack.enter_context(VariantProcess(variant, config, scratch / str(number))))
            starting = ", ".join(variant.name for variant in self.variants)
            self.progress.say(f"{point.name + ': ' if point.name else ''}starting {starting}, one by one")
            run_rounds(processes, self.rounds, self.steps, lambda _: counter.advance())


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

    print(terminal(results) if "points" in results else between(results["comparisons"]))
    if results["fail_below"] is not None:
        print(_against_the_threshold(results))
