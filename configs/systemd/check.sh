#!/bin/sh
# Asks systemd whether the units are right, and how much of the machine the service
# has: at most 20 of 100, where lower is better. The binary need not be installed.
set -eu
cd "$(dirname "$0")"
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze: apt-get install systemd"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp weir.socket "$work/"
sed "s|/usr/local/bin/weir |$(command -v true) |" weir.service >"$work/weir.service"
said=$(systemd-analyze verify --man=no "$work/weir.service" "$work/weir.socket" 2>&1) || { echo "$said"; exit 1; }
case $said in *weir.*) echo "$said"; exit 1 ;; esac
systemd-analyze security --offline=yes --threshold=20 "$work/weir.service" >"$work/security" || { cat "$work/security"; exit 1; }
tail -n 1 "$work/security"
