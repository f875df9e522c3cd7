#!/usr/bin/env bash
# A stand-in for the image python:3.11-slim-bookworm, from Debian's packages and this machine's Python 3.11, to try the
# Dockerfile where no registry of images can be reached.
#
#   sudo tools/base_image.sh                      (Debian: apt-get install buildah debootstrap)
#   sudo buildah bud --pull-never --isolation chroot -t lss:cpu .
#
# The environment's settings of pip (PIP_*, UV_*, SSL_CERT_FILE) go into the stand-in, and with them whatever index you
# have; folders of wheels they name are mounted with `--volume FOLDER:FOLDER:ro`. Where torch's own index of CPU builds
# cannot be reached either, `--build-arg TORCH=cuda` takes the torch that your index or your folder of wheels has.
set -euo pipefail

IMAGE=docker.io/library/python:3.11-slim-bookworm
PYTHON=${PYTHON:-python3.11}
LIBRARIES=ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,libuuid1,netbase,tzdata,zlib1g

fail() { printf 'base_image: %s\n' "$1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root: debootstrap changes the root folder"
for program in buildah debootstrap "$PYTHON"; do
    command -v "$program" >/dev/null || fail "$program is not installed. Debian: apt-get install buildah debootstrap; PYTHON=... names a Python 3.11"
done
prefix=$("$PYTHON" -c 'import sys; print(sys.base_prefix) if sys.version_info[:2] == (3, 11) else sys.exit(1)') \
    || fail "$PYTHON is no Python 3.11"
[ "$prefix" != /usr ] || fail "$PYTHON is the system's own, which cannot be copied alone; PYTHON=... names another"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase --include="$LIBRARIES" bookworm "$work/root" >"$work/log" 2>&1 \
    || { tail -5 "$work/log" >&2; fail "debootstrap: see above"; }
sources=/etc/apt/sources.list.d/debian.sources
if [ -f "$sources" ]; then cp "$sources" "$work/root/etc/apt/sources.list.d/"; rm -f "$work/root/etc/apt/sources.list"; fi
cat /etc/ssl/certs/ca-certificates.crt >"$work/root/etc/ssl/certs/ca-certificates.crt"
if [ -f /etc/pip.conf ]; then cp -L /etc/pip.conf "$work/root/etc/pip.conf"; fi

# Python alone, without what was installed into it
tar -C "$prefix" --exclude='*/site-packages/*' --exclude='*/__pycache__' --exclude='lib/python3.11/test' \
    -cf - bin/python3.11 lib include | tar -C "$work/root/usr/local" --no-same-owner -xf -
ln -s python3.11 "$work/root/usr/local/bin/python3"
ln -s python3 "$work/root/usr/local/bin/python"
chroot "$work/root" ldconfig
chroot "$work/root" python3 -m ensurepip --default-pip >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; fail "ensurepip: see above"; }

container=$(buildah from scratch)
buildah copy --quiet "$container" "$work/root" / >/dev/null
for name in $(compgen -e | grep -E '^(PIP_|UV_|SSL_CERT_FILE$)'); do
    buildah config --env "$name=${!name}" "$container"
done
buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 "$container"
buildah commit --quiet --rm "$container" "$IMAGE"
