"""The kinds of fault. Each is a function that harms one run and returns what became of it.

It returns "finished" (the run was not disturbed), "resumed" (to the same bytes as a run that never failed)
or "refused" (with one clear line, and nothing lost). What must not happen is added to `ground.trouble`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ground import Ground, digest, wait_for_a_moment
from injection import READING, FailingCalls, drawn_calls, drawn_limit

Kind = Callable[[Ground, Path, random.Random], str]


def killed(ground: Ground, whole: Path, draw: random.Random) -> str:
    """SIGKILL at a drawn moment, up to three times."""
    for _ in range(draw.randint(1, 3)):
        process = ground.start("--resume")
        wait_for_a_moment(process, ground.run, draw)
        process.send(signal.SIGKILL)
        ground.check(process)
    return _must_resume(ground, whole)


def signalled(ground: Ground, whole: Path, draw: random.Random) -> str:
    """One or two of SIGINT, SIGTERM and SIGHUP, close together."""
    process = ground.start("--resume")
    wait_for_a_moment(process, ground.run, draw)
    for number in draw.choices([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], k=draw.randint(1, 2)):
        process.send(number)
        time.sleep(draw.choice([0, 0.001, 0.01, 0.05]))
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
        return "finished"
    return _must_resume(ground, whole)


def overwriting(ground: Ground, whole: Path, draw: random.Random) -> str:
    """A run that replaces another is ended at a drawn moment: one of them is always whole."""
    shutil.copytree(whole, ground.run)
    files = ground.keep_a_file(*draw.sample([ground.run, ground.run / "checkpoints"], draw.randint(0, 2)))
    earlier = digest(ground.run / "model.safetensors")
    process = ground.start("--overwrite", "--seed", "7")
    wait_for_a_moment(process, ground.run, draw)
    process.send(draw.choice([signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT]))
    code = ground.check(process)
    if code != 0 and not ground.expect_earlier(earlier):
        ground.trouble.append("the run to be replaced is lost")
    ground.expect_kept(files)
    if code == 0:
        return "finished"
    again = ground.start("--resume", "--seed", "7")
    if ground.check(again) not in (0, 2):
        ground.trouble.append(f"cannot go on: {again.said()[-300:]}")
    ground.expect_kept(files)
    return "resumed" if again.code == 0 else "refused"


def calls_that_fail(ground: Ground, whole: Path, draw: random.Random) -> str:
    """Calls that write below the run or the cache fail: a full disk, a quota, a bad disk."""
    place = draw.choice([ground.run, ground.run, ground.cache])
    process = ground.start("--resume", fault=drawn_calls(draw, place))
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
        return "finished"
    return _must_resume(ground, whole)


def limited(ground: Ground, whole: Path, draw: random.Random) -> str:
    """Little room: for files, open files or memory."""
    process = ground.start("--resume", fault=drawn_limit(draw))
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
        return "finished"
    return _must_resume(ground, whole)


def unreadable(ground: Ground, whole: Path, draw: random.Random) -> str:
    """Files of an interrupted run cannot be read for a while: nothing of it may be given up."""
    _interrupt(ground, draw)
    before = _content(ground.run)
    parts = ["run.json", "metrics.jsonl", "checkpoints", "checkpoints/step-00000015/state.json"]
    place = ground.run / draw.choice(
        [*parts, "checkpoints/step-00000015/optimizer.safetensors", "checkpoints"]
    )
    fault = FailingCalls(place, READING, draw.choice([5, 13, 24, 116]), 0, 9999, read_only=True)
    process = ground.start("--resume", fault=fault)
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
        return "resumed"
    if _content(ground.run) != before:
        ground.trouble.append(f"files changed though {place.name} could not be read")
    return _must_resume(ground, whole)


def changed(ground: Ground, whole: Path, draw: random.Random) -> str:
    """A file of an interrupted run is cut, changed, emptied or gone."""
    _interrupt(ground, draw)
    files = sorted(path for path in ground.run.rglob("*") if path.is_file())
    _harm(draw.choice(files), draw)
    kept = ground.keep_a_file(ground.run)
    outcome = ground.settle(whole)
    ground.expect_kept(kept)
    return outcome


def vanished(ground: Ground, whole: Path, draw: random.Random) -> str:
    """Something that the run needs is removed, moved or changed while it trains."""
    process = ground.start("--resume")
    wait_for_a_moment(process, ground.run, draw)
    places = [ground.run, ground.run / "run.json", ground.run / "metrics.jsonl", ground.run / "checkpoints"]
    place = draw.choice([*places, ground.inputs / "text.jsonl", ground.inputs / "model"])
    aside = place.with_name(f"{place.name}.aside")
    if place.exists():
        place.rename(aside)
    code = ground.check(process)
    if code == 0 and place.exists():
        ground.compare(ground.run, whole)
    if aside.exists():
        if place.exists():
            # The run wrote another in its place, as it must for a directory that it still needs.
            shutil.move(place, place.with_name(f"{place.name}.second"))
        aside.rename(place)
    return ground.settle(whole) if (ground.run / "run.json").exists() else _must_resume(ground, whole)


def prepared_text_changed(ground: Ground, whole: Path, draw: random.Random) -> str:
    """The prepared text is cut or changed while a run reads it."""
    process = ground.start("--resume")
    wait_for_a_moment(process, ground.run, draw)
    for path in sorted(ground.cache.rglob("*")):
        if path.is_file() and draw.random() < 0.7:
            _harm(path, draw)
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
        return "finished"
    return _must_resume(ground, whole)


def two_at_once(ground: Ground, whole: Path, draw: random.Random) -> str:
    """Two processes train in one directory: exactly one gets it."""
    words = draw.choice([("--resume",), ("--overwrite",), ()])
    first = ground.start(*words)
    time.sleep(draw.choice([0, 0, 0.2, 1]))
    second = ground.start(*words)
    codes = sorted([ground.check(first), ground.check(second)])
    if codes == [0, 2] or (codes == [0, 0] and words):
        ground.compare(ground.run, whole)
        return "finished"
    ground.trouble.append(f"exit codes {codes}: {first.said()[-200:]} {second.said()[-200:]}")
    return "refused"


def moved(ground: Ground, whole: Path, draw: random.Random) -> str:
    """The run's directory is moved while it trains, and another run begins in its place."""
    first = ground.start()
    wait_for_a_moment(first, ground.run, draw)
    elsewhere = ground.directory / "run-moved"
    if ground.run.exists():
        ground.run.rename(elsewhere)
    second = ground.start()
    if ground.check(second) == 0:
        ground.compare(ground.run, whole)
    elif (ground.run / "run.json").exists() and second.code != 2:
        ground.trouble.append(f"the second run failed: {second.said()[-300:]}")
    code = ground.check(first)
    if not (elsewhere / "run.json").exists():
        return "finished"
    again = ground.start("--resume", run=elsewhere)
    if ground.check(again) == 0:
        ground.compare(elsewhere, whole)
        return "finished" if code == 0 else "resumed"
    return "refused"


