"""The number of ranks does not change the training: batches, losses, checkpoints, whatever trains them."""

import json
import signal
import socket
import time
from contextlib import suppress

import numpy as np
import pytest
from rank_group import RankGroup, free_ports
from training_runs import metrics

from mlm_core import Config, RequestError
from mlm_core.config.option_names import flag_of
from mlm_core.model.weight_files import read_weights

STEPS = 12

JOBS = {
    # 15 rows are not divisible; the last batch of an epoch has few.
    "uneven": {"batch_size": 15, "gradient_accumulation_steps": 2},
    # Long enough for several epochs; with an evaluation after each.
    "even": {"batch_size": 8, "max_grad_norm": 0.1, "load_best_model_at_end": True},
}
"""What is trained by every number of ranks."""


@pytest.fixture(scope="module")
def place(lab):
    """The options of a run of the module."""

    def options(name, ranks, **more):
        chosen = {
            "dataset": str(lab.jsonl),
            "model": str(lab.model("roberta", dropout=0.2)),
            "output_dir": str(lab.directory / f"{name}-{ranks}"),
            "block_size": 16,
            "max_steps": STEPS,
            "threads": 1,
            "device": "cpu",
            "quiet": True,
            "save_steps": 4,
        }
        return chosen | JOBS.get(name, JOBS["uneven"]) | more

    return options


@pytest.fixture(scope="module")
def trained(lab, place):
    """A function: ranks, devices -> the runs of `JOBS` that so many ranks trained, by name."""
    known = {}

    def runs(ranks, devices=1):
        if (ranks, devices) not in known:
            labels = dict.fromkeys(JOBS, f"{ranks}x{devices}")
            jobs = [{"options": place(name, label)} for name, label in labels.items()]
            group = RankGroup(lab.engine.name, ranks, jobs, devices=devices)
            said = group.ended()
            assert all("run" in job for jobs in said.values() for job in jobs), group.text(0)
            assert all(len(jobs) == len(JOBS) for jobs in said.values()), group.text(ranks - 1)
            known[ranks, devices] = {
                name: lab.directory / f"{name}-{label}" for name, label in labels.items()
            }
        return known[ranks, devices]

    return runs


def assert_same_training(run, expected, tolerance=1e-6):
    ours, theirs = metrics(run), metrics(expected)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.get("batch_digest") == other.get("batch_digest")
        for name in ("step", "epoch", "masked_tokens", "eval_masked_tokens"):
            assert mine.get(name) == other.get(name)
        for name in ("loss", "grad_norm", "eval_loss"):
            if name in other:
                np.testing.assert_allclose(mine[name], other[name], rtol=tolerance)
    left, right = read_weights(run), read_weights(expected)
    assert left.keys() == right.keys()
    for name in left:
        # Where a gradient is 0 but for rounding, as for the bias of the keys, Adam steps by its sign.
        np.testing.assert_allclose(left[name], right[name], atol=1e-3 if "key.bias" in name else 2e-5)


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.one_engine)])
def test_the_number_of_ranks_does_not_change_the_training(trained, ranks):
    one, several = trained(1), trained(ranks)
    for name in JOBS:
        assert_same_training(several[name], one[name])


def test_sharded_ranks_train_the_same(lab, trained, place):
    if lab.engine.name != "torch":
        # TensorFlow has no such strategy.
        with pytest.raises(RequestError, match="gives every rank a whole model"):
            lab.trainer(model=str(lab.model("bert")), shard=True)
        return
    group = RankGroup("torch", 2, [{"options": place(name, "shard", shard=True)} for name in JOBS])
    assert all("run" in job for jobs in group.ended().values() for job in jobs), group.text(0)
    for name in JOBS:
        assert_same_training(lab.directory / f"{name}-shard", trained(1)[name])


@pytest.mark.parametrize(("ranks", "devices"), [(1, 3), (2, 2)])
def test_replicas_in_one_process_train_the_same(lab, trained, ranks, devices):
    if lab.engine.name != "tf":
        pytest.skip("a PyTorch process has one replica")
    for name in JOBS:
        assert_same_training(trained(ranks, devices)[name], trained(1)[name])


@pytest.mark.parametrize(("before", "after"), [(1, 2), (3, 1)])
def test_a_run_resumes_with_another_number_of_ranks(lab, trained, place, before, after):
    """A signal to the last rank stops all of them at the same step; as many as wanted go on."""
    options = place("uneven", f"{before}-{after}")
    stop = {"signal": "SIGTERM", "rank": before - 1, "step": 6}
    group = RankGroup(lab.engine.name, before, [{"options": options} | stop])
    for rank, (said,) in group.ended().items():
        # It is agreed on in the step after the signal; only the first rank speaks.
        assert said["exit"] == 128 + signal.SIGTERM, group.text(rank)
        assert said["error"] == "interrupted" and said["said_by"] == 0
        assert "after step 7" in said["message"]
    group = RankGroup(lab.engine.name, after, [{"options": options | {"resume": True}}])
    assert all("run" in said for (said,) in group.ended().values()), group.text(0)
    assert_same_training(lab.directory / f"uneven-{before}-{after}", trained(1)["uneven"])


