#!/usr/bin/env bash
# Train on several GPUs of one machine, or of several machines.
#   bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# On more than one machine set NNODES, NODE_RANK, MASTER_ADDR and PORT. Without GPUs it starts that many CPU processes.
set -euo pipefail
CONFIG=$1
GPUS=$2
torchrun --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
