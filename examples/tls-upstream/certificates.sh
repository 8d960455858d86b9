#!/bin/sh
# Makes what this example needs, beside itself: a CA, the certificate of the site and that which we show it, and one of
# the same name that the CA has not signed. For trying it out: the key of the CA is thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

# issue FILE EXTENSIONS
issue() {
  printf '%s\n' "$2" >"$work/extensions"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$work/request"
  openssl x509 -req -in "$work/request" -CA inner-ca.pem -CAkey "$work/ca.key" -CAcreateserial -days 30 \
    -extfile "$work/extensions" -out "$1.pem"
}

{
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Example inner CA' \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$work/ca.key" -out inner-ca.pem
  issue app.internal 'subjectAltName=DNS:app.internal'
  issue sluice 'extendedKeyUsage=clientAuth'
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=app.internal' \
    -addext subjectAltName=DNS:app.internal -keyout stranger.key -out stranger.pem
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
rm -f ./*.srl
echo "Made inner-ca.pem, app.internal.pem, sluice.pem, stranger.pem."
