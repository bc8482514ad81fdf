#!/usr/bin/env bash
# Make .venv hold exactly what a lock file names:   envs/install.sh runtime | dev | slurm
#
# Why this is not one `pip install -r` (measured on two cores with an empty cache: 88 s that way, 22 s this way):
#   - pip 26 reads index pages in half the time that the pip of Python 3.11 takes, so it is installed first;
#   - the lock is complete, so nothing has to be resolved (--no-deps), except for torch: some of its builds
#     require CUDA libraries that the lock cannot name, so its part is installed with dependencies;
#   - the parts of the lock are disjoint, so one pip per part may run at the same time;
#   - byte code is written only for the modules that jobs import, instead of for all 14,000.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=${1:?"usage: envs/install.sh runtime | dev | slurm"}
case "$kind" in
    runtime) lock=envs/requirements.lock ;;
    dev) lock=envs/requirements-dev.lock ;;
    slurm) lock=envs/requirements-slurm.lock ;;
    *) echo "envs/install.sh: '$kind' is none of runtime, dev and slurm." >&2; exit 2 ;;
esac

unset PYTHONDONTWRITEBYTECODE PYTHONPATH PIP_USER PIP_TARGET PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK=1
python=.venv/bin/python
quiet=(-qq --progress-bar off --no-compile --no-warn-script-location)
tools=(pip==26.3 "$(grep '^setuptools==' envs/requirements.lock)")

is_311() { "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; }

make_venv() {
    local found="" candidate
    for candidate in python3.11 python3; do
        if is_311 "$candidate"; then found=$candidate; break; fi
    done
    if [[ -z $found ]]; then
        echo "Orrery needs Python 3.11 with its venv module, and neither python3.11 nor python3 is one." >&2
        exit 1
    fi
    rm -rf .venv
    # The pip that comes with Python can fill an environment that has none; where it cannot, venv unpacks one.
    "$found" -m venv --without-pip .venv
    "$found" -m pip --python "$python" install "${quiet[@]}" "${tools[@]}" >/dev/null 2>&1 ||
        { "$found" -m venv --clear .venv && "$python" -m pip install "${quiet[@]}" "${tools[@]}"; }
}

wait_all() { # wait_all WHAT PID...: wait for all, then fail if one failed
    local what=$1 failed=0 pid
    shift
    for pid in "$@"; do wait "$pid" || failed=1; done
    if ((failed)); then echo "$what failed, see above." >&2; exit 1; fi
}

start=$SECONDS
is_311 "$python" || make_venv
"$python" -m pip install "${quiet[@]}" "${tools[@]}"

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
echo "Installing $(grep -c '==' "$lock") packages of $lock into .venv …"
awk -v folder="$parts" '/^# part /{ file = folder "/" $3 } /==/{ print > file }' "$lock"

pids=()
for part in "$parts"/*; do
    options=(-c envs/constraints.txt -c "$lock" -r "$part")
    [[ $(basename "$part") == torch ]] || options+=(--no-deps --no-build-isolation)
    [[ $kind/$(basename "$part") == runtime/b ]] && options+=(-e .)
    "$python" -m pip install "${quiet[@]}" "${options[@]}" &
    pids+=($!)
done
wait_all "The installation of $lock" "${pids[@]}"

if [[ $kind == dev ]]; then
    # In a folder of its own, which only the tests of the cluster look into: where no Slurm answers, each start of
    # Snakemake with the plugin waits for ten seconds.
    rm -rf .venv/slurm
    "$python" -m pip install "${quiet[@]}" --no-deps --target .venv/slurm -r envs/requirements-slurm.lock
fi

if [[ $kind == runtime ]]; then
    pids=()
    for modules in \
        "torch, torch.func, safetensors.torch, snakemake.cli, snakemake.script, pydantic, jinja2, psutil" \
        "pandas, xarray, zarr, dask.array, scipy.linalg, scipy.sparse.linalg, scipy.stats, matplotlib.pyplot"; do
        "$python" -W ignore -c "import $modules" &
        pids+=($!)
    done
    wait_all "The first import of the installed packages" "${pids[@]}"
fi
echo "Installed in $((SECONDS - start)) s."
