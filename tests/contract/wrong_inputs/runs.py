"""Runs, reports, texts to fill, metrics and pushing."""

# A row a line.
# ruff: noqa: E501

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wrong_inputs.row import Wrong

RESUME = "train --resume --output-dir run --device cpu"
SPEED = {"median": 1.0, "rounds": [1.0]}


def record(content: bytes | None = None, **values: Any) -> Callable[[Path], None]:
    """Change the record of the run."""

    def change(directory: Path) -> None:
        path = directory / "run" / "run.json"
        found = json.loads(path.read_text()) | values
        path.write_bytes(content if content is not None else json.dumps(found).encode())

    return change


def state(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Change the last checkpoint of a run that has lost its model, so that it is needed."""

    def harm(directory: Path) -> None:
        (directory / "run" / "model.safetensors").unlink()
        for checkpoint in sorted((directory / "run" / "checkpoints").iterdir()):
            change(checkpoint)

    return harm


def run(
    name: str,
    change: Callable[[Path], None],
    error: str = "",
    says: str = "",
    words: str = RESUME,
    code: int = 2,
) -> Wrong:
    return Wrong(f"run-{name}", words, error, says, code, change=change)


def report(name: str, content: bytes | str, says: str = "not a report") -> Wrong:
    return Wrong(
        f"report-{name}", "compare --from a.json a.json", "not_a_report", says, files={"a.json": content}
    )


def _report(**column: Any) -> str:
    found = {"name": "torch", "rounds": [[]], "tokens_per_second": SPEED, "work": {}} | column
    return json.dumps({"schema": "mlm.compare/1", "points": [{"name": "", "columns": [found]}]})


ROWS = [
    run("gone", lambda d: shutil.rmtree(d / "run" / "checkpoints"), "no_checkpoint", words=f"{RESUME} --max-steps 9 --allow-change max-steps"),
    run("record-broken", record(b"{"), "damaged_run", "not JSON"),
    run("record-deep", record(b"[" * 100_000), "damaged_run", "deep"),
    run("record-list", record(b"[]"), "damaged_run"),
    run("record-twice", record(b'{"config": {}, "config": {}}'), "damaged_run", "twice"),
    run("record-digits", record(b'{"config": {"seed": ' + b"9" * 5000 + b"}}"), "damaged_run", "digits"),
    run("record-versions", record(versions=None), "damaged_run", "versions"),
    run("record-files", record(files=5), "damaged_run", "files"),
    run("record-data", record(data=[]), "damaged_run", "data"),
    run("record-config", record(config={"seed": "x"}), "", "config this version cannot read", "evaluate run"),
    run("record-unknown", record(config={"sead": 1}), "damaged_run", "cannot read", "evaluate run"),
    run("all-damaged", state(lambda c: (c / "model.safetensors").write_bytes(b"x")), "damaged_checkpoint", "nothing was changed"),
    run("all-cut", state(lambda c: (c / "state.json").unlink()), "damaged_checkpoint", "nothing was changed"),
    run("metrics-changed", lambda d: (state(lambda c: None)(d), (d / "run" / "metrics.jsonl").write_text("{}\n"))[0], "damaged_metrics"),
    run("metrics-gone", lambda d: (state(lambda c: None)(d), (d / "run" / "metrics.jsonl").unlink())[0], "damaged_metrics"),
    run("other-seed", lambda d: None, "changed_plan", "--seed", f"{RESUME} --seed 7"),
    run("other-model", lambda d: None, "changed_data", "--dataset", f"{RESUME} --model wordpiece"),
    run("shorter", lambda d: None, "changed_plan", "--max-steps", f"{RESUME} --max-steps 1"),
    run("other-text", lambda d: (d / "text.jsonl").write_text('{"text": "another"}\n' * 40), "changed_data"),
    run("trust-without-model", lambda d: None, "usage", "requires --model", f"{RESUME} --trust-remote-code"),
    run("record-no-text", record(data={}), "no_dataset", "does not record which text", "evaluate run"),
    run("text-gone", lambda d: (d / "text.jsonl").unlink(), "missing_file", "no longer exists", "evaluate run"),
    run("model-gone", lambda d: (d / "run" / "model.safetensors").unlink(), "missing_weights", words="evaluate run"),
    run("not-a-run", lambda d: None, "not_a_run", words="evaluate model"),
    run("no-such-run", lambda d: None, words="evaluate none/at/all"),
    report("broken", "{"),
    report("list", "[]"),
    report("empty", ""),
    report("deep", "[" * 99_000, "deep"),
    report("of-another-version", '{"schema": "mlm.compare/9"}', "mlm.compare/9"),
    report("of-another-program", '{"schema": 3}'),
    report("without-points", '{"schema": "mlm.compare/1"}', "points"),
    report("without-speed", _report(tokens_per_second=None)),
    report("of-text", _report(tokens_per_second={"median": "1", "rounds": [1]})),
    report("of-nothing", _report(tokens_per_second={"median": 0, "rounds": [0]})),
    report("without-rounds", _report(tokens_per_second={"median": 1.0, "rounds": []})),
    report("of-one-round", _report(rounds=1)),
    Wrong("report-missing", "compare --from none.json none.json", "not_a_report", "cannot be read"),
    Wrong("report-and-options", "compare --from a.json b.json --seed 3", "contradiction", "--seed"),
    Wrong("fill-nothing", "fill model", "usage", "no text to fill"),
    Wrong("fill-without-blank", ["fill", "model", "a cat"], "", "<mask>"),
    Wrong("fill-line-without-blank", "fill model --file a.txt", "no_mask", "--file a.txt: line 3, 'a cat': the text has no mask", files={"a.txt": "a <mask>\n\n a cat\n"}),
    Wrong("fill-line-too-long", "fill model --file a.txt", "text_too_long", "--file a.txt: line 2, ", files={"a.txt": "a <mask>\n" + "a cat " * 99 + "<mask>"}),
    Wrong("fill-too-long", ["fill", "model", "a cat " * 99 + "<mask>"]),
    Wrong("fill-top-k-0", ["fill", "model", "a <mask>", "--top-k", "0"], "", "--top-k"),
    Wrong("fill-top-k-text", ["fill", "model", "a <mask>", "--top-k", "many"], "", "--top-k"),
    Wrong("fill-top-k-digits", ["fill", "model", "a <mask>", "--top-k", "9" * 5000], "", "--top-k"),
    Wrong("fill-no-file", "fill model --file none.txt", "unreadable_file"),
    Wrong("fill-not-utf8", "fill model --file a.txt", "unreadable_file", "byte 2", files={"a.txt": b"a \xff <mask>"}),
    Wrong("fill-empty-file", "fill model --file a.txt", "usage", "no text", files={"a.txt": "\n"}),
    Wrong("metric-in-the-way", "evaluate run --metric accuracy", "bad_metric", "current directory", files={"accuracy/accuracy.py": "1/0"}),
    Wrong("metric-in-the-way-2", "evaluate run --metric accuracy", "bad_metric", "current directory", files={"accuracy.py": "1/0"}),
    Wrong("metric-unknown", "evaluate run --metric none-such", "bad_metric"),
    Wrong("metric-option", "evaluate run --metric none-such --metric-option x", "invalid_type", "NAME=VALUE"),
    Wrong("evaluate-nothing", "evaluate none", "not_a_run", "RUN none: no such directory"),
    Wrong("push-nothing", "push none ORG/NAME", "missing_model", "no such directory"),
    Wrong("push-text", "push text.jsonl ORG/NAME", ""),
    Wrong("push-offline", "push run org/name", "hub_offline", "because HF_HUB_OFFLINE is set; unset it"),
    Wrong("parity-of-one", "parity --backends torch", "", "--backends"),
    Wrong("compare-rounds", "compare --rounds 0", "", "--rounds"),
]  # fmt: skip
