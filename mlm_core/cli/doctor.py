"""mlm doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlm_core.cli.bug_report import bug_report
from mlm_core.cli.request import Request
from mlm_core.errors import RequestError
from mlm_core.progress import Progress
from mlm_core.ranks.node import node_facts
from mlm_core.registry import engine_names, load
from mlm_core.system.cache import cache_directory
from mlm_core.system.child_processes import child_environment, python_command
from mlm_core.system.machine import cores
from mlm_core.system.versions import core_versions
from mlm_core.visible import quantity

_PROBE = """
import json, sys
from mlm_core import load_engine
from mlm_core.visible import quantity
engine = load_engine(sys.argv[1])
print(json.dumps({"devices": engine.devices(), "gpus": engine.gpus(), "collectives": engine.collectives()}))
"""


def run(request: Request) -> dict[str, Any]:
    """Examine the installation; each framework is imported in its own process, beside the others."""
    cache, names = cache_directory(), engine_names()
    progress = Progress(quiet=request.json, verbose=False, logging_steps=1)
    importing = progress.phase(f"importing {' and '.join(names)}", logged=False)
    # At least one worker: there may be no engine at all.
    with importing, ThreadPoolExecutor(max(1, len(names))) as pool:
        found = dict(zip(names, pool.map(_look, names), strict=True))
    problems = [f"{name}: {facts['problem']}" for name, facts in found.items() if facts["problem"]]
    if not any(facts["works"] for facts in found.values()):
        problems.append("no backend works: pip install 'mlm[torch]' or 'mlm[tf]'")
    ranks = node_facts()
    if ranks["problem"]:
        problems.append(ranks["problem"])
    if not _can_write(cache):
        problems.append(f"the cache {cache} is not writable: set MLM_CACHE to a writable directory")
    return {
        "versions": core_versions(),
        "cores": cores(),
        "ranks": ranks,
        "cache": str(cache),
        "backends": found,
        "problems": problems,
    } | ({"report": bug_report(cache, found, problems)} if request.arguments["report"] else {})


def exit_code(results: dict[str, Any]) -> int:
    """1 if no backend works, else 0."""
    return 0 if any(facts["works"] for facts in results["backends"].values()) else 1


def show(results: dict[str, Any]) -> None:
    """Print what was found; the report alone, if it was asked for."""
    if "report" in results:
        print(results["report"])
        return
    for name, number in results["versions"].items():
        print(f"{name:16} {number}")
    print(f"{'cores':16} {results['cores']}")
    for line in _rank_lines(results["ranks"]):
        print(line)
    print(f"{'cache':16} {results['cache']}")
    for name, facts in results["backends"].items():
        versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
        state = f"works on {' and '.join(facts['devices'])}" if facts["works"] else "does not work"
        print(f"backend {name:8} {state}{f' ({versions})' if versions else ''}")
        if facts["works"]:
            print(f"{'':16} several processes through {facts['collectives']}")
            for name in facts["gpus"]:
                print(f"{'':16} {name}")
    print(f"{'GPU':16} {_gpu(results['backends'])}")
    for problem in results["problems"]:
        print(f"problem: {problem}")


def _rank_lines(ranks: dict[str, Any]) -> list[str]:
    if ranks.get("count", 1) == 1:
        return []
    here = f"on this machine {ranks['local_rank']} of {ranks['local_count']}"
    place = f"{ranks['rank']} of {ranks['count']}, {here} ({ranks['by']})"
    lines = [f"{'rank':16} {place}, {quantity(ranks['threads'], 'thread')}"]
    return lines + [f"{'':16} {address}: {state}" for address, state in ranks["addresses"].items()]


def _gpu(backends: dict[str, dict[str, Any]]) -> str:
    """Which of the backends that work find a GPU."""
    working = [name for name, facts in backends.items() if facts["works"]]
    finding = [name for name in working if "gpu" in backends[name]["devices"]]
    if not working:
        return "not looked for, because no backend works"
    if not finding:
        return f"none found by {' or '.join(working)}"
    others = [name for name in working if name not in finding]
    return f"found by {' and '.join(finding)}" + (f", not by {' or '.join(others)}" if others else "")


def _can_write(directory: Path) -> bool:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return os.access(existing, os.W_OK)


def _look(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "works": False,
        "installed": False,
        "versions": {},
        "devices": [],
        "gpus": [],
        "collectives": None,
        "problem": None,
    }
    try:
        engine = load(name)
    except RequestError as error:
        return facts | {"problem": f"{error.message}; {error.fix}"}
    facts |= {"installed": engine.installed(), "versions": engine.versions()}
    if not engine.available():
        facts["problem"] = f"{', '.join(engine.missing())}; {engine.install}"
        return facts
    try:
        probe = subprocess.run(
            python_command("-c", _PROBE, name),
            env=child_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return facts | {"problem": f"{sys.executable} cannot be started ({error.strerror})"}
    if probe.returncode == 0:
        said: dict[str, Any] = json.loads(probe.stdout.splitlines()[-1])
        return facts | {"works": True} | said
    reason = (probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"])[-1]
    return facts | {"problem": f"cannot be imported ({reason}); reinstall it: {engine.install}"}
