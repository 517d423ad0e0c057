#!/bin/sh
# Asks systemd whether the units are right, and how much of the machine the services
# have: at most 20 of 100, where lower is better. The binaries need not be installed.
set -eu
cd "$(dirname "$0")"
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze: apt-get install systemd"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp weir.socket "$work/"
for unit in weir.service ../examples/fleet/etcd.service; do
	sed -E "s#=/usr/(local/)?bin/(weir|etcd) #=$(command -v true) #" "$unit" >"$work/${unit##*/}"
done
said=$(systemd-analyze verify --man=no "$work"/*.service "$work/weir.socket" 2>&1) || { echo "$said"; exit 1; }
case $said in *weir.* | *etcd.*) echo "$said"; exit 1 ;; esac
for unit in "$work"/*.service; do
	systemd-analyze security --offline=yes --threshold=20 "$unit" >"$work/security" || { cat "$work/security"; exit 1; }
	tail -n 1 "$work/security"
done
