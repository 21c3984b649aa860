#!/usr/bin/env bash
# On a machine with a GPU: correctness first (the contract suite with `--device gpu`), then the training step,
# traces, and what the step could be. Facts line by line; see measure.py for what OUT, LIMIT, PARTS, ROUNDS,
# TESTS, DEVICE and TINY do.
#
#     benchmarks/gpu/run.sh [WHEELS]
#
# WHEELS is a folder with wheels of what is not installed. They go into a temporary environment above the one
# with the frameworks: nothing is fetched, and nothing is installed anywhere else.
#
#     PYTHON=python3   the one with the frameworks
#     ENGINE=torch     whose missing packages are named
set -euo pipefail
wheels=${1:+$(realpath "$1")}
cd "$(dirname "$0")/../.."

base=${PYTHON:-python3} work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# If the base is a virtual environment itself, another one above it would not inherit it.
"$base" -m venv --without-pip --system-site-packages "$work/venv"
python=$work/venv/bin/python
site() { "$1" -c 'import sysconfig; print(*{sysconfig.get_path(k) for k in ("purelib", "platlib")}, sep="\n")'; }
site "$base" > "$(site "$python" | head -n 1)/base.pth"

# A .pth file has no environment of its own: pip is the base's.
pip() { "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir "$@"; }
if [ -n "$wheels" ]; then pip "$wheels"/*.whl; fi
# Engines are found by the project's metadata, and some tests replace PYTHONPATH: so the project is installed,
# from a wheel of its own where there is one. Building needs setuptools, from the base or the folder.
compgen -G "${wheels:-none}/mlm-*.whl" > /dev/null || pip --no-build-isolation -e .
missing=$("$python" benchmarks/missing_packages.py "${ENGINE:-torch}")
[ -z "$missing" ] || echo "not installed, or in another version (the folder may hold wheels of these):
$missing" >&2
LIMIT=$((${LIMIT:-575} - SECONDS)) "$python" benchmarks/gpu/measure.py
