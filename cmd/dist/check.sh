#!/bin/sh
# Makes the packages twice, the second time from a clone in another place, and
# compares. Then it unpacks what is for this machine and runs it. DIST holds options
# of dist, such as -targets=linux/amd64; CACHE=warm lets the second time use what
# the first has compiled, which is quick and proves less.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
# shellcheck disable=SC2086 # several options
go run ./cmd/dist ${DIST:-}
git clone -q . "$work/elsewhere"
[ "${CACHE:-}" = warm ] || GOCACHE=$work/cache
[ -z "${GOCACHE:-}" ] || export GOCACHE
# shellcheck disable=SC2086
(cd "$work/elsewhere" && go run ./cmd/dist ${DIST:-} -out "$work/again")
diff dist/SHA256SUMS "$work/again/SHA256SUMS"
(cd dist && sha256sum --check --quiet SHA256SUMS)
name=$(basename dist/*-linux-"$(go env GOARCH)".tar.gz .tar.gz)
tar -xzf "dist/$name.tar.gz" -C "$work"
"$work/$name/weir" version
for want in README.md LICENSE man/man1/weir-rollout-start.1 completions/_weir completions/weir.bash completions/weir.fish \
	configs/examples/node.yaml configs/ci/release.sh configs/systemd/weir.service; do
	[ -s "$work/$name/$want" ] || { echo "$name has no $want"; exit 1; }
done
if find "$work/$name" -name '*.go' | grep .; then exit 1; fi
"$work/$name/weir" check "$work/$name"/configs/examples/*.yaml
if command -v man >/dev/null; then man -l "$work/$name/man/man1/weir.1" >/dev/null; fi
echo "equal, and it runs"
