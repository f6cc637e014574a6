#!/usr/bin/env bash
# Builds the images by docker, podman or buildah, whichever works here: build.sh TARGET...
# BASE is the Python base image, TAG the tag, BUILD_ARGS what else the builder is told.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

builder=""
docker info >/dev/null 2>&1 && builder=docker
[[ -z $builder ]] && command -v podman >/dev/null && podman info >/dev/null 2>&1 && builder=podman
[[ -z $builder ]] && command -v buildah >/dev/null && builder=buildah
if [[ -z $builder ]]; then
  echo "an image needs docker (with its server running), podman or buildah; none is here" >&2
  exit 1
fi

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' downscaler/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
read -ra more <<<"${BUILD_ARGS:-}"
[[ -n ${BASE:-} ]] && more+=(--build-arg "BASE=$BASE")
[[ $builder != docker ]] && more+=(--format docker)  # OCI's own format knows no HEALTHCHECK
for target in "$@"; do
  echo "vadose-$target:${TAG:-$version} by $builder"
  "$builder" build -f deploy/Dockerfile --target "$target" -t "vadose-$target:${TAG:-$version}" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "${more[@]}" .
done
