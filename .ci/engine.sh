#!/usr/bin/env bash
# A Docker engine for the tests, on Debian or Ubuntu, as root.
#   engine.sh engine   install it where it is missing, and start it
#   engine.sh restart  stop it, and start it again
#   engine.sh gvisor   install runsc where it is missing, and make it a runtime of the engine
#   engine.sh has_gvisor   whether it is one
#   engine.sh base     print GRADER_BASE_IMAGE and GRADER_INDEX_URL where the Dockerfile's own cannot be had
set -euo pipefail

get() { # PACKAGE...; another apt-get may be at work
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

answers() { docker version >/dev/null 2>&1; }

engine() {
    if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
        get docker.io iptables
    fi
    answers && return
    service docker start >/dev/null 2>&1 || true
    for _ in 1 2 3; do answers && return; sleep 1; done
    # No init system: start it ourselves. A container may lack what bridges need; the sandbox needs none.
    setsid dockerd >/tmp/dockerd.log 2>&1 </dev/null &
    for _ in $(seq 60); do answers && return; sleep 0.5; done
    tail -n 20 /tmp/dockerd.log >&2
    return 1
}

restart() {
    if [ -d /run/systemd/system ]; then
        systemctl restart docker
        return
    fi
    service docker stop >/dev/null 2>&1 || true
    pkill -TERM -x dockerd || true
    for _ in $(seq 60); do pgrep -x dockerd >/dev/null || break; sleep 0.5; done
    engine
}

has_gvisor() { docker info --format '{{json .Runtimes}}' | grep -q '"runsc"'; }

gvisor() {
    has_gvisor && return
    if ! command -v runsc >/dev/null; then
        get runsc
    fi
    mkdir -p /etc/docker
    # Our containers have no network; some engines hand it to runsc in a way that it refuses.
    runsc install -- --network=none >&2
    pkill -HUP -x dockerd
    for _ in $(seq 20); do
        has_gvisor && return
        sleep 0.5
    done
    return 1
}

# The default base image where it can be pulled; otherwise one of Debian's own packages.
base() {
    [ -n "${GRADER_BASE_IMAGE:-}" ] && return
    local default tag=grader-base:bookworm root
    default=$(sed -n 's/^ARG BASE_IMAGE=//p' "$(dirname "$0")/../Dockerfile")
    docker image inspect "$default" >/dev/null 2>&1 && return
    docker pull -q "$default" >/dev/null 2>&1 && return
    if ! docker image inspect "$tag" >/dev/null 2>&1; then
        if ! command -v debootstrap >/dev/null; then
            get debootstrap
        fi
        root=$(mktemp -d)
        debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >&2
        # Certificates that this machine trusts: a mirror of packages may use its own.
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
        tar -C "$root" -c . | docker import - "$tag" >/dev/null
        rm -rf "$root"
    fi
    echo "GRADER_BASE_IMAGE=$tag"
    echo "GRADER_INDEX_URL="
}

"$1"