def wrong(lab, jobs, count=2, **how):
    """What the ranks said of jobs that are refused: the code of the first, the codes of the others."""
    group = RankGroup(lab.engine.name, count, jobs, **how)
    said = group.ended()
    assert all("Traceback" not in group.text(rank) for rank in said), group.text(0) + group.text(count - 1)
    # A process that a framework aborts while it ends would not have the exit code of its error.
    assert all(process.returncode == 0 for process in group.processes.values()), group.text(0)
    return said


def test_wrong_ranks_are_refused_in_one_line(lab, place, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(lab.jsonl.read_text() + json.dumps({"text": "one more text for this rank"}) + "\n")
    taking_part, chosen = ("shard", True) if lab.engine.shards else ("save_steps", 5)
    jobs = [
        # More ranks than rows.
        {"options": place("uneven", "rows", batch_size=1)},
        # Another option, other data, no such data: of one rank.
        {"options": place("uneven", "seed"), "own": {"1": {"seed": 7}}},
        {"options": place("uneven", "data"), "own": {"1": {"dataset": str(other)}}},
        {"options": place("uneven", "none"), "own": {"1": {"dataset": str(tmp_path / "none.jsonl")}}},
        # An option that does not change the result, but by which a rank takes part.
        {"options": place("uneven", "part"), "own": {"1": {taking_part: chosen}}},
        # After that the ranks still work together.
        {"options": place("uneven", "right", max_steps=1)},
    ]
    said = wrong(lab, jobs)
    wanted = ["too_many_ranks", "ranks_differ", "ranks_differ", "missing_file", "ranks_differ", None]
    for rank in said:
        assert [job.get("error") for job in said[rank]] == wanted
        assert [job.get("option") for job in said[rank]][:3] == ["--batch-size", "--seed", "--dataset"]
        assert said[rank][4]["option"] == flag_of(taking_part)
        assert [job.get("exit") for job in said[rank]] == [2, 2, 2, 2, 2, None]
        # One rank says it.
        speaker = [0, 0, 0, 1, 0, None]
        silent = [who if who != rank else None for who in speaker]
        assert [job.get("said_by") for job in said[rank]] == silent
    # Nothing was written.
    for name in ("rows", "seed", "data", "none", "part"):
        assert not (lab.directory / f"uneven-{name}").exists()


def test_a_run_on_another_disk_is_refused(lab, trained, place, tmp_path):
    """A rank that does not see the run of the first: on this machine, because it resumes in another place."""
    options = place("uneven", "1x1") | {"output_dir": str(trained(1)["uneven"])}
    elsewhere = {"output_dir": str(tmp_path / "elsewhere")}
    job = {"options": options | {"resume": True, "max_steps": STEPS + 2, "allow_change": "max-steps"}}
    said = wrong(lab, [job | {"own": {"1": elsewhere}}])
    assert said[0][0]["error"] == said[1][0]["error"] == "no_shared_disk"
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_rank_is_named(lab, place):
    job = {"options": place("uneven", "missing", rank_timeout=3)}
    (said,) = wrong(lab, [job], absent=[1])[0]
    assert said["error"] == "not_joined"
    assert "2 ranks" in said["message"]


def test_a_signal_ends_a_rank_that_waits_for_others(lab, place):
    ports = free_ports(2)
    job = {"options": place("uneven", "waiting", rank_timeout=100)}
    group = RankGroup(lab.engine.name, 2, [job], ports=ports, absent=[1])
    process = group.processes[0]
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", ports[0]), timeout=1):
                break
            time.sleep(0.1)
        # The port is open a little before it waits.
        time.sleep(2)
        # TensorFlow takes SIGTERM for itself, and keeps Python from acting on it while it waits.
        process.send_signal(signal.SIGINT)
        assert process.wait(10) in (-signal.SIGINT, 128 + signal.SIGINT)
    finally:
        group.ended()


def test_a_rank_that_stops_between_step_and_agreement_is_lost(lab, place):
    """The others do not wait for it as they wait for one that prepares data."""
    stop = {"signal": "SIGSTOP", "rank": 1, "step": 2, "agreeing": True}
    group = RankGroup(lab.engine.name, 2, [{"options": place("uneven", "stopped", rank_timeout=3)} | stop])
    try:
        group.processes[0].wait(120)
    finally:
        group.processes[1].kill()
    (said,) = group.ended()[0]
    assert said["error"] == "lost_rank", group.text(0)


def test_a_port_that_is_taken_is_named(lab, place):
    ports = free_ports(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0]))
        taken.listen()
        said = wrong(lab, [{"options": place("uneven", "port", rank_timeout=4)}], ports=ports, absent=[1])
    assert said[0][0]["error"] == "not_joined"


def test_a_sharded_run_goes_on_in_one_rank_of_either_engine(lab, capsys):
    run = lab.train(model=str(lab.model("bert")), max_steps=2, save_steps=1).run_dir
    facts = json.loads((run / "run.json").read_text())
    # As its record is if ranks of the engine that shards have trained it.
    facts["config"]["shard"] = True
    (run / "run.json").write_text(json.dumps(facts))
    more = {"output_dir": str(run), "resume": True, "max_steps": 3, "allow_change": "max-steps"}
    assert lab.engine.trainer(Config(**more)).train().steps == 3
    said = "changes nothing with one rank" if lab.engine.shards else "each rank holds the whole model"
    assert said in capsys.readouterr().err


def test_a_variable_without_the_others_is_refused(lab, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(Exception, match="RANK is missing") as raised:
        lab.trainer(model=str(lab.model("bert")))
    assert raised.value.code == "wrong_launch"
