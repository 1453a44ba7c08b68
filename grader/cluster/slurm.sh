#!/usr/bin/env bash
#SBATCH --job-name=grader
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=08:00:00
#SBATCH --signal=B:INT@300
#
# Grades a class on the nodes of one Slurm job: a Ray cluster is started on them, `grader run` on the first.
#
#   sbatch --nodes 4 --gpus-per-node 4 slurm.sh submissions/ --task held-out.toml --gpus-per-training 0.25
#
# What follows the script's name goes to `grader run`. Submitted where the class, the task and the results lie, on a
# file system that all nodes share; GRADER_VENV is the virtual environment with `grader[ray]`, there too. A job that
# is ended (five minutes before its time is up, or by scancel --signal=INT --batch) keeps what is finished: submit it again.
set -euo pipefail

export PATH="${GRADER_VENV:-$SLURM_SUBMIT_DIR/.venv}/bin:$PATH"
# Whoever reaches Ray's ports may run code as you: everybody without this job's token is turned away.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
export RAY_ENABLE_UV_RUN_RUNTIME_ENV=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 20000)) # another job may share the node
each=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --block)
step=(srun --nodes=1 --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --overlap)

address=$("${step[@]}" --nodelist="${nodes[0]}" python -c 'import ray; print(ray.util.get_node_ip_address())')
"${step[@]}" --nodelist="${nodes[0]}" ray start --head --node-ip-address="$address" --port="$port" \
    --include-dashboard=false "${each[@]}" >"ray-$SLURM_JOB_ID-0.log" 2>&1 &
for i in $(seq 1 $((${#nodes[@]} - 1))); do
    "${step[@]}" --nodelist="${nodes[i]}" ray start --address="$address:$port" "${each[@]}" \
        >"ray-$SLURM_JOB_ID-$i.log" 2>&1 &
done