def finished_and_harmed(ground: Ground, whole: Path, draw: random.Random) -> str:
    """A file of a complete run is harmed, then it is asked to resume."""
    shutil.copytree(whole, ground.run)
    kept = ground.keep_a_file(ground.run)
    files = sorted(path for path in ground.run.rglob("*") if path.is_file() and path.name != "notes.txt")
    _harm(draw.choice(files), draw)
    process = ground.start("--resume")
    if ground.check(process) == 0:
        ground.compare(ground.run, whole)
    ground.expect_kept(kept)
    return "resumed" if process.code == 0 else "refused"


KINDS: dict[str, Kind] = {
    kind.__name__.replace("_", " "): kind
    for kind in (
        killed, signalled, overwriting, calls_that_fail, limited, unreadable, changed, vanished,
        prepared_text_changed, two_at_once, moved, finished_and_harmed,
    )
}  # fmt: skip


def _must_resume(ground: Ground, whole: Path) -> str:
    """Resume a run that lost nothing: refusing it is a loss."""
    outcome = ground.settle(whole)
    if outcome == "refused":
        ground.trouble.append("it cannot be resumed though nothing of it was harmed")
    return outcome


def _interrupt(ground: Ground, draw: random.Random) -> None:
    """Train past step 15 and stop there."""
    process = ground.start()
    process.wait_until(lambda: (ground.run / "checkpoints/step-00000015").exists())
    process.send(draw.choice([signal.SIGKILL, signal.SIGTERM]))
    ground.check(process)


def _harm(path: Path, draw: random.Random) -> None:
    """Cut a file, change a byte in place, fill it with zeros, empty it, or remove it."""
    size = path.stat().st_size
    how = draw.choice(["cut", "byte", "zeros", "empty", "gone"])
    if how == "gone":
        path.unlink()
    elif how in ("cut", "empty") or size == 0:
        os.truncate(path, draw.randrange(size) if how == "cut" and size else 0)
    else:
        with path.open("r+b") as file:
            file.seek(draw.randrange(size))
            file.write(bytes([draw.randrange(256)]) if how == "byte" else b"\0" * min(64, size))


def _content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
