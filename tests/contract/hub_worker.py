"""Trains and publishes to the stand-in for the Hub, once for each fault, in a process of its own.

    python hub_worker.py BACKEND MODEL TEXT DIRECTORY [FAULT ...]

The Hub's clients read their environment when they are imported, so the server starts first. Prints as JSON
the outcome of each fault, and of publishing by hand.
"""

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub_faults import FAULTS, TOKEN, Point
from hub_repositories import User
from hub_server import HubServer

USERS = {TOKEN: User("me", organizations=("org",))}


def main() -> None:
    """Run with every fault, then without one."""
    backend, model, text, directory, *names = sys.argv[1:]
    with HubServer(users=USERS) as server:
        os.environ.update(server.environment(TOKEN) | {"HF_HOME": f"{directory}/home"})
        from mlm_core import Config, load_engine

        engine = load_engine(backend)
        shorten_waits()
        config = Config(
            dataset=text,
            model=model,
            block_size=16,
            batch_size=8,
            max_steps=2,
            mlm_head="dense",
            threads=2,
            quiet=True,
            save_steps=1,
        )
        outcomes = {name: outcome(server, engine, config, Path(directory), name) for name in names or FAULTS}
        by_hand = published_by_hand(server, engine, replace(config, output_dir=f"{directory}/by-hand"))
    print(json.dumps({"faults": outcomes, "by_hand": by_hand}))


def outcome(server: HubServer, engine, config, directory: Path, name: str) -> dict:
    """The outcome of a run that meets a fault."""
    from mlm_core import MlmError

    fault, run, repository = FAULTS[name], directory / f"a run, {name}", f"org/{name}"
    server.faults.clear()
    # Otherwise the server would know these weights already, and nothing would be sent.
    server.stored.clear()
    if fault.point is not None:
        server.fail(fault.point, fault.kind, fault.times, fault.skip)
    found = {"error": None}
    try:
        engine.trainer(
            replace(
                config,
                output_dir=str(run),
                push_to_hub=True,
                hub_model_id=repository,
                hub_strategy=fault.strategy,
            )
        ).train(on_step=lambda _: between_steps(server, repository, fault))
    except MlmError as error:
        found = {"error": error.code, "fix": error.fix, "exit": error.exit_code, "said": str(error)}
    found |= {"trained": trained(run), "arrived": arrived(server, repository, run)}
    server.faults.clear()
    if found["error"] is not None and found["trained"]:
        found["retried"] = retried(found["fix"]) and arrived(server, repository, run)
    found["left"] = sorted(path.name for path in run.glob(".*"))
    if repository in server.models:
        found["messages"] = [commit.message for commit in server.models[repository].branches["main"]]
        found["notes"] = server.files(repository).get("notes.md", b"").decode()
    return found


def between_steps(server: HubServer, repository: str, fault: Point) -> None:
    """Commit as somebody else, or wait for a version to be published, as the fault says."""
    if fault.point is None:
        server.models[repository].commit("main", "by hand", None, {"notes.md": b"mine"})
    late = time.monotonic() + 20
    while fault.waits and time.monotonic() < late:
        refused = fault.kind == 403 and not any(left.times for left in server.faults)
        if refused or len(server.models[repository].branches["main"]) > 1:
            break
        time.sleep(0.01)


def retried(fix: str) -> bool:
    """Whether the command that an error names succeeds, word for word."""
    from mlm_core.__main__ import main as command

    words = shlex.split(fix.removesuffix(" publishes it"))
    assert words[0] == "mlm", fix
    return command([*words[1:], "--quiet"]) == 0


def published_by_hand(server: HubServer, engine, config) -> dict:
    """Call trainer.push_to_hub() before and after training, with and without the name of a repository."""
    trainer = engine.trainer(config)
    found = {"before": trainer.push_to_hub("org/before")}
    run = trainer.train().run_dir
    found["after"] = trainer.push_to_hub("org/after", private=False)
    found["own"] = trainer.push_to_hub()
    found["arrived"] = [arrived(server, name, run) for name in ("org/before", "org/after", "me/by-hand")]
    found["private"] = [server.models[name].private for name in ("org/before", "org/after", "me/by-hand")]
    found["card"] = server.files("org/before")["README.md"].decode()
    return found


def trained(run: Path) -> bool:
    """Whether a run is complete and its record has the digest of its model."""
    from mlm_core.system.files import digest_of

    facts = json.loads((run / "run.json").read_text()) if (run / "run.json").exists() else {}
    weights = run / "model.safetensors"
    return bool(facts.get("results")) and digest_of(weights) == facts["model_digest"]


def arrived(server: HubServer, name: str, run: Path) -> bool:
    """Whether the Hub has the model that is on disk."""
    if name not in server.models or not run.exists():
        return False
    files = server.files(name)
    ours = {"README.md", "loss.svg", "config.json", "model.safetensors", "tokenizer.json"}
    ours |= {"tokenizer_config.json"}
    card = (run / "README.md").read_text().replace("DIRECTORY-OR-REPOSITORY", name)
    same = ours <= files.keys() and files["README.md"].decode() == card
    same = same and files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    return same and not {"run.json", "metrics.jsonl", "report.html", "hub.json"} & files.keys()


def shorten_waits() -> None:
    """Have the client and our publisher wait for a shorter time than they normally do."""
    from huggingface_hub.utils import _http

    from mlm_core.hub import publisher, repository

    class Clock:
        time = staticmethod(time.time)
        sleep = staticmethod(lambda seconds: None)

    _http.time = Clock
    repository.LONGEST_WAIT = 2.0
    patience = publisher.Patience
    publisher.Patience = lambda: patience(attempts=3, wait=0.02)


if __name__ == "__main__":
    main()
