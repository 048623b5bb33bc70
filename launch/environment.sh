# shellcheck shell=bash
# Sourced by the other scripts: finds a Python and makes virtual environments.

# Prints the path of a Python that flanjax runs on.
find_python() {
  local candidate
  local supported='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
  for candidate in ${FLANJAX_PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
    if "$candidate" -c "$supported" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "Python must be 3.11, 3.12 or 3.13, got none of them; install one or set FLANJAX_PYTHON." >&2
  return 1
}

# Prints where a virtual environment keeps its packages.
packages_of() {
  "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
}

# ensure_environment [--over BASE] DIRECTORY PACKAGES...: a virtual environment that holds them.
#
# Each argument after the directory is one pip command's packages, parted by
# spaces; they are installed in order, at the versions of the constraints file.
# Packages of the environment BASE are seen, not installed again. An environment
# made from the same files and arguments is used again.
ensure_environment() {
  local base= directory python version constraints packages stamp
  if [[ $1 == --over ]]; then base=$2; shift 2; fi
  directory=$1
  shift
  python=$(find_python)
  version=$("$python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
  constraints=constraints/$version.txt
  stamp=$(
    cat setup.py pyproject.toml "$constraints" <(echo "$python" "$PWD" ${base:+"$base"} "$@") |
      sha256sum
  )
  if [[ -f $directory/stamp && $(<"$directory/stamp") == "$stamp" ]]; then
    echo "$directory is up to date."
    return
  fi
  echo "Making $directory with $python and $constraints ..."
  rm -rf -- "$directory"
  "$python" -m venv "$directory"
  if [[ $base ]]; then
    packages_of "$base" >"$(packages_of "$directory")/base.pth"
  fi
  # Bytecode is made of what is imported, when it is.
  for packages in "$@"; do
    # shellcheck disable=SC2086  # several packages stand in one argument
    "$directory/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check \
      --constraint "$constraints" $packages
  done
  echo "$stamp" >"$directory/stamp"
}

# Keeps freed memory for the processes that follow. XLA:CPU gives its memory back after every step,
# and glibc returns it to the system; keeping it makes steps up to a third faster.
keep_freed_memory() {
  export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_ARENA_MAX=1
  export MALLOC_TRIM_THRESHOLD_=100000000000
}

# For tests: XLA:CPU compiles a step of training in a fourth of the time, most of it saved by its
# older way to write a fusion, and then runs it slowly.
# shellcheck disable=SC2034  # read where this file is sourced
QUICK_COMPILATION="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true \
--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters"

# mesh_flags NAME: prints the XLA flags that gin_configs/meshes/NAME.gin recommends for GPUs.
mesh_flags() {
  sed -nE 's/^# +(--xla\S*).*/\1/p' "gin_configs/meshes/$1.gin" | tr '\n' ' '
}
