"""Training speed at DistilRoBERTa's shape: this project, the guide's recipe, KerasHub, and the limit.

    python benchmarks/training_step.py [--rounds 5] [--steps 3] [--batch 16] [--output FILE]
        [--groups torch tf peers peers-bf16 xla] [--variants NAME ...]

6 layers of 768, vocabulary 50265, 16 blocks of 128 tokens, weights from the config; all on the same text, in
turns (see rounds.py), on the GPU where there is one. Prints tokens per second (median and spread over rounds),
how many times the guide's recipe in the same framework that is, and the share of the limit: the best rate of
matrix products that this run saw in either framework, at the model's own shapes and in the same precision,
over the arithmetic of a token. MFU is the same share of what the GPU's maker says (see peaks.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from inputs import BATCH, BLOCK, INNER, LAYERS, SLOTS, VOCABULARY, WIDTH, write_inputs
from peaks import PEAK_TFLOPS, gpu_name
from rounds import machine_facts, take_turns

HERE = Path(__file__).parent
GROUPS = {
    "torch": [
        "guide:torch:float32", "guide:torch:bf16", "mlm:torch:float32:dense", "mlm:torch:float32:sparse",
        "mlm:torch:bf16:sparse", "products:torch:float32", "products:torch:bf16", "products:tf:float32",
    ],
    "tf": [
        "guide:tf:float32", "mlm:tf:float32:dense", "mlm:tf:float32:sparse", "mlm:tf:bf16:sparse",
        "products:tf:float32", "products:tf:bf16",
    ],
    "peers": [
        "kerashub:float32:tensorflow", "kerashub:float32:torch", "kerashub:float32:jax",
        "mlm:torch:float32:sparse", "mlm:tf:float32:sparse",
    ],
    "peers-bf16": [
        "kerashub:bf16:tensorflow", "kerashub:bf16:torch", "kerashub:bf16:jax", "mlm:torch:bf16:sparse",
        "mlm:tf:bf16:sparse",
    ],
    "xla": ["kerashub:bf16:tensorflow:xla", "mlm:torch:bf16:sparse", "mlm:tf:bf16:sparse"],
}  # fmt: skip
"""Variants that take turns with each other; all at once would not fit into memory."""

PASSES_ON_GPU = 20
"""Through the products, in a unit of work of the variants that only multiply: one is over too soon."""

PACKAGES = (
    "torch", "tensorflow", "tf-keras", "keras", "keras-hub", "jax", "transformers", "accelerate", "numpy",
)  # fmt: skip


def flops_of_a_token() -> float:
    """Of a training step with the sparse head: two for each weight of a product, and backwards twice that.

    Of the attention's own products (scores and mixing) as many as a block has tokens. What follows attention
    in the last layer, like the head, is needed at the masked positions only.
    """
    attention = 3 * WIDTH**2 + 2 * BLOCK * WIDTH
    behind = WIDTH**2 + 2 * WIDTH * INNER
    head = WIDTH**2 + WIDTH * VOCABULARY
    everywhere = LAYERS * attention + (LAYERS - 1) * behind
    return 3 * 2 * (everywhere + (behind + head) * SLOTS / BLOCK)


def flops_of_products(batch: int) -> float:
    """Of a pass of the variants that only multiply."""
    tokens, masked = batch * BLOCK, batch * SLOTS
    return 2.0 * (tokens * (WIDTH**2 + 2 * WIDTH * INNER) + masked * WIDTH * VOCABULARY)


def report(
    found: dict[str, dict[str, Any]], batch: int, passes: int, gpu: str | None
) -> dict[str, dict[str, Any]]:
    """Tokens per second, and what they are compared with."""
    peaks = PEAK_TFLOPS.get(gpu, {}) if gpu is not None else {}
    limits: dict[str, float] = {}
    for name, facts in found.items():
        if name.startswith("products") and "seconds" in facts:
            precision = name.split(":")[2]
            rate = passes * flops_of_products(batch) / facts["fastest"]
            facts["gflops"] = rate / 1e9
            limits[precision] = max(limits.get(precision, 0.0), rate)
    for name, facts in found.items():
        if name.startswith("products") or "seconds" not in facts:
            continue
        rates = sorted(batch * BLOCK / seconds for seconds in facts["seconds"])
        facts |= {"tokens_per_second": statistics.median(rates), "spread": [rates[0], rates[-1]]}
        precision = "bf16" if "bf16" in name else "float32"
        achieved = facts["tokens_per_second"] * flops_of_a_token()
        facts["gflops_of_model"] = achieved / 1e9
        if precision in limits:
            facts["share_of_limit"] = achieved / limits[precision]
        if precision in peaks:
            facts["mfu"] = achieved / 1e12 / peaks[precision]
        guide = found.get(f"guide:{'torch' if ':torch' in name else 'tf'}:float32", {})
        if "seconds" in guide:
            pairs = zip(guide["seconds"], facts["seconds"], strict=True)
            facts["times_the_guide"] = statistics.median(theirs / ours for theirs, ours in pairs)
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """The report as Markdown."""
    lines = [
        "| variant | tokens/s | spread | times the guide | share of the limit | MFU |",
        "|---|---|---|---|---|---|",
    ]
    for name, facts in found.items():
        if "problem" in facts:
            lines.append(f"| {name} | {facts['problem'][:60]} | | | | |")
        elif "gflops" in facts:
            lines.append(f"| {name} | {facts['gflops']:.0f} GFLOP/s | | | | |")
        else:
            rate, (low, high) = facts["tokens_per_second"], facts["spread"]
            times = f"{facts['times_the_guide']:.2f}" if "times_the_guide" in facts else ""
            share = f"{facts['share_of_limit']:.0%}" if "share_of_limit" in facts else ""
            mfu = f"{facts['mfu']:.0%}" if "mfu" in facts else ""
            lines.append(f"| {name} | {rate:,.0f} | {low:,.0f} to {high:,.0f} | {times} | {share} | {mfu} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps in a round, of which the median counts")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"blocks of {BLOCK} tokens in a batch")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--variants", nargs="+", help="only these")
    given = parser.parse_args()
    gpu = gpu_name()
    passes = 1 if gpu is None else PASSES_ON_GPU
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), given.batch)
        arguments = [str(Path(scratch) / name) for name in ("model", "blocks.npy", "text.jsonl")]
        arguments += [str(given.batch), str(passes)]
        side = [sys.executable, str(HERE / "training_worker.py")]
        found: dict[str, dict[str, Any]] = {}
        for group in given.groups:
            wanted = [name for name in GROUPS[group] if name in (given.variants or GROUPS[group])]
            commands = {name: [*side, name, *arguments] for name in wanted}
            found |= take_turns(commands, given.rounds, given.steps, Path(scratch))
        found = report(found, given.batch, passes, gpu)
    print(table(found))
    if given.output:
        facts = machine_facts(PACKAGES) | {"gpu": gpu, "batch": given.batch}
        facts |= {"rounds": given.rounds, "steps_in_a_round": given.steps}
        given.output.write_text(json.dumps(facts | {"variants": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
