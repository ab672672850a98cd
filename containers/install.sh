#!/bin/sh
# The steps that make gliomorph's image: Dockerfile, apptainer.def and containers/rootfs.sh run these and no others.
#
#   install.sh STEP…    as root, inside the file system that is made
#
#   tools      what the stage needs that builds the virtual environment (Debian's packages)
#   venv       PREFIX with gliomorph, the pins of constraints.txt and the networks that come with gliomorph
#   templates  those that may be passed on, into PREFIX/templates
#   system     what the image needs itself (Debian's packages)
#   tests      pytest and its like beside gliomorph: the test stage only, never the image that is shipped
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive

PREFIX=/opt/gliomorph
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
RELEASE=trixie  # the first Debian with ANTs' commands, for Nipype's nodes
SYSTEM_PACKAGES="ants ca-certificates python3 tini"
BUILD_PACKAGES="ca-certificates python3 python3-venv"

VARIANT=${VARIANT:-cpu}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
SECURITY_MIRROR=${SECURITY_MIRROR:-http://deb.debian.org/debian-security}
TEMPLATES=${TEMPLATES-SRI24}

debian() {
    options=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
    case $MIRROR in
        *snapshot*) options="$options check-valid-until=no" ;;  # a day of the past, whose lists have run out
    esac
    rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
    cat > /etc/apt/sources.list <<END
deb [$options] $MIRROR $RELEASE main
deb [$options] $MIRROR $RELEASE-updates main
deb [$options] $SECURITY_MIRROR $RELEASE-security main
END
    apt-get update -q
    # shellcheck disable=SC2086  # a list of names
    apt-get install -q -y --no-install-recommends $1
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/cache/ldconfig/aux-cache /var/log/*.log /var/log/apt/*
}

# by the environment, which the places where packages are built read too
export PIP_CONSTRAINT=$SOURCE/constraints.txt

pip_install() {
    "$PREFIX/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "$@"
}

tools() {
    debian "$BUILD_PACKAGES"
}

venv() {
    case $VARIANT in
        cpu) index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu} ;;
        cuda) index=${TORCH_INDEX:-} ;;  # the Python package index has the build for CUDA
        *) echo "install.sh: VARIANT must be cpu or cuda, not $VARIANT" >&2; exit 2 ;;
    esac
    if [ "$VARIANT" = cuda ] && [ -z "$index" ]; then
        PIP_CONSTRAINT="$PIP_CONSTRAINT $SOURCE/containers/cuda.txt"
    fi
    python3 -m venv "$PREFIX"
    # torch alone from its own index; what it needs comes with gliomorph, from the usual one
    pip_install --no-deps ${index:+--index-url "$index"} torch
    pip_install "$SOURCE[survival]"
    install -m 755 "$SOURCE/containers/check.sh" "$PREFIX/bin/gliomorph-check"
    "$PREFIX/bin/python" -m pip freeze > "$PREFIX/packages.txt"
    chmod -R a+rX "$PREFIX"
}

templates() {
    mkdir -p "$PREFIX/templates"
    for name in $TEMPLATES; do
        given=$SOURCE/containers/templates/tpl-$name
        if [ -d "$given" ]; then
            cp -R "$given" "$PREFIX/templates/"
        else
            "$PREFIX/bin/gliomorph-fetch" "$name" --template-dir "$PREFIX/templates"
        fi
    done
    chmod -R a+rX "$PREFIX"
}

system() {
    debian "$SYSTEM_PACKAGES"
}

tests() {
    pip_install 'gliomorph[test]' pytest-xdist
    # the modules beside the tests, after the installed gliomorph, which is the one that is tested
    echo /src > "$("$PREFIX/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/source.pth"
}

[ $# -gt 0 ] || { echo "install.sh: no step given" >&2; exit 2; }
for step in "$@"; do
    case $step in
        tools | venv | templates | system | tests) "$step" ;;
        *) echo "install.sh: no such step: $step" >&2; exit 2 ;;
    esac
done
