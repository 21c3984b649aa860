"""Whatever a file holds, reading it succeeds or ends with one of our errors, in one line.

3,000 cases in all, the same in every run; `test_enough_is_tried` counts them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import VALUES, changed_bytes, changed_json, wrong_files

from mlm_core import Config, MlmError
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.train import _file_options
from mlm_core.compare.report import read_report
from mlm_core.data.sources import load_source
from mlm_core.data.store import build_store, open_store
from mlm_core.hub.record import HubRecord
from mlm_core.model.weight_files import read_weights
from mlm_core.progress import Progress
from mlm_core.report.metrics import read_metrics
from mlm_core.report.run_charts import run_charts
from mlm_core.training.checkpoint import Checkpoints, Moments
from mlm_core.training.recorded_options import with_recorded
from mlm_core.training.run_card import evaluation_rows
from mlm_core.training.run_directory import finished_result
from mlm_core.training.run_record import check_state, config_of, read_facts
from mlm_core.training.run_report import report_of_run

EARLIER = Path(__file__).parents[1] / "data" / "earlier" / "torch"
RECORD = json.loads((EARLIER / "finished" / "run.json").read_text(encoding="utf-8"))
STATE = json.loads(
    (EARLIER / "interrupted" / "checkpoints" / "step-00000007" / "state.json").read_text(encoding="utf-8")
)
SPEED = {"median": 2.0, "rounds": [2.0, 2.0], "low": 1.0, "high": 3.0}
REPORT = {
    "schema": "mlm.compare/1",
    "points": [
        {"name": "", "columns": [{"name": "torch", "rounds": [[]], "tokens_per_second": SPEED, "work": {}}]}
    ],
}
FILLED = {"answers": [{"token": " a", "score": 0.5}], "score": 0.25, "rank": 2}
FACTS_OF_A_RUN = RECORD | {
    "examples": [{"text": "a <mask> b.", "word": "c", "before": FILLED, "after": FILLED}]
}
LINES = [
    {"step": 0, "eval_loss": 1.0, "eval_perplexity": 2.7, "eval_accuracy": 0.1, "eval_masked_tokens": 3},
    {"step": 1, "epoch": 0.5, "loss": 1.5, "masked_tokens": 2},
]
OPTIONS = {"seed": 3, "learning-rate": 1e-3, "dataset": "a.txt", "push_to_hub": True, "masking": "exact"}


CASES = []


def fuzz(cases):
    """The same cases in every run."""
    CASES.append(cases)
    return settings(
        max_examples=cases,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def read(tried, name, reader, *arguments):
    """Read; an error must be ours, and one line."""
    tried[name] += 1
    try:
        return reader(*arguments)
    except MlmError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 2000
        json.dumps(error.as_dict())
        return None


@fuzz(500)
@given(content=wrong_files(RECORD))
def test_records_of_runs(tmp_path_factory, tried, content):
    path = tmp_path_factory.mktemp("run")
    (path / "run.json").write_bytes(content)
    facts = read(tried, "run.json", read_facts, path)
    if facts is not None:
        read(tried, "run.json", config_of, facts, path)
    config = Config(output_dir=str(path), resume=True)
    read(tried, "run.json", finished_result, config)
    read(tried, "run.json", with_recorded, config)
    assert [item.name for item in path.iterdir()] == ["run.json"]


@fuzz(300)
@given(content=wrong_files(STATE), signed=st.booleans())
def test_states_of_checkpoints(tmp_path_factory, tried, content, signed):
    run = tmp_path_factory.mktemp("run")
    made = Checkpoints(run, 2)
    arrays = {"a": np.ones(2, np.float32)}
    path = made.save(7, arrays, Moments(arrays, arrays), {}) / "state.json"
    own = json.loads(path.read_text())["files"]
    if signed:
        # As somebody would who knows how a state vouches for itself.
        try:
            state = json.loads(content) | {"step": 7, "files": own}
            del state["digest"]
            state["digest"] = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
            content = json.dumps(state).encode()
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
    path.write_bytes(content)
    found = read(tried, "state.json", made.newest)
    if found is not None:
        read(tried, "state.json", check_state, found.facts, found.path)


@fuzz(200)
@given(content=wrong_files(REPORT))
def test_reports(tmp_path_factory, tried, content):
    from mlm_core.compare.between import compare_reports

    path = tmp_path_factory.mktemp("report") / "report.json"
    path.write_bytes(content)
    found = read(tried, "report.json", read_report, path)
    if found is not None:
        read(tried, "report.json", compare_reports, REPORT, found)


@fuzz(200)
@given(data=st.data())
def test_stores(tmp_path_factory, tried, data):
    directory = tmp_path_factory.mktemp("store") / "store"
    store = build_store(directory, [np.arange(12, dtype=np.int32)], 4, documents=1)
    facts = asdict(store.facts)
    name = data.draw(st.sampled_from(["store.json", "blocks.bin"]))
    old = (directory / name).read_bytes()
    new = data.draw(wrong_files(facts) if name == "store.json" else changed_bytes(old))
    (directory / name).write_bytes(new)
    found = read(tried, "store.json", open_store, directory)
    # What opens has the blocks that its description vouches for.
    if found is not None and name == "blocks.bin":
        assert new == old
    if found is not None:
        assert found.blocks.tolist() == np.arange(12).reshape(found.blocks.shape).tolist()


@fuzz(200)
@given(lines=st.lists(st.one_of([wrong_files(line) for line in LINES]), max_size=4))
def test_metrics(tmp_path_factory, tried, lines):
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = read(tried, "metrics.jsonl", read_metrics, path)
    assert len(evaluation_rows(found)) == len(found.held_out)
    # Whatever the numbers are, they can be drawn.
    assert all(chart.figure() for chart in run_charts(found))


@fuzz(200)
@given(content=wrong_files(FACTS_OF_A_RUN))
def test_facts_of_a_report(tmp_path_factory, tried, content):
    path = tmp_path_factory.mktemp("run")
    (path / "run.json").write_bytes(content)
    page = read(tried, "run.json", report_of_run, path)
    assert page is None or "</html>" in page


@fuzz(100)
@given(content=wrong_files({"ORG/NAME": {"commit": "a" * 40, "sent": {"config.json": ["1", "2"]}}}))
def test_records_of_the_hub(tmp_path_factory, tried, content):
    path = tmp_path_factory.mktemp("hub")
    (path / "hub.json").write_bytes(content)
    read(tried, "hub.json", lambda: HubRecord(path, print).seen("ORG/NAME"))


@fuzz(300)
@given(data=st.data())
def test_configs(tmp_path_factory, tried, data):
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in OPTIONS.items())
    flow = st.sampled_from(
        [
            "a: &a [x, x]\nb: [*a, *a]",
            "seed: 1\nseed: 2",
            "? [1]\n: 2",
            "seed: 2024-13-45",
            "- 1",
            "a: !!python/x",
        ]
    ).map(str.encode)
    content = data.draw(st.one_of(wrong_files(OPTIONS), changed_bytes(lines.encode()), flow))
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_bytes(content)
    read(tried, "YAML", lambda: Config(**_file_options(str(path))))


WORDS = st.one_of(
    st.sampled_from(
        [
            "train",
            "fill",
            "evaluate",
            "push",
            "prepare",
            "--seed",
            "--json",
            "--dataset",
            "--top-k",
            "-",
            "--",
            "x",
        ]
    ),
    st.sampled_from([spec.flag for spec in Config.options().values()]),
    st.text(max_size=6),
    st.sampled_from(
        ["9" * 400, "9" * 5000, "1e999", "nan", "\udcff", "--seed=\0", "--no-resume=1", "hf_" + "A1" * 9]
    ),
)


@fuzz(400)
@given(
    words=st.lists(WORDS, max_size=6),
    command=st.sampled_from(["train", "fill", "evaluate", "push", "compare"]),
)
def test_command_lines(tried, capsys, words, command):
    def parse():
        try:
            return Config(**parse_request(build_parser(), [command, *words]).given)
        except SystemExit as end:
            assert end.code in (0, 2)
            return None

    read(tried, "options", parse)


@fuzz(100)
@given(values=st.dictionaries(st.sampled_from(list(Config.options())), VALUES, max_size=3))
def test_configs_from_python(tried, values):
    read(tried, "options", lambda: Config(**values))


def _safetensors(header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


HEADER = {
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b": {"dtype": "F16", "shape": [4], "data_offsets": [16, 24]},
}


@fuzz(300)
@given(
    content=st.one_of(
        changed_json(HEADER).map(_safetensors), changed_bytes(_safetensors(HEADER)), st.binary(max_size=80)
    )
)
def test_weights(tmp_path_factory, tried, content):
    path = tmp_path_factory.mktemp("model")
    (path / "model.safetensors").write_bytes(content)
    read(tried, "safetensors", read_weights, path)


@fuzz(100)
@given(
    content=wrong_files(
        {"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "../model-1.safetensors"}}
    )
)
def test_indices(tmp_path_factory, tried, content):
    path = tmp_path_factory.mktemp("model")
    (path / "model.safetensors.index.json").write_bytes(content)
    read(tried, "index", read_weights, path)


ROWS = [{"text": "a cat sat", "n": 1}, {"text": "on the mat", "n": 2}, {"text": "again"}]
VALID = {
    "a.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "a.json": json.dumps(ROWS).encode(),
    "a.csv": b'id,text\n1,a cat\n2,"sat, on"\n3,the mat\n',
    "a.txt": "caf\u00e9 one\ntwo\n".encode(),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@fuzz(120)
@given(data=st.data())
def test_texts(tmp_path_factory, tried, cache, data):
    name = data.draw(st.sampled_from(sorted(VALID)))
    valid = VALID[name]
    content = data.draw(
        st.one_of(
            changed_bytes(valid), *([changed_json(ROWS)] if name == "a.json" else []), st.binary(max_size=40)
        )
    )
    if data.draw(st.integers(0, 3)) == 0:
        packed = gzip.compress(content, mtime=0)
        content = data.draw(st.one_of(st.just(packed), changed_bytes(packed)))
        name += ".gz"
    path = tmp_path_factory.mktemp("text") / name
    path.write_bytes(content)
    quiet = Progress(quiet=True, verbose=False, logging_steps=1)
    read(tried, "text", lambda: list(load_source(Config(dataset=str(path)), progress=quiet).documents))


def test_enough_is_tried():
    assert sum(CASES) >= 2000 and len(CASES) >= 10
