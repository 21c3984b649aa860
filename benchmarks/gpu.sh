#!/usr/bin/env bash
# On a machine with a GPU: correctness first (the contract suite with `--device gpu`), then the training step.
#
#     benchmarks/gpu.sh [WHEELS]
#
# Tests each engine whose framework sees the GPU; WHEELS is a folder with what is not installed. The outcomes go
# to benchmarks/results/gpu-NAME. Nothing is fetched, and nothing outside a temporary directory is installed.
#
#     PYTHON=python3           the one with the frameworks
#     ENGINES='torch tf'       those to try
#     PARTS='tests speed'      either one alone
#     BATCHES='16 256 1024'    blocks of 128 tokens in a batch
#     ROUNDS=3 STEPS=20        of the benchmark
#     TESTS=tests/contract     what is tested
#     RESULTS=DIRECTORY        in the place of benchmarks/results/gpu-NAME
#     DEVICE=cpu               without a GPU, to try this script: give RESULTS, small numbers and one test file
set -euo pipefail
wheels=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
device=${DEVICE:-gpu}
# transformers' Trainer would split the guide's batches over all GPUs.
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-0} HF_HUB_OFFLINE=1
[ "$device" = gpu ] || export CUDA_VISIBLE_DEVICES=

fail() { echo "gpu.sh: $*" >&2; exit 2; }
step() { echo "+ [$SECONDS s] $*"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MLM_CACHE="$work/cache"

# An environment above the one with the frameworks. If that is a virtual one itself, it would not be inherited.
base=${PYTHON:-python3}
"$base" -m venv --without-pip --system-site-packages "$work/venv"
python=$work/venv/bin/python
site() { "$1" -c 'import sysconfig; print(*{sysconfig.get_path(k) for k in ("purelib", "platlib")}, sep="\n")'; }
site "$base" > "$(site "$python" | head -n 1)/base.pth"

sees() {
    case $1 in
        torch) "$python" -c 'import sys, torch; sys.exit(sys.argv[1] == "gpu" and not torch.cuda.is_available())' "$2" ;;
        tf) "$python" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices(sys.argv[1].upper()))' "$2" ;;
    esac 2> "$work/$1.log"
}
engines=()
for engine in ${ENGINES:-torch tf}; do
    if sees "$engine" "$device"; then engines+=("$engine"); else
        echo "$engine: sees no $device $(grep -s Error "$work/$engine.log" | tail -n 1)"
    fi
done
[ ${#engines[@]} -gt 0 ] || fail "neither PyTorch nor TensorFlow in $base sees a $device"

name=$("$python" -c 'import sys; sys.path.insert(0, "benchmarks"); import peaks; print(peaks.gpu_name() or "none")')
results=$(realpath -m "${RESULTS:-benchmarks/results/gpu-${name// /-}}")
mkdir -p "$results"

for engine in "${engines[@]}"; do
    step "$engine: packages"
    "$python" -m pip install -q --no-index ${wheels:+--find-links "$wheels"} --no-build-isolation -e ".[$engine]" pytest \
        || fail "wheels of these, and of what they need, are wanted in a folder (benchmarks/gpu.sh FOLDER):
$("$python" benchmarks/missing_packages.py "$engine")"

    if [[ ${PARTS:-tests speed} == *tests* ]]; then
        step "$engine: contract on the $device"
        # shellcheck disable=SC2086 - several are possible
        "$python" -m pytest -p no:cacheprovider ${TESTS:-tests/contract} --backend "$engine" --device "$device" \
            | tee "$results/contract_$engine.txt"
    fi
    [[ ${PARTS:-tests speed} == *speed* ]] || continue
    for batch in ${BATCHES:-16 256 1024}; do
        # Larger ones would not lie in memory together with all others.
        for precision in $([ "$batch" -le 16 ] && echo all || echo float32 bf16); do
            variants=()
            [ "$precision" = all ] || variants=(--variants "guide:$engine:float32" "guide:$engine:$precision"
                "mlm:$engine:$precision:sparse" "products:$engine:$precision")
            step "$engine: training step of $batch blocks, $precision"
            "$python" benchmarks/training_step.py --groups "$engine" --batch "$batch" --rounds "${ROUNDS:-3}" \
                --steps "${STEPS:-20}" --output "$results/training_step_${engine}_${batch}_$precision.json" "${variants[@]}"
        done
    done
done
step "done: $results"
