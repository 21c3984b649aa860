import pytest

from mlm_core import Config
from mlm_core.progress import Progress
from mlm_core.training import crowding
from mlm_core.training.crowding import warn_of_crowding


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.setattr(crowding, "cores", lambda: 2)

    def warned(**options):
        config = Config(**options)
        warn_of_crowding(config, Progress.of(config))
        return capsys.readouterr().err

    return warned


def test_more_threads_than_cores_are_warned_of(said):
    text = said(threads=400)
    assert text.startswith("400 threads on 2 cores: ") and "--threads 2 suits this machine" in text
    assert said(threads=3, quiet=True).startswith("mlm: 3 threads on 2 cores")
    assert said(num_proc=400).startswith("--num-proc 400 on 2 cores: ")


def test_as_many_as_cores_are_not(said):
    assert said() == said(threads=2, num_proc=2) == ""


def test_ranks_share_the_cores(said, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert said(threads=1) == ""
    text = said(threads=2)
    assert text.startswith("2 threads in each of 2 ranks on 2 cores: ") and "--threads 1 suits" in text
    monkeypatch.setenv("RANK", "1")
    assert said(threads=2) == ""
