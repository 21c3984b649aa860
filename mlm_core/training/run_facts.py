"""What is known of a run before its first step: said at the start, kept in `run.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlm_core.job import TrainingJob
from mlm_core.progress import Progress
from mlm_core.resume import checkpoint_facts
from mlm_core.versions import core_versions

if TYPE_CHECKING:
    from mlm_core.engine import Engine


def announce(job: TrainingJob, engine: Engine, progress: Progress) -> None:
    """Say what is trained on what, with the values in force."""
    config, plan, say = job.config, job.plan, progress.say
    say(f"{engine.name}: {job.model.name} on {job.source.name} ({job.source.fingerprint})")
    for part, facts in job.stores.items():
        say(f"{part} text: {facts}")
    say(
        f"{plan.steps:,} steps of {plan.batch_size} blocks ({plan.epoch_at(plan.steps):.3g} epochs), "
        f"learning rate {config.learning_rate:g} ({config.lr_scheduler}, {config.warmup_steps} steps "
        f"of warm-up), weight decay {config.weight_decay:g}, clipping {config.max_grad_norm:g}, "
        f"masking {config.mlm_probability:.0%} ({config.masking}), seed {config.seed}, "
        f"{config.threads} threads, {config.precision}"
    )
    progress.detail(", ".join(f"{name} {number}" for name, number in all_versions(engine).items()))


def all_versions(engine: Engine) -> dict[str, str]:
    """Versions of the core's packages and the engine's own; nothing is imported."""
    return core_versions() | engine.versions()


def run_facts(job: TrainingJob, engine: Engine) -> dict[str, Any]:
    """Resolved config, data, versions and devices, as `run.json` holds them."""
    compared = checkpoint_facts(job)
    return {
        # From the root, so that the run can be evaluated from anywhere.
        "config": compared.pop("config"),
        "data": compared
        | {
            "source": job.source.name,
            "documents": sum(facts.documents for facts in job.stores.values()),
            "train_blocks": len(job.train.blocks),
            "test_blocks": len(job.test.blocks),
        },
        "versions": all_versions(engine),
        "devices": engine.devices(),
    }
