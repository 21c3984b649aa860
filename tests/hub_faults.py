"""What can go wrong while a model is published, and what must happen then."""

from dataclasses import dataclass

TOKEN = "hf_secretOfTheTests"

ALWAYS = 10**6


@dataclass(frozen=True)
class Point:
    """A fault at one point of a push.

    Attributes:
        point: the endpoint; None: somebody else commits between two steps.
        kind: see `hub_server.Fault`.
        times: how many requests fail.
        skip: how many requests before them do not. The first `whoami`, `create` and `info` come before the
            training, all others after it.
        strategy: the value of `--hub-strategy`.
        waits: the training waits after its first step until the version of that step is published or refused.
    """

    point: str | None
    kind: int | str
    times: int = 1
    skip: int = 0
    strategy: str = "end"
    waits: bool = False


TRANSIENT = {
    "whoami_503": Point("whoami", 503),
    "whoami_cut": Point("whoami", "cut"),
    "whoami_hang": Point("whoami", "hang"),
    "whoami_garbage": Point("whoami", "garbage"),
    "create_500": Point("create", 500),
    "create_409_lost": Point("create", "cut after"),
    "info_first_429": Point("info", 429),
    "info_garbage": Point("info", "garbage", skip=1),
    "info_cut": Point("info", "cut", skip=1),
    "tree_500": Point("tree", 500),
    "tree_cut": Point("tree", "cut"),
    "validate_502": Point("validate", 502),
    "validate_garbage": Point("validate", "garbage"),
    "preupload_503": Point("preupload", 503),
    "preupload_429": Point("preupload", 429),
    "preupload_cut": Point("preupload", "cut"),
    "batch_500": Point("batch", 500),
    "batch_garbage": Point("batch", "garbage"),
    "put_500": Point("put", 500),
    "put_cut": Point("put", "cut"),
    "put_slow": Point("put", "slow"),
    "put_lost": Point("put", "cut after"),
    "verify_500": Point("verify", 500),
    "verify_cut": Point("verify", "cut"),
    "commit_503": Point("commit", 503),
    "commit_409": Point("commit", 409),
    "commit_cut": Point("commit", "cut"),
    "commit_hang": Point("commit", "hang"),
    "commit_lost": Point("commit", "cut after"),
    "looking_after_it_cut": Point("tree", "cut", skip=1),
    "version_503": Point("commit", 503, times=2, strategy="checkpoint", waits=True),
    "version_lost": Point("commit", "cut after", strategy="checkpoint", waits=True),
    "version_slow": Point("put", "slow", strategy="checkpoint"),
    "version_put_403": Point("put", 403, strategy="checkpoint", waits=True),
}
"""Faults that another attempt does not meet: the model arrives without help."""

LASTING = {
    "gone": Point("info", "cut", ALWAYS, skip=1),
    "down": Point("preupload", 503, ALWAYS),
    "nonsense": Point("preupload", "garbage", ALWAYS),
    "token_revoked": Point("preupload", 401, ALWAYS),
    "not_allowed": Point("preupload", 403, ALWAYS),
    "no_space": Point("batch", 413, ALWAYS),
    "storage_refuses": Point("put", 403, ALWAYS),
    "storage_down": Point("put", 500, ALWAYS),
    "storage_cut": Point("put", "cut", ALWAYS),
    "commit_refused": Point("commit", 403, ALWAYS),
    "repository_gone": Point("commit", 404, ALWAYS),
    "commit_down": Point("commit", 500, ALWAYS, strategy="checkpoint"),
    "moved_on": Point(None, "by hand"),
}
"""Faults that every attempt meets: the run fails, its model is safe, and the command it names pushes it."""

REFUSED = {
    "bad_token": Point("whoami", 401, ALWAYS),
    "closed": Point("create", 403, ALWAYS),
}
"""Faults that are found before anything is trained."""

FAULTS = TRANSIENT | LASTING | REFUSED
