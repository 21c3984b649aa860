"""The table of commands: for each one its summary, its config options, its own arguments and its examples.

The parser, `--help` and the documentation's table are made from it. It imports no numpy and no framework,
so that `--help` is fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlm_core.api.evaluation import EVALUATION
from mlm_core.config.config import Config

_OPTIONS = Config.options()

COMMON = (
    "dataset", "text_column", "model", "output_dir", "epochs", "batch_size", "learning_rate",
    "backend", "device", "precision", "resume", "push_to_hub",
)  # fmt: skip
"""Options that users need most; `--help` shows them first."""


@dataclass(frozen=True)
class Argument:
    """A command's own argument, which is no config option.

    Attributes:
        name: "run" for a positional argument, "--show" for an option.
        help: a phrase, shown by `--help`.
        metavar: a placeholder for the value; None: the argument takes none.
        default: the value if the argument is not given; None: no value.
        values: how many values it takes; None: one.
        repeatable: whether it may be given several times; its value is then a list.
    """

    name: str
    help: str
    metavar: str | None = None
    default: str | None = None
    values: Literal["?", "*", "+", 2] | None = None
    repeatable: bool = False

    @property
    def positional(self) -> bool:
        """Whether it is given by its place."""
        return not self.name.startswith("-")

    @property
    def usage(self) -> str:
        """A positional argument in the usage line."""
        name = str(self.metavar)
        return f"[{name}]" if self.values == "?" else f"[{name} ...]" if self.values == "*" else name


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        summary: a phrase with a verb, shown by `mlm --help`.
        options: the names of the config options that it takes.
        arguments: its own arguments.
        texts: the help of options that mean something more special here, with their default.
        heading: of its own arguments in `--help`; "": they are in the first group.
        notes: sentences at the end of `--help`.
        examples: command lines at the end of `--help`.
    """

    summary: str
    options: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    heading: str = ""
    notes: str = ""
    examples: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        """Every option it takes, as on the command line."""
        own = (argument.name for argument in self.arguments if not argument.positional)
        return [*(_OPTIONS[name].flag for name in self.options), *own, "--json"]


_TEXT = ("dataset", "dataset_config", "dataset_revision", "split", "text_column", "num_proc")
_LOADING = ("model_revision", "allow_pickle", "trust_remote_code")
_PRINTING = ("quiet", "verbose")

_PREPARE = (
    *(name for name, option in _OPTIONS.items() if option.group in ("DataConfig", "MaskingConfig")),
    *("model", *_LOADING, "from_scratch", "seed", *_PRINTING),
)
_PARITY = tuple(
    name
    for name, option in _OPTIONS.items()
    if option.affects == "result" or name in ("device", "threads", "num_proc", *_PRINTING)
)
_NOT_COMPARED = ("epochs", "max_steps", "load_best_model_at_end")
"""`mlm compare` trains each variant for a number of rounds."""

_COMPARE = (
    *(name for name in _PARITY if name not in _NOT_COMPARED),
    *("mlm_head", "compile", "output_dir", "overwrite"),
)

_NPROC = Argument(
    "--nproc", "processes on this machine that share the work, one for each GPU (default: 1)", metavar="N"
)
_RUN = Argument("run", "directory of a run or of a model, or a model on the Hub", metavar="RUN")

