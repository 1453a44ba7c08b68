#!/usr/bin/env bash
#SBATCH --job-name=grader
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=08:00:00
#SBATCH --signal=B:INT@300
#
# Grades a class on the nodes of a Slurm job: starts Ray on each of them, and `grader run` on the first.
#
#   sbatch --nodes 4 --gpus-per-node 4 slurm.sh submissions/ --task held-out.toml --gpus-per-training 0.25
#
# What follows the script goes to `grader run`. Submit it where submissions, task and results lie, on a file system
# that all nodes share. GRADER_VENV names the virtual environment with grader and its extra [ray] there (default: .venv).
# Without GPUs: sbatch --gpus-per-node 0. A job that runs out of time finishes what is being trained and keeps it:
# submit it again.
set -euo pipefail

export PATH="$(realpath "${GRADER_VENV:-.venv}")/bin:$PATH"
# Whoever reaches Ray's ports runs code as you: without this job's token nobody does.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

cpus=${SLURM_CPUS_PER_TASK:-1}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
on() { srun --nodes=1 --ntasks=1 --cpus-per-task="$cpus" --overlap --nodelist="$1" "${@:2}"; }
ray_on() { # the node, its number, and how it begins or joins the cluster
    on "$1" ray start "${@:3}" --num-cpus="$cpus" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --block \
        >"ray-$SLURM_JOB_ID-$2.log" 2>&1 &
}

address=$(on "${nodes[0]}" python -c 'from ray.util import get_node_ip_address as ip; print(ip())')
port=$((20000 + SLURM_JOB_ID % 20000)) # another job may be on the node
ray_on "${nodes[0]}" 0 --head --node-ip-address="$address" --port="$port" --include-dashboard=false
for i in "${!nodes[@]}"; do
    ((i == 0)) || ray_on "${nodes[i]}" "$i" --address="$address:$port"
done

# A run takes the nodes that are there when it begins; one that does not come within two minutes is left out.
python - "$address:$port" "${#nodes[@]}" <<'END'
import sys, time, ray

address, wanted = sys.argv[1], int(sys.argv[2])
for _ in range(60):
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
    except (ConnectionError, RuntimeError):
        pass
    there = sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 0
    if there == wanted:
        break
    time.sleep(2)
print(f"{there} of {wanted} nodes")
END
# In place of this shell, so that it gets the signals; Slurm ends Ray with the job.
exec grader run --engine ray --address "$address:$port" "$@"
