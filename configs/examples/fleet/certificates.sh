#!/bin/sh
# Makes an authority of the fleet's own and a certificate for each node, which its
# etcd and its weir show each other:
#
#   certificates.sh DIR edge-1=10.0.0.1 edge-2=10.0.0.2 edge-3=10.0.0.3
#
# DIR then has ca.crt, and in a folder a node node.crt and node.key, for /etc/etcd and
# /etc/weir/tls of that node. Run again it keeps the authority and makes new
# certificates, which etcd takes when it is restarted and weir by itself.
#
# Threat: who has ca.key can join the etcd and rewrite everything. Keep DIR off the
# nodes.
set -eu
umask 077
days=${DAYS:-365}
[ $# -ge 2 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 2; }
dir=$1
shift
mkdir -p "$dir"
if [ ! -e "$dir/ca.key" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
		-subj "/CN=weir fleet" -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$dir/ca.key" -out "$dir/ca.crt"
fi
for node in "$@"; do
	name=${node%%=*}
	address=${node#*=}
	mkdir -p "$dir/$name"
	cat >"$dir/$name/extensions" <<END
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:$name,DNS:localhost,IP:$address,IP:127.0.0.1
END
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "/CN=$name" \
		-keyout "$dir/$name/node.key" -out "$dir/$name/request"
	openssl x509 -req -sha256 -days "$days" -in "$dir/$name/request" -extfile "$dir/$name/extensions" \
		-CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -out "$dir/$name/node.crt"
	cp "$dir/ca.crt" "$dir/$name/"
	rm "$dir/$name/request" "$dir/$name/extensions"
done
