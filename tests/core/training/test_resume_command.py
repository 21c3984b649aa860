"""The command that goes on with a run starts as many ranks as there were."""

from pathlib import Path

from mlm_core.ranks.notes import Notes
from mlm_core.training.run_errors import resume_command


def test_of_one_process_and_of_a_number_of_ranks():
    assert resume_command(Path("run")) == "mlm train --output-dir run --resume"
    assert resume_command(Path("a run"), 3) == "mlm train --output-dir 'a run' --resume --nproc 3"


def test_of_a_rank_that_this_program_has_launched(monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    # Another launcher knows itself how it was started.
    assert resume_command(Path("run")) == "mlm train --output-dir run --resume"
    monkeypatch.setattr("mlm_core.training.run_errors.notes", lambda: Notes(tmp_path))
    assert resume_command(Path("run")) == "mlm train --output-dir run --resume --nproc 2"
