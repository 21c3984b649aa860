"""YAML files of options."""

from __future__ import annotations

from wrong_inputs.options import TOKEN
from wrong_inputs.row import Wrong

BOMB = "seed:\n - &a0 [x,x,x,x,x,x,x,x]\n" + "".join(
    f" - &a{n} [{','.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 9)
)


def yaml(name: str, content: str | bytes, says: str, error: str = "bad_config") -> Wrong:
    return Wrong(f"yaml-{name}", "train --config a.yaml", error, says, files={"a.yaml": content})


ROWS = [
    Wrong("yaml-missing", "train --config none.yaml", "bad_config", "cannot be read"),
    Wrong("yaml-directory", "train --config model", "bad_config", "cannot be read"),
    yaml("broken", "a: [", "line 1"),
    yaml("not-utf8", b"seed: \xff", "not UTF-8"),
    yaml("a-list", "- seed", "not a mapping"),
    yaml("text", "seed", "not a mapping"),
    yaml("twice", "seed: 1\nseed: 2", "twice"),
    yaml("twice-in-two-ways", "batch_size: 1\nbatch-size: 2", "twice", "duplicate_option"),
    yaml("bomb", BOMB, "the alias *a0 repeats"),
    yaml("itself", "seed: &a [*a]", "the alias *a repeats"),
    yaml("deep", "seed: " + "[" * 5000 + "]" * 5000, "deep"),
    yaml("an-object", "seed: !!python/object/apply:os.system [id]", "tag:yaml.org,2002:python/object/apply"),
    yaml("a-bad-date", "seed: 2024-13-45", "a value cannot be read"),
    yaml("a-list-as-key", "? [1]\n: 2", "unhashable key"),
    yaml("unknown", "sead: 1", "--seed", ""),
    yaml("a-list-as-value", "seed: [1, 2]", "whole number", "invalid_type"),
    yaml("a-fraction", "seed: 1.5", "whole number", "invalid_type"),
    yaml("huge", "seed: " + "9" * 400, "a number has 400 characters"),
    yaml("endless", "learning-rate: .inf", "number", "invalid_type"),
    yaml("truth", "seed: true", "whole number", "invalid_type"),
    yaml("a-token", f"hub_model_id: {TOKEN}", "HF_TOKEN", "misplaced_token"),
    yaml("escapes", 'model: "\\e[31mred"', "control characters", "invalid_type"),
]
