#!/bin/bash
# A study on SLURM: `sbatch deploy/slurm.sh`, from the checkout. Submit it again to continue the study.
# Change the three marked lines. Every node must see the checkout, ~/.ray and $RESULTS.
#SBATCH --job-name=scaling --output=scaling-%j.log --open-mode=append
#SBATCH --nodes=4 --cpus-per-task=16 --gpus-per-node=4 --time=24:00:00             # ← 1: your allocation
#SBATCH --ntasks-per-node=1 --signal=B:TERM@180 --requeue
set -euo pipefail

STUDY=${STUDY:-"--space depth_width_imagenet --data folder:/shared/imagenet"}     # ← 2: the study
RESULTS=${RESULTS:-/shared/results}                                               # ← 3: the results: a shared path, or s3://…

cd "${SLURM_SUBMIT_DIR:-.}"
# shellcheck disable=SC1091 # created when the package is installed
source .venv/bin/activate

# Anyone who can reach Ray's ports can run programs as you, so every node and the driver require this token.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}"
export RAY_USAGE_STATS_ENABLED=0
if [ ! -s "$RAY_AUTH_TOKEN_PATH" ]; then
    umask 077
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    python -c 'import secrets; print(secrets.token_hex(32))' > "$RAY_AUTH_TOKEN_PATH"
    umask 022
fi

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
HEAD_HOST=${hosts[0]}
PORT=$((20000 + SLURM_JOB_ID % 20000))          # differs between jobs, which may share a node
STATE="$PWD/.slurm-$SLURM_JOB_ID"               # the tasks signal their start and end through files in it
NODES=$SLURM_JOB_NUM_NODES
# Since SLURM 22.05 `srun` takes the cores of a task from this variable alone, and would give each task one.
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
# A job that was requeued after a crash finds its own lease on the study, which expires after 120 seconds.
LEASE=0
[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || LEASE=${LEASE_SECONDS:-125}
export STUDY RESULTS HEAD_HOST PORT STATE NODES LEASE
rm -rf "$STATE" && mkdir -p "$STATE"

# The same on every node. Task 0 is the head and runs the sweep; the others add their cores and GPUs. Ray is started with
# --block and ended by its process id: `ray stop`, which `ray symmetric-run` calls, would also end Ray in your other jobs.
# shellcheck disable=SC2329 # runs in every task
node() {
    set -uo pipefail
    local cpus=${SLURM_CPUS_PER_TASK:-$(nproc)} ray code=0
    if [ "$SLURM_PROCID" -eq 0 ]; then
        ray start --head --node-ip-address="$HEAD_HOST" --port="$PORT" --num-cpus="$cpus" --include-dashboard=false \
            --temp-dir="/tmp/ray-$SLURM_JOB_ID" --block > "$STATE/ray-0.log" 2>&1 &
        ray=$!
        until grep -q "Ray runtime started" "$STATE/ray-0.log"; do
            kill -0 "$ray" 2> /dev/null || { cat "$STATE/ray-0.log"; return 1; }
            sleep 0.5
        done
        touch "$STATE/head"
        until [ "$(find "$STATE" -name 'joined-*' | wc -l)" -ge $((NODES - 1)) ]; do sleep 0.5; done
        sleep "$LEASE"
        # shellcheck disable=SC2086 # STUDY is several words
        python -m scaling.sweep $STUDY --results "$RESULTS" --address "$HEAD_HOST:$PORT" &
        echo $! > "$STATE/sweep" && wait $! || code=$?
        # a signal interrupts `wait` before the sweep ends
        while kill -0 "$(cat "$STATE/sweep")" 2> /dev/null; do wait "$(cat "$STATE/sweep")"; code=$?; done
        echo "$code" > "$STATE/ended"
    else
        until [ -e "$STATE/head" ] || [ -e "$STATE/ended" ]; do sleep 0.5; done
        ray start --address="$HEAD_HOST:$PORT" --num-cpus="$cpus" --block > "$STATE/ray-$SLURM_PROCID.log" 2>&1 &
        ray=$!
        until grep -q "Ray runtime started" "$STATE/ray-$SLURM_PROCID.log"; do
            kill -0 "$ray" 2> /dev/null || { cat "$STATE/ray-$SLURM_PROCID.log"; return 1; }
            sleep 0.5
        done
        touch "$STATE/joined-$SLURM_PROCID"
        while [ ! -e "$STATE/ended" ] && kill -0 "$ray" 2> /dev/null; do sleep 1; done
    fi
    kill -TERM "$ray" 2> /dev/null
    wait "$ray" 2> /dev/null
    return "$code"
}

# Three minutes before the time limit SLURM signals this shell, which runs on the first node; the sweep stops cleanly.
trap 'kill -TERM "$(cat "$STATE/sweep")" 2> /dev/null' TERM
srun --export=ALL bash -c "$(declare -f node); node" &
step=$! code=0
wait "$step" || code=$?
while kill -0 "$step" 2> /dev/null; do code=0; wait "$step" || code=$?; done
rm -rf "$STATE"
exit "$code"
