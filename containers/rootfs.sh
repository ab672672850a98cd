#!/usr/bin/env bash
# The image's root file system where there is no container engine: made by debootstrap and the steps of install.sh, the
# same two stages as in the Dockerfile; run in namespaces of its own, read-only, without network, as an unnamed user.
#
#   rootfs.sh build DIR [--templates FOLDER]      DIR must not exist; FOLDER has tpl-NAME folders, which are not fetched
#   rootfs.sh layer DIR LAYER                     LAYER gets what the tests need above DIR, which stays as it is
#   rootfs.sh run DIR [--layer LAYER] [--bind FROM:TO[:rw]]… [--set NAME=VALUE]… [--uid N] [--cd TO] -- COMMAND…
#
# As root, with debootstrap and overlayfs. From the environment: VARIANT (cpu, cuda), TEMPLATES, MIRROR, SECURITY_MIRROR,
# TORCH_INDEX, PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_TRUSTED_HOST, http_proxy, https_proxy, no_proxy, and PIP_CERT, a
# file of certificates. `run` takes none of them: its commands see containers/environment alone.
set -euo pipefail
umask 022

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCES=(setup.cfg pyproject.toml README.md LICENSE constraints.txt gliomorph containers)
PASSED=(VARIANT TEMPLATES MIRROR SECURITY_MIRROR TORCH_INDEX PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST
    http_proxy https_proxy no_proxy)

fail() {
    echo "rootfs.sh: $*" >&2
    exit 2
}

# Namespaces of its own for a function of this script: its mounts end with it.
apart() {
    exec unshare --mount --pid --fork --kill-child "${@:2}" "${BASH_SOURCE[0]}" "$1"
}

kernel_mounts() {
    local root=$1 device
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 dev "$root/dev"
    mkdir -m 1777 "$root/dev/shm"
    mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s /proc/self/fd/0 "$root/dev/stdin"
    ln -s /proc/self/fd/1 "$root/dev/stdout"
    ln -s /proc/self/fd/2 "$root/dev/stderr"
}

# install.sh inside, as root and with network; the sources lie in /src, which goes with the mounts
steps() {
    local root=$1 name
    shift
    local variables=(PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/tmp)
    for name in "${PASSED[@]}"; do
        [ -z "${!name+set}" ] || variables+=("$name=${!name}")
    done
    mkdir -p "$root/src"
    mount -t tmpfs source "$root/src"
    tar -C "$HERE/.." --exclude=__pycache__ --exclude='*.egg-info' -cf - "${SOURCES[@]}" | tar -C "$root/src" --no-same-owner -xf -
    if [ -n "${GIVEN_TEMPLATES:-}" ]; then
        mkdir -p "$root/src/containers/templates"
        cp -RL "$GIVEN_TEMPLATES/." "$root/src/containers/templates/"
    fi
    if [ -n "${PIP_CERT:-}" ]; then
        cp -L "$PIP_CERT" "$root/src/certificates"
        variables+=(PIP_CERT=/src/certificates)
    fi
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
    kernel_mounts "$root"
    : > "$root/etc/resolv.conf"
    mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
    chroot "$root" /usr/bin/env -i "${variables[@]}" /src/containers/install.sh "$@"
}

_base() {
    debootstrap --variant=minbase "$RELEASE" "$ROOT" "${MIRROR:-http://deb.debian.org/debian}"
}

_builder() {
    steps "$BUILDER" tools venv templates
}

_image() {
    steps "$ROOT" system
}

_layer() {
    overlay "$ROOT" "$LAYER"
    steps "$MERGED" tests
}

# MERGED, a file system above the given ones, whose changes go to UPPER or are lost
overlay() {
    local lower=$1 upper=${2:-}
    local place
    place=$(mktemp -d)
    mount -t tmpfs overlay "$place"
    MERGED=$place/root
    mkdir "$place/upper" "$place/work" "$MERGED"
    if [ -n "$upper" ]; then
        mkdir -p "$upper.work"
        mount -t overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$upper.work" overlay "$MERGED"
    else
        mount -t overlay -o "lowerdir=$lower,upperdir=$place/upper,workdir=$place/work" overlay "$MERGED"
    fi
}

