"""Killed and resumed runs end with the same bytes as a run that was never killed.

That holds on a CPU, so all tests but one run on the CPU, whatever `--device` is.
"""

import random
import resource
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from file_kinds import SAMPLE
from resumed_runs import SAVE, STEPS, Runs


@pytest.fixture(scope="module")
def runs(engine, tmp_path_factory):
    made = Runs(engine.name, tmp_path_factory.mktemp("runs"))
    made.finish("whole")
    return made


@pytest.fixture(scope="module")
def silent(engine, tmp_path_factory):
    """Runs without dropout."""
    return Runs(engine.name, tmp_path_factory.mktemp("silent"), dropout=0.0)


def test_killed_at_any_moment_a_run_ends_with_the_same_bytes(runs):
    draw = random.Random(11)
    for step in sorted(draw.sample(range(5, STEPS - 25), 2)):
        code, said = runs.stop("killed", step, signal.SIGKILL)
        assert code == -signal.SIGKILL, said
    kill_while_saving(runs, "killed", draw)
    code, said = runs.stop("killed", STEPS - 8, signal.SIGTERM)
    assert code == 143 and said.splitlines()[-1].startswith("mlm: stopped by SIGTERM after step ")
    assert f"; to go on: mlm train --output-dir {runs.directory / 'killed'} --resume\n" in said
    # The record holds the options of its start.
    results, said = runs.resume("killed")
    assert "resuming from step" in said
    assert runs.bytes("killed") == runs.bytes("whole")
    assert runs.metrics("killed") == runs.metrics("whole")
    steps = [line["step"] for line in runs.metrics("killed") if "loss" in line]
    assert steps == list(range(1, STEPS + 1))
    assert not runs.unfinished("killed")
    # The run has finished: nothing changes.
    before = {path: path.stat().st_mtime_ns for path in (runs.directory / "killed").rglob("*")}
    again, said = runs.finish("killed", "--resume")
    assert "has already finished" in said
    assert again == results
    assert before == {path: path.stat().st_mtime_ns for path in (runs.directory / "killed").rglob("*")}


def test_on_a_gpu_a_resumed_run_is_the_same_but_for_rounding(engine, device, tmp_path):
    if device == "cpu":
        pytest.skip("on a CPU the bytes are the same")
    runs = Runs(engine.name, tmp_path, device=device)
    runs.finish("whole")
    code, said = runs.stop("killed", STEPS // 2, signal.SIGTERM)
    assert code == 143, said
    runs.finish("killed", "--resume")
    runs.assert_agree("killed", "whole")


def kill_while_saving(runs, name, draw):
    # On a busy machine the kill may come when the checkpoint is complete: then again, at the next one.
    for _ in range(4):
        process = runs.start(name, "--resume", slow_saves=True)
        while process.poll() is None and not runs.unfinished(name):
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.4))
        process.kill()
        process.communicate()
        if runs.unfinished(name):
            return
    raise AssertionError("no kill came while a checkpoint was written")


