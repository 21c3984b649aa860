"""Which rank a launcher has made of a process."""

import json

import pytest

from mlm_core.errors import RequestError
from mlm_core.ranks.launch import Launched, launched, threads_asked

WORKERS = ["a:1", "b:2", "b:3"]


def tf_config(index, kind="worker", **cluster):
    return json.dumps({"cluster": cluster or {"worker": WORKERS}, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, (0, 1, 0, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (0, 1, 0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, (3, 4, 1, 2)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2, 0, 1)),
        ({"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}, (1, 2, 1, 2)),
        ({"MV2_COMM_WORLD_RANK": "0", "MV2_COMM_WORLD_SIZE": "2"}, (0, 2, 0, 1)),
        # Inside of srun, and outside of it, where only the allocation is known.
        (
            {
                "SLURM_PROCID": "2",
                "SLURM_NTASKS": "4",
                "SLURM_LOCALID": "0",
                "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
            },
            (2, 4, 0, 2),
        ),
        ({"SLURM_NTASKS": "4"}, (0, 1, 0, 1)),
        # One torchrun a node: its own variables count.
        ({"RANK": "1", "WORLD_SIZE": "8", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, (1, 8, 0, 1)),
        ({"TF_CONFIG": tf_config(0)}, (0, 3, 0, 1)),
        ({"TF_CONFIG": tf_config(2)}, (2, 3, 1, 2)),
        ({"TF_CONFIG": tf_config(0, chief=["a:1"], worker=["b:1"])}, (1, 2, 0, 1)),
        ({"TF_CONFIG": tf_config(0, "chief", chief=["a:1"], worker=["b:1"])}, (0, 2, 0, 1)),
        ({"TF_CONFIG": tf_config(0, worker=["a:1"])}, (0, 1, 0, 1)),
        ({"TF_CONFIG": ""}, (0, 1, 0, 1)),
    ],
)
def test_the_place_is_what_the_launcher_says(variables, place):
    found = launched(variables)
    assert (found.rank, found.count, found.local_rank, found.local_count) == place


def test_a_launcher_may_set_both_kinds_of_variables():
    both = {"RANK": "1", "WORLD_SIZE": "3", "TF_CONFIG": tf_config(1)}
    assert launched(both) == Launched(1, 3, 0, 1, "WORLD_SIZE", tuple(WORKERS))


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK"),
        ({"RANK": "0", "WORLD_SIZE": "many"}, "WORLD_SIZE"),
        ({"PMI_SIZE": "2"}, "PMI_SIZE"),
        ({"RANK": "0", "WORLD_SIZE": "9" * 5000}, "WORLD_SIZE"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK"),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE"),
        *(({"TF_CONFIG": tf_config(index)}, "TF_CONFIG") for index in ("0", 1.0, True, None, [0], 10**30)),
        ({"TF_CONFIG": tf_config(0).replace('"index": 0', '"index": 1e999')}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, "evaluator")}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=["a:1", "a:1"])}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=["a", "b"])}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=["a:1", "b:99999"])}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=["a:1", "b:0"])}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=[["a:1"], ["b:1"]])}, "TF_CONFIG"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": WORKERS}})}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(3)}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=["a:1", "b:1"], ps=["c:1"])}, "TF_CONFIG"),
        ({"TF_CONFIG": tf_config(0, worker=[1, 2])}, "TF_CONFIG"),
        ({"RANK": "0", "WORLD_SIZE": "2", "TF_CONFIG": tf_config(0)}, "TF_CONFIG"),
        ({"RANK": "0", "WORLD_SIZE": "3", "TF_CONFIG": tf_config(1)}, "TF_CONFIG"),
    ],
)
def test_impossible_variables_are_refused(variables, named):
    with pytest.raises(RequestError) as raised:
        launched(variables)
    assert (raised.value.code, raised.value.option) == ("wrong_launch", named)


@pytest.mark.parametrize(("written", "threads"), [("", None), ("3", 3), (" 4, 2", 4), ("16,1,1", 16)])
def test_threads_of_the_environment(monkeypatch, written, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", written)
    assert threads_asked() == threads


@pytest.mark.parametrize("written", ["0", "-1", "abc", ",2", "1.5", "9" * 5000])
def test_threads_that_are_none(monkeypatch, written):
    monkeypatch.setenv("OMP_NUM_THREADS", written)
    with pytest.raises(RequestError) as raised:
        threads_asked()
    assert (raised.value.code, raised.value.option) == ("wrong_launch", "OMP_NUM_THREADS")


def test_ranks_share_the_cores_of_their_machine(monkeypatch):
    monkeypatch.setattr("mlm_core.ranks.launch.cores", lambda: 8)
    assert Launched().threads(None) == 8
    assert Launched(0, 3, 0, 3).threads(None) == 2
    assert Launched(0, 16, 0, 16).threads(None) == 1
    assert Launched(0, 3, 0, 3).threads(5) == 5