build() {
    local dir=${1:-}
    [ -n "$dir" ] || fail "build: DIR is missing"
    [ ! -e "$dir" ] || fail "build: $dir is there already"
    if [ "${2:-}" = --templates ]; then
        [ -d "${3:-}" ] || fail "build: --templates ${3:-} is not a folder"
        GIVEN_TEMPLATES=$(realpath "$3")
        export GIVEN_TEMPLATES
    fi
    command -v debootstrap > /dev/null || fail "debootstrap is missing: apt-get install debootstrap"
    RELEASE=$(sed -n 's/^RELEASE=\([a-z]*\).*/\1/p' "$HERE/install.sh")
    ROOT=$(realpath -m "$dir.part")
    BUILDER=$(realpath -m "$dir.builder")
    export RELEASE ROOT BUILDER
    rm -rf --one-file-system "$ROOT" "$BUILDER"
    (apart _base)
    cp -a "$ROOT" "$BUILDER"
    (apart _builder)
    (apart _image)
    mv "$BUILDER/opt/gliomorph" "$ROOT/opt/gliomorph"
    rm -rf --one-file-system "$BUILDER"
    rmdir "$ROOT/src"
    mv "$ROOT" "$dir"
    du -sh "$dir"
}

layer() {
    [ -d "${1:-}" ] || fail "layer: ${1:-DIR} is not a folder"
    [ -n "${2:-}" ] || fail "layer: LAYER is missing"
    ROOT=$(realpath "$1")
    LAYER=$(realpath -m "$2")
    export ROOT LAYER
    mkdir -p "$LAYER"
    (apart _layer)
    rm -rf --one-file-system "$LAYER.work"
}

_run() {
    local bind from to rest words=() variables=()
    mapfile -t variables < "$HERE/environment"
    ip link set lo up
    eval "binds=($BINDS) words=($WORDS) variables+=($VARIABLES)"
    overlay "${LAYER:+$LAYER:}$ROOT"
    kernel_mounts "$MERGED"
    mkdir -p "$MERGED$FOLDER"
    for bind in "${binds[@]}"; do
        IFS=: read -r from to rest <<< "$bind"
        mkdir -p "$MERGED$to"
        mount --bind "$from" "$MERGED$to"
        [ "$rest" = rw ] || mount -o remount,bind,ro "$MERGED$to"
    done
    mount -o remount,ro "$MERGED"
    mount -t tmpfs -o mode=1777 tmp "$MERGED/tmp"
    setpriv --no-new-privs chroot --userspec="$NUMBER:$NUMBER" --groups= "$MERGED" \
        /usr/bin/env -i --chdir="$FOLDER" "${variables[@]}" "${words[@]}"
}

run() {
    [ -d "${1:-}" ] || fail "run: ${1:-DIR} is not a folder"
    ROOT=$(realpath "$1") LAYER='' NUMBER=12345 FOLDER=/tmp
    shift
    local binds=() variables=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        [ $# -gt 1 ] || fail "run: $1 needs a value"
        case $1 in
            --layer) LAYER=$(realpath "$2") ;;
            --bind) binds+=("$2") ;;
            --set) variables+=("$2") ;;
            --uid) NUMBER=$2 ;;
            --cd) FOLDER=$2 ;;
            *) fail "run: no such option: $1" ;;
        esac
        shift 2
    done
    [ $# -gt 1 ] || fail "run: COMMAND is missing after --"
    shift
    BINDS=${binds[*]@Q} VARIABLES=${variables[*]@Q} WORDS=${*@Q}
    export ROOT LAYER NUMBER FOLDER BINDS VARIABLES WORDS
    apart _run --net --ipc
}

case ${1:-} in
    build | layer | run)
        [ "$(id -u)" = 0 ] || fail "needs root: mounts and debootstrap"
        "$@"
        ;;
    _base | _builder | _image | _layer | _run) "$1" ;;
    *) fail "build, layer or run, not '${1:-}'" ;;
esac
