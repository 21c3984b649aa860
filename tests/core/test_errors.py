"""Errors come back from another process whole."""

import importlib
import pickle
import pkgutil

import pytest

import mlm_core
from mlm_core import Config, RequestError, RunError
from mlm_core.errors import MlmError
from mlm_core.hub.errors import HubError
from mlm_core.system.interruption import InterruptedRunError


def kinds():
    """Every error class of the core."""
    for module in pkgutil.walk_packages(mlm_core.__path__, "mlm_core."):
        if not module.name.endswith("__main__") and "worker" not in module.name:
            importlib.import_module(module.name)
    found, queue = [], [MlmError]
    while queue:
        kind = queue.pop()
        found.append(kind)
        queue += [sub for sub in kind.__subclasses__() if sub.__module__.startswith("mlm_core")]
    return found


def example(kind):
    """An error of a class, made without its own arguments, which differ between classes."""
    error = kind.__new__(kind, "no such file")
    parts = {"message": "no such file", "code": "missing", "option": "--model", "value": 10**9, "fix": "look"}
    vars(error).update(parts)
    return error


def test_errors_of_every_class_survive_pickle():
    classes = kinds()
    assert {"HubError", "InterruptedRunError", "RunError"} <= {kind.__name__ for kind in classes}
    for kind in classes:
        error = example(kind)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert vars(again) == vars(error) and again.args == error.args
        assert str(again) == str(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_refused_config_survives_pickle(protocol):
    with pytest.raises(RequestError) as refused:
        mlm_core.Config(batch_size=0)
    again = pickle.loads(pickle.dumps(refused.value, protocol))
    assert again.as_dict() == refused.value.as_dict()


@pytest.mark.parametrize(
    "error",
    [
        HubError("is away", transient=True, value="me/model", fix="try again"),
        InterruptedRunError(15, 3, "resume it"),
        RunError("out of memory", code="out_of_memory", fix="use less"),
    ],
)
def test_errors_keep_what_only_their_class_has(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error) and again.exit_code == error.exit_code


def test_an_error_shows_no_secret():
    token = "hf_" + "aSecretOfMine7" * 2
    for make in (
        lambda: Config(seed=token),
        lambda: Config(dataset=[token]),
        lambda: Config(**{token: 1}),
        lambda: Config.from_dict({token: 1}),
        lambda: Config(dataset=f"{token}.txt"),
    ):
        with pytest.raises(RequestError) as raised:
            make()
        shown = f"{raised.value}{raised.value.as_dict()}"
        assert token not in shown and token[10:] not in shown