COMMANDS: Mapping[str, Command] = {
    "train": Command(
        "train a model, evaluate it before and after training, and fill a blank",
        options=tuple(_OPTIONS),
        arguments=(
            Argument("--config", "YAML file of options; the command line overrides it", metavar="FILE"),
            _NPROC,
            Argument(
                "--max-restarts",
                "with --nproc: how often a run goes on from its newest checkpoint after a process died",
                metavar="K",
                default="0",
            ),
        ),
        notes="A model may recommend its own learning rate, warm-up, epochs, batch size and block size; the "
        "bundled starter does. An on/off option has a --no- form, for example --no-compile, to override a "
        "--config file.",
        examples=(
            "mlm train",
            "mlm train --dataset posts.jsonl --output-dir run",
            "mlm train --dataset posts.jsonl --model distilbert/distilroberta-base",
            "mlm train --output-dir run --resume",
            "mlm train --dataset posts.jsonl --output-dir run --nproc 4 --max-restarts 2",
        ),
    ),
    "evaluate": Command(
        "compute perplexity and accuracy on a run's held-out text, or on other text",
        options=EVALUATION,
        arguments=(
            _RUN,
            _NPROC,
            Argument(
                "--metric",
                "metric of the evaluate library for the masked positions; repeat the option for several",
                metavar="NAME_OR_PATH",
                repeatable=True,
            ),
            Argument(
                "--metric-option",
                "option of the metrics, for example average=macro; repeat the option for several",
                metavar="NAME=VALUE",
                repeatable=True,
            ),
        ),
        texts={
            "dataset": f"{_OPTIONS['dataset'].help} (default: the run's held-out text)",
            "split": "rows of --dataset to use, for example train[:5000] (default: its test or validation "
            "split, else all rows)",
            "batch_size": "blocks in a batch (default: the run's, else the model's, else 16)",
            "block_size": "tokens in a block of --dataset (default: the run's, else the model's, else 128; "
            "at most the model's limit)",
            "last_block": f"{_OPTIONS['last_block'].help}; for --dataset (default: the run's, else drop)",
        },
        examples=("mlm evaluate run", "mlm evaluate run --dataset other.jsonl --text-column body"),
    ),
    "fill": Command(
        "fill the blanks in a text",
        options=("backend", *_LOADING, "device", "threads", *_PRINTING),
        arguments=(
            _RUN,
            Argument(
                "texts",
                "text with <mask> for each blank; - reads one text per line from stdin",
                metavar="TEXT",
                values="*",
            ),
            Argument("--file", "file with one text per line; - is stdin", metavar="FILE"),
            Argument("--top-k", "answers for each blank", metavar="N", default="5"),
            Argument("--targets", "score only these words", metavar="WORD", values="+"),
        ),
        texts={"threads": "processor threads (default: the framework's own choice)"},
        examples=(
            'mlm fill run "The Milky Way is a <mask> galaxy." --top-k 3',
            'mlm fill run --file texts.txt --targets " spiral" " barred"',
        ),
    ),
    "prepare": Command(
        "tokenize and group text ahead of training, and show what becomes of it",
        options=_PREPARE,
        arguments=(Argument("--show", "documents and blocks to print", metavar="N", default="0"),),
        examples=("mlm prepare --dataset posts.jsonl --show 2",),
    ),
    "parity": Command(
        "train with two backends and check that they compute the same",
        options=_PARITY,
        arguments=(
            Argument(
                "--backends",
                "two backends, for example torch,tf (default: the two that are installed)",
                metavar="A,B",
            ),
        ),
        texts={
            "dropout": "must be 0: each framework draws its own dropout noise (default: 0)",
            "max_steps": "total optimizer steps; overrides --epochs (default: 20, without --epochs)",
            "epochs": "passes over the training blocks (default: none; see --max-steps)",
        },
        examples=("mlm parity", "mlm parity --dataset posts.jsonl --model ./model --max-steps 50"),
    ),
    "compare": Command(
        "train with several backends in alternating rounds and measure which is faster",
        options=_COMPARE,
        arguments=(
            Argument(
                "--backends",
                "backends to compare, for example torch,tf (default: all that are installed)",
                metavar="A,B",
            ),
            Argument(
                "--variants",
                "variants to compare, for example torch:bf16,tf:bf16:compile; replaces --backends",
                metavar="A,B",
            ),
            Argument(
                "--baseline",
                "guide: also measure the Hugging Face guide's recipe with each backend",
                metavar="guide",
            ),
            Argument(
                "--sweep",
                "repeat the comparison for each value of an option, for example batch-size=8,16; with one "
                "backend, compare the values with each other",
                metavar="OPTION=A,B",
            ),
            Argument("--from", "compare two report.json files; trains nothing", metavar="REPORT", values=2),
            Argument(
                "--fail-below",
                "exit with code 1 if a variant reaches less than X times the speed of the first variant, or "
                "with --from of the same variant in the first report",
                metavar="X",
            ),
            Argument("--rounds", "rounds of each variant", metavar="N", default="10"),
            Argument("--steps", "steps in a round", metavar="N", default="5"),
        ),
        texts={
            "output_dir": "directory of the report (default: a new one, comparison, comparison-2, ...)",
            "overwrite": "replace an existing report",
        },
        heading="Comparison",
        examples=(
            "mlm compare --output-dir comparison",
            "mlm compare --variants torch,torch:bf16,tf:bf16:compile --baseline guide",
            "mlm compare --backends torch,tf --sweep batch-size=8,16,32",
            "mlm compare --backends torch --sweep batch-size=8,16,32",
            "mlm compare --from before/report.json after/report.json --fail-below 0.95",
        ),
    ),
    "push": Command(
        "publish a run, or any model directory, on the Hub",
        options=("trust_remote_code", "hub_private", "also_h5", "backend", *_PRINTING),
        arguments=(
            Argument("run", "directory of a run or of a model", metavar="RUN"),
            Argument(
                "repository",
                "repository on the Hub, for example ORG/NAME (default: the name of RUN, in your account)",
                metavar="REPO",
                values="?",
            ),
            Argument(
                "--overwrite", "publish even if others have changed the repository since this run last saw it"
            ),
        ),
        texts={
            "hub_private": f"{_OPTIONS['hub_private'].help} (default: private)",
            "trust_remote_code": "run the code in RUN, which its tokenizer may need",
            "also_h5": "also write tf_model.h5, for TensorFlow users without this package",
            "backend": "backend that writes tf_model.h5 for --also-h5; only tf can (default: tf)",
        },
        examples=("mlm push run ORG/NAME",),
    ),
    "doctor": Command(
        "show what is installed, which devices work, and how to fix what does not",
        arguments=(
            Argument(
                "--report",
                "print what a bug report needs as Markdown, without names, secrets and private paths",
            ),
        ),
        examples=("mlm doctor", "mlm doctor --report"),
    ),
}