def test_another_plan_is_refused_and_a_damaged_checkpoint_passed_over(runs):
    runs.stop("other", 20, signal.SIGTERM)
    error, said = runs.finish("other", "--resume", "--learning-rate", "2e-3", code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--learning-rate", "changed_plan")
    two = ["--learning-rate", "2e-3", "--seed", "1", "--allow-change", "seed"]
    error, said = runs.finish("other", "--resume", *two, code=2)
    assert "--allow-change learning-rate,seed" in error["error"]["fix"]
    metrics = runs.directory / "other" / "metrics.jsonl"
    lines = metrics.read_bytes()
    metrics.write_bytes(lines[:-100])
    error, said = runs.finish("other", "--resume", code=2)
    assert error["error"]["code"] == "damaged_metrics" and str(metrics) in said
    metrics.write_bytes(lines)
    newest = sorted(runs.checkpoints("other").iterdir())[-1]
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    _, said = runs.finish("other", "--resume")
    assert f"not used: {weights} has changed since it was written" in said
    assert runs.bytes("other") == runs.bytes("whole")
    assert runs.metrics("other") == runs.metrics("whole")


def test_a_run_ended_by_a_full_disk_resumes(runs):
    run = runs.directory / "full"
    process = runs.start("full")
    runs.wait_for_step(process, "full", SAVE + 2)
    # From now on this process cannot write a file as large as a checkpoint's.
    largest = (run / "metrics.jsonl").stat().st_size + 10_000
    assert largest < min(path.stat().st_size for path in run.glob("checkpoints/step-*/*.safetensors"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
    _, said = process.communicate()
    assert process.returncode == 1
    (line,) = [line for line in said.splitlines() if "error" in line]
    assert f"the checkpoint of step {2 * SAVE} cannot be written (File too large)" in line
    assert [path.name for path in sorted(runs.checkpoints("full").iterdir())] == [f"step-{SAVE:08}"]
    runs.finish("full", "--resume")
    assert runs.bytes("full") == runs.bytes("whole")
    assert runs.metrics("full") == runs.metrics("whole")


def test_a_full_file_system(runs, tmp_path):
    """A separate tmpfs, if permitted, too small for a second checkpoint."""
    (tmp_path / "small").mkdir()
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*mount, "mount -t tmpfs none /mnt"]).returncode:
        pytest.skip("this machine does not permit mounting a file system")
    size = sum(path.stat().st_size for path in runs.checkpoints("whole").rglob("*")) * 3 // 4
    script = (
        f"mount -t tmpfs -o size={size} none {tmp_path}/small && "
        '"$@"; code=$?; '
        f"cp -r {tmp_path}/small/run {tmp_path}/saved; exit $code"
    )
    command = runs.command(tmp_path / "small" / "run")
    done = subprocess.run([*mount, script, "sh", *command], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
    shutil.copytree(tmp_path / "saved", runs.directory / "small")
    runs.finish("small", "--resume")
    assert runs.bytes("small") == runs.bytes("whole")


def test_a_finished_run_is_trained_for_longer_if_allowed(runs):
    shutil.copytree(runs.directory / "whole", runs.directory / "longer")
    longer = ["--resume", "--max-steps", str(STEPS + 10)]
    error, _ = runs.finish("longer", *longer, code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--max-steps", "changed_plan")
    assert "--allow-change max-steps" in error["error"]["fix"]
    # With nothing left to train, the record would describe a run that never happened.
    error, _ = runs.finish("longer", "--resume", "--seed", "7", "--allow-change", "seed", code=2)
    assert f"the run is already at step {STEPS}" in error["error"]["message"]
    # Without a checkpoint it would start anew and replace the finished run.
    runs.checkpoints("longer").rename(runs.directory / "kept")
    error, _ = runs.finish("longer", *longer, "--allow-change", "max-steps", code=2)
    assert error["error"]["code"] == "no_checkpoint"
    assert runs.metrics("longer") == runs.metrics("whole")
    (runs.directory / "kept").rename(runs.checkpoints("longer"))
    results, said = runs.finish("longer", *longer, "--allow-change", "max-steps")
    assert f"resuming from step {STEPS}" in said and "changed, as allowed: --max-steps was 60, is 70" in said
    assert results["steps"] == STEPS + 10
    one, two = runs.metrics("longer"), runs.metrics("whole")
    assert one[: len(two)] == two
    assert [line["step"] for line in one if "loss" in line] == list(range(1, STEPS + 11))
    error, _ = runs.finish("longer", "--resume", "--max-steps", "5", "--allow-change", "max-steps", code=2)
    assert "already at step 70" in error["error"]["message"]
    # The text affects the result as well.
    text = runs.directory / "other.txt"
    text.write_text("Another text altogether, in every line of it.\n" * 300)
    changed = ["--resume", "--max-steps", "80", "--dataset", str(text), "--text-column", "text"]
    error, _ = runs.finish("longer", *changed, "--allow-change", "max-steps", code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--dataset", "changed_data")
    results, said = runs.finish("longer", *changed, "--allow-change", "max-steps,dataset")
    assert results["steps"] == 80 and "the text" in said


def test_a_changed_option_is_refused_before_anything_is_announced(runs):
    shutil.copytree(runs.directory / "whole", runs.directory / "refused")
    (runs.directory / "refused" / "model.safetensors").unlink()
    error, said = runs.finish("refused", "--resume", "--batch-size", "8", code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--batch-size", "changed_plan")
    assert "learning rate" not in said


def test_a_changed_option_is_refused_before_the_first_checkpoint_too(runs):
    process = runs.start("early")
    runs.wait_for_step(process, "early", 2)
    process.kill()
    process.communicate()
    assert not list(runs.checkpoints("early").glob("step-*"))
    error, said = runs.finish("early", "--resume", "--learning-rate", "0.5", code=2)
    assert (error["error"]["option"], error["error"]["code"]) == ("--learning-rate", "changed_plan")
    assert "--allow-change learning-rate" in error["error"]["fix"]
    allowed = ["--allow-change", "learning-rate,max-steps"]
    _, said = runs.finish("early", "--resume", "--learning-rate", "0.002", "--max-steps", "3", *allowed)
    assert "changed, as allowed: --max-steps was 60, is 3; --learning-rate was 0.001, is 0.002" in said


def test_a_run_whose_directory_is_moved_ends_and_its_process_too(runs):
    """Threads of a framework that make batches ahead do not keep the process."""
    process = runs.start("moved", "--max-steps", "5000")
    runs.wait_for_step(process, "moved", 2)
    (runs.directory / "moved").rename(runs.directory / "moved away")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "was moved, removed or replaced" in said


def test_the_same_text_in_another_place_is_named(runs):
    shutil.copytree(runs.directory / "whole", runs.directory / "elsewhere")
    (runs.directory / "elsewhere" / "model.safetensors").unlink()
    copy = shutil.copy(SAMPLE, runs.directory / "copy.jsonl")
    _, said = runs.finish("elsewhere", "--resume", "--dataset", str(copy))
    assert f"the text is the same as that of the run, and is now read from {copy}\n" in said
    _, said = runs.finish("elsewhere", "--resume")
    assert "now read from" not in said
    assert runs.bytes("elsewhere") == runs.bytes("whole")


def test_the_best_evaluation_is_what_it_ends_with(silent):
    """On a text so small that the model overfits; also if killed after the best step."""
    words = ["--load-best-model-at-end", "--keep-checkpoints", "1", "--split", "train[:5]"]
    words += ["--test-size", "0.4", "--learning-rate", "0.03", "--lr-scheduler", "constant"]
    results, said = silent.finish("best", *words)
    evaluations = {line["step"]: line["eval_loss"] for line in silent.metrics("best") if "eval_loss" in line}
    best = min((step for step in evaluations if step), key=evaluations.get)
    assert SAVE < best < STEPS - SAVE, evaluations
    assert f"step {best} was the best" in said
    assert results["perplexity"] == pytest.approx(np.exp(evaluations[best]))
    kept = sorted(path.name for path in silent.checkpoints("best").iterdir())
    assert kept == [f"step-{best:08}", f"step-{STEPS:08}"]
    saved = silent.checkpoints("best") / kept[0] / "model.safetensors"
    assert saved.read_bytes() == silent.bytes("best")
    process = silent.start("best-killed", *words)
    silent.wait_for_step(process, "best-killed", STEPS - 2)
    process.kill()
    process.communicate()
    silent.finish("best-killed", "--resume", *words)
    assert silent.bytes("best-killed") == silent.bytes("best")


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(runs):
    """The error also removes later checkpoints: resumed from them, the run would fail again."""
    shutil.copytree(runs.directory / "whole", runs.directory / "nan")
    record = (runs.directory / "nan" / "run.json").read_bytes()
    change = [
        "--resume",
        "--max-steps",
        "70",
        "--allow-change",
        "max-steps,learning-rate",
        "--save-steps",
        "1",
    ]
    error, _ = runs.finish("nan", *change, "--learning-rate", "1e30", code=1)
    assert error["error"]["code"] == "not_finite"
    good = runs.checkpoints("nan") / f"step-{STEPS:08}"
    assert f"continues from {good}, the last good checkpoint" in error["error"]["fix"]
    assert sorted(runs.checkpoints("nan").iterdir())[-1] == good
    # The finished run is unchanged.
    assert runs.bytes("nan") == runs.bytes("whole")
    assert (runs.directory / "nan" / "run.json").read_bytes() == record
    results, _ = runs.finish("nan", *change, "--learning-rate", "2e-3")
    assert results["steps"] == 70 and np.isfinite(results["perplexity"])


def test_a_finished_run_that_has_lost_its_model_makes_it_again(runs):
    shutil.copytree(runs.directory / "whole", runs.directory / "lost")
    (runs.directory / "lost" / "model.safetensors").unlink()
    _, said = runs.resume("lost")
    assert f"resuming from step {STEPS}" in said
    assert runs.bytes("lost") == runs.bytes("whole")
    assert runs.metrics("lost") == runs.metrics("whole")
