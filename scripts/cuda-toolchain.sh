#!/usr/bin/env bash
# CUDA 13's libraries from Python packages, for a machine with a GPU that has none, or without one for `make test-cuda`. Building needs
# none of them: they are opened when the program runs.
#
#   scripts/cuda-toolchain.sh DIR     installs them below DIR, about 2 GB, and prints the environment in which they are found
#
# Needs python3 with venv. Run again it installs what is missing.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '5,7s/^# *//p' "$0" >&2; exit 2; }
[ -x "$1/bin/pip" ] || python3 -m venv "$1" >&2
"$1/bin/pip" install --quiet 'nvidia-cuda-nvrtc>=13,<14' 'nvidia-cublas>=13,<14' 'nvidia-cudnn-cu13>=9.10' nvidia-nccl-cu13 >&2
dir=$(cd "$1" && pwd)
folders=$(find "$dir"/lib/python*/site-packages/nvidia -mindepth 2 -maxdepth 2 -name lib)
nvrtc=$(find "$dir"/lib/python*/site-packages/nvidia -name 'libnvrtc.so.*' -printf '%h\n' -quit)
printf 'export SWISH_CUDA_LIBS=%q SWISH_NVRTC=%q\n' "$(paste -sd: <<<"$folders")" "$nvrtc"
