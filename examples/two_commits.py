"""Compare the speed of two commits, and whether they did the same work.

    python examples/two_commits.py main my-branch
    python examples/two_commits.py main my-branch --fail-below 0.95 --variants torch,torch:bf16 --rounds 8

Each commit is checked out beside the working tree, and `mlm compare` trains with its code. Then
`mlm compare --from` compares the two reports. All other options are those of `mlm compare`. With
`--fail-below`, the exit code is 1 if an engine of the second commit has less than this share of the first
one's speed. The machine should do nothing else meanwhile.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path


def main() -> int:
    """Report both commits and compare the reports; returns the exit code of the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("before", help="a commit, branch or tag")
    parser.add_argument("after", help="another one")
    parser.add_argument(
        "--report", type=Path, default=Path("runs/two-commits"), help="directory of the reports"
    )
    parser.add_argument("--fail-below", help="least share of the speed before")
    given, options = parser.parse_known_args()

    reports = [given.report / name for name in ("before", "after")]
    for commit, report in zip((given.before, given.after), reports, strict=True):
        with checked_out(commit) as code:
            compare(code, "--output-dir", str(report.absolute()), "--overwrite", *options)
    threshold = ["--fail-below", given.fail_below] if given.fail_below else []
    files = [str(report.absolute() / "report.json") for report in reports]
    # With the code of this working tree.
    return mlm("compare", "--from", *files, *threshold, code=Path(__file__).parents[1])


@contextmanager
def checked_out(commit: str):
    """Yield a directory with the code of a commit, and remove it at the end."""
    with tempfile.TemporaryDirectory() as directory:
        code = Path(directory) / "code"
        git("worktree", "add", "--quiet", "--detach", str(code), commit)
        try:
            yield code
        finally:
            git("worktree", "remove", "--force", str(code))


def compare(code: Path, *words: str) -> None:
    """Run `mlm compare` with the code of a directory; ends this program where it fails."""
    failed = mlm("compare", *words, code=code)
    if failed:
        sys.exit(failed)


def mlm(*words: str, code: Path) -> int:
    """Run the command `mlm` with the code of a directory; returns its exit code."""
    # It comes before an installed mlm; every process that mlm starts inherits it.
    environment = os.environ | {"PYTHONPATH": str(code)}
    command = [sys.executable, "-P", "-m", "mlm_core", *words]
    return subprocess.run(command, env=environment, check=False).returncode


def git(*words: str) -> None:
    """Run git in this repository."""
    subprocess.run(["git", "-C", str(Path(__file__).parent), *words], check=True)


if __name__ == "__main__":
    sys.exit(main())
