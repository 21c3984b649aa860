"""Trains and publishes to a stand-in for the Hub once for each fault, in a process of its own.

    python hub_side.py BACKEND MODEL TEXT DIRECTORY [FAULT ...]

The clients read their environment when they are imported, so that the server comes first. Prints what came of
each fault as JSON.
"""

import json
import os
import shlex
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub_faults import FAULTS, TOKEN
from hub_repositories import User
from hub_server import HubServer

USERS = {TOKEN: User("me", organizations=("org",))}


def trained(run: Path) -> bool:
    """Whether a run is complete, its model as its record says."""
    from mlm_core.data.store import digest_of

    facts = json.loads((run / "run.json").read_text()) if (run / "run.json").exists() else {}
    weights = run / "model.safetensors"
    return bool(facts.get("results")) and digest_of(weights) == facts["model_digest"]


def arrived(server: HubServer, name: str, run: Path) -> bool:
    """Whether what is on the Hub is the model that is on the disk."""
    if name not in server.models:
        return False
    files = server.files(name)
    ours = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    card = (run / "README.md").read_text().replace("DIRECTORY-OR-REPOSITORY", name)
    same = ours <= files.keys() and files["README.md"].decode() == card
    same = same and files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    return same and not {"run.json", "metrics.jsonl", "hub.json"} & files.keys()


def main() -> None:
    """Go through the faults."""
    backend, model, text, directory, *names = sys.argv[1:]
    with HubServer(users=USERS) as server:
        os.environ.update(server.environment(TOKEN) | {"HF_HOME": f"{directory}/home"})
        from mlm_core import Config, MlmError, load_engine

        engine = load_engine(backend)
        impatient(directory)
        from mlm_core.__main__ import main as command

        outcomes = {}
        for name in names or FAULTS:
            fault = FAULTS[name]
            run, repository = Path(directory) / f"a run, {name}", f"org/{name}"
            server.faults.clear()
            # The same weights again: nothing would be sent.
            server.stored.clear()
            if fault.point is not None:
                server.fail(fault.point, fault.kind, fault.times, fault.skip)
            config = Config(
                dataset=text,
                model=model,
                output_dir=str(run),
                block_size=16,
                batch_size=8,
                max_steps=2,
                mlm_head="dense",
                threads=2,
                quiet=True,
                push_to_hub=True,
                hub_model_id=repository,
                hub_strategy=fault.strategy,
                save_steps=1,
            )

            def meddle(_, repository=repository, fault=fault):
                if fault.point is None:
                    branch = server.models[repository]
                    branch.commit("main", "by hand", None, {"notes.md": b"mine"})
                late = time.monotonic() + 20
                while fault.waits and time.monotonic() < late:
                    refused = fault.kind == 403 and not any(left.times for left in server.faults)
                    if refused or len(server.models[repository].branches["main"]) > 1:
                        break
                    time.sleep(0.01)

            begun = time.monotonic()
            outcome = {"error": None, "fix": None}
            try:
                engine.trainer(config).train(on_step=meddle)
            except MlmError as error:
                outcome = {"error": error.code, "fix": error.fix, "exit": error.exit_code, "said": str(error)}
            outcome |= {"seconds": time.monotonic() - begun, "trained": trained(run)}
            outcome["arrived"] = arrived(server, repository, run)
            server.faults.clear()
            if outcome["error"] is not None and outcome["trained"]:
                # What the error says, word by word.
                words = shlex.split(outcome["fix"].removesuffix(" publishes it"))
                assert words[0] == "mlm", outcome
                outcome["retried"] = command([*words[1:], "--quiet"]) == 0 and arrived(
                    server, repository, run
                )
            outcome["left"] = sorted(path.name for path in run.glob(".*"))
            if repository in server.models:
                commits = server.models[repository].branches["main"]
                outcome["messages"] = [commit.message for commit in commits]
                outcome["notes"] = server.files(repository).get("notes.md", b"").decode()
            outcomes[name] = outcome
    print(json.dumps(outcomes))


def impatient(directory: str) -> None:
    """Wait for less long than people would."""
    from huggingface_hub.utils import _http

    from mlm_core.hub import publisher, repository

    class Clock:
        time = staticmethod(time.time)
        sleep = staticmethod(lambda seconds: None)

    _http.time = Clock
    repository._LONGEST_WAIT = 2.0
    patience = publisher.Patience
    publisher.Patience = lambda: patience(attempts=3, wait=0.02)


if __name__ == "__main__":
    main()
