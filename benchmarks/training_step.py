"""Training speed at DistilRoBERTa's shape: this project, the recipe of Hugging Face, KerasHub, and the limit.

    python benchmarks/training_step.py [--rounds 5] [--steps 3] [--batch 16] [--output FILE]
        [--groups torch tf peers peers-bf16 xla] [--variants NAME ...]

6 layers of 768, vocabulary 50265, 16 blocks of 128 tokens, weights from the config; all on the same text, in
interleaved rounds (see rounds.py), on the GPU if there is one. Prints tokens per second (median and spread
over rounds), how many times the speed of the recipe in the same framework that is, and the share of the
limit: the best rate of matrix products that this program measured in either framework, with the model's own
shapes and in the same precision, over the arithmetic of a token. MFU is the share of the GPU's peak rate (see
peaks.py).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from figures import Found, add_rates, benchmark_parser, cells, machine_facts, write_results
from inputs import BATCH, BLOCK, INNER, LAYERS, SLOTS, VOCABULARY, WIDTH, write_inputs
from peaks import PEAK_TFLOPS, gpu_name
from rounds import run_variants

from mlm_core.system import markdown

WORKER = [sys.executable, str(Path(__file__).with_name("training_worker.py"))]
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
"""Variants whose rounds are interleaved; all at once would not fit into memory."""

PASSES_ON_GPU = 20
"""Passes through the products in a unit of work, on a GPU: one pass is too short to be timed."""

PACKAGES = (
    "torch", "tensorflow", "tf-keras", "keras", "keras-hub", "jax", "transformers", "accelerate", "numpy",
)  # fmt: skip


def flops_of_a_token() -> float:
    """Operations per token of a training step with the sparse head.

    A weight of a product counts two operations forwards and four backwards. In attention's own products
    (scores and mixing) each token meets all tokens of its block. What follows attention in the last layer,
    like the head, is needed at the masked positions only.
    """
    attention = 3 * WIDTH**2 + 2 * BLOCK * WIDTH
    behind = WIDTH**2 + 2 * WIDTH * INNER
    head = WIDTH**2 + WIDTH * VOCABULARY
    everywhere = LAYERS * attention + (LAYERS - 1) * behind
    return 3 * 2 * (everywhere + (behind + head) * SLOTS / BLOCK)


def flops_of_products(batch: int) -> float:
    """Operations of one pass through the products of the variants that only multiply."""
    tokens, masked = batch * BLOCK, batch * SLOTS
    return 2.0 * (tokens * (WIDTH**2 + 2 * WIDTH * INNER) + masked * WIDTH * VOCABULARY)


def add_figures(found: Found, batch: int, passes: int, gpu: str | None) -> None:
    """Add tokens per second, and what they are compared with."""
    steps = {name: facts for name, facts in found.items() if not name.startswith("products")}
    add_rates(
        steps,
        "tokens",
        lambda _: batch * BLOCK,
        lambda name: f"guide:{'torch' if ':torch' in name else 'tf'}:float32",
    )
    limits = _limits(found, batch, passes)
    peaks = PEAK_TFLOPS.get(gpu, {}) if gpu is not None else {}
    for name, facts in steps.items():
        if "seconds" not in facts:
            continue
        precision = "bf16" if "bf16" in name else "float32"
        achieved = facts["tokens_per_second"] * flops_of_a_token()
        facts["gflops_of_model"] = achieved / 1e9
        if precision in limits:
            facts["share_of_limit"] = achieved / limits[precision]
        if precision in peaks:
            facts["mfu"] = achieved / 1e12 / peaks[precision]


def _limits(found: Found, batch: int, passes: int) -> dict[str, float]:
    """The best rate of the products by precision, in operations per second; adds each variant's own rate."""
    limits: dict[str, float] = {}
    for name, facts in found.items():
        if name.startswith("products") and "seconds" in facts:
            precision = name.split(":")[2]
            rate = passes * flops_of_products(batch) / facts["fastest"]
            facts["gflops"] = rate / 1e9
            limits[precision] = max(limits.get(precision, 0.0), rate)
    return limits


def table(found: Found) -> str:
    """The figures as Markdown."""
    rows = []
    for name, facts in found.items():
        if "gflops" in facts:
            rows.append([name, f"{facts['gflops']:.0f} GFLOP/s"])
        else:
            shares = [f"{facts[key]:.0%}" if key in facts else "" for key in ("share_of_limit", "mfu")]
            rows.append([*cells(name, facts, "tokens", 0), *shares])
    head = ("variant", "tokens/s", "spread", "times the recipe", "share of the limit", "MFU")
    return markdown.table(head, rows)


def main() -> None:
    """Measure and print."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--steps", type=int, default=3, help="steps in a round; their median counts")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"blocks of {BLOCK} tokens in a batch")
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--variants", nargs="+", help="only these")
    given = parser.parse_args()
    gpu = gpu_name()
    passes = 1 if gpu is None else PASSES_ON_GPU
    found: Found = {}
    with tempfile.TemporaryDirectory() as scratch:
        write_inputs(Path(scratch), given.batch)
        arguments = [str(Path(scratch) / name) for name in ("model", "blocks.npy", "text.jsonl")]
        arguments += [str(given.batch), str(passes)]
        for group in given.groups:
            wanted = [name for name in GROUPS[group] if name in (given.variants or GROUPS[group])]
            commands = {name: [*WORKER, name, *arguments] for name in wanted}
            found |= run_variants(commands, given.rounds, given.steps, Path(scratch))
    add_figures(found, given.batch, passes, gpu)
    print(table(found))
    facts = machine_facts(PACKAGES) | {"gpu": gpu, "batch": given.batch}
    facts |= {"rounds": given.rounds, "steps_in_a_round": given.steps}
    write_results(given.output, facts | {"variants": found})


if __name__ == "__main__":
    main()
