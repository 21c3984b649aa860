"""The facts of a run before its first step: shown at the start, written to `run.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlm_core.config.config import required
from mlm_core.progress import Progress
from mlm_core.system.versions import core_versions
from mlm_core.training.changes import checkpoint_facts
from mlm_core.training.setup import TrainingSetup
from mlm_core.visible import quantity

if TYPE_CHECKING:
    from mlm_core.config.runtime import Device
    from mlm_core.framework import Framework


def announce(setup: TrainingSetup, framework: Framework, progress: Progress) -> None:
    """Show the model, the text and the resolved options."""
    config, plan, say = setup.config, setup.plan, progress.say
    say(f"{framework.name}: {setup.model.name} on {setup.source.name} ({setup.source.fingerprint})")
    passes = plan.epoch_at(plan.steps)
    epochs = quantity(1, "epoch") if passes == 1 else f"{passes:.3g} epochs"
    for part, facts in setup.stores.items():
        say(f"{part} text: {facts}")
    say(
        f"{quantity(plan.steps, 'step')} of {quantity(plan.batch_size, 'block')} ({epochs}), "
        f"learning rate {config.learning_rate:g} ({config.lr_scheduler}, "
        f"{quantity(required(config.warmup_steps), 'step')} of warm-up), "
        f"weight decay {config.weight_decay:g}, clipping {config.max_grad_norm:g}, "
        f"masking {100 * config.mlm_probability:.3g}% ({config.masking}), seed {config.seed}, "
        f"{quantity(required(config.threads), 'thread')}, {config.precision}"
        f"{_shares(framework, config.device)}"
    )
    progress.detail(", ".join(f"{name} {number}" for name, number in all_versions(framework).items()))


def _shares(framework: Framework, device: Device) -> str:
    ranks, replicas = framework.ranks.count, framework.replicas(device)
    if replicas == 1:
        return ""
    if replicas == ranks:
        return f", {quantity(ranks, 'rank')}"
    return f", {quantity(replicas, 'replica')} in {ranks:,} {'process' if ranks == 1 else 'processes'}"


def all_versions(framework: Framework) -> dict[str, str]:
    """Versions of the core's and the engine's packages; nothing is imported."""
    return core_versions() | framework.versions()


def run_facts(setup: TrainingSetup, framework: Framework) -> dict[str, Any]:
    """Resolved config, data, versions and devices, in the format of `run.json`."""
    compared = checkpoint_facts(setup)
    return {
        # With absolute paths, so that the run can be evaluated from any directory.
        "config": compared.pop("config"),
        "data": compared
        | {
            "source": setup.source.name,
            "documents": sum(facts.documents for facts in setup.stores.values()),
            "train_blocks": len(setup.train.blocks),
            "test_blocks": len(setup.test.blocks),
        },
        "versions": all_versions(framework),
        "devices": framework.devices(),
        "ranks": framework.ranks.count,
    }
