#!/bin/sh
# Makes what this example needs, beside itself: two CAs, a certificate of the site, those of three clients, and the list
# that revokes one of them. For trying it out: the keys of the CAs are thrown away, so nothing can be added later.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

# make_ca FILE NAME
make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$work/$1.key" -out "$1.pem"
}

# issue CA FILE EXTENSIONS
issue() {
  printf '%s\n' "$3" >"$work/extensions"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$work/request"
  openssl x509 -req -in "$work/request" -CA "$1.pem" -CAkey "$work/$1.key" -CAcreateserial -days 30 \
    -extfile "$work/extensions" -out "$2.pem"
}

{
  make_ca site-ca 'Example site CA'
  make_ca clients-ca 'Example clients CA'
  issue site-ca localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  for name in alice bob mallory; do
    issue clients-ca "$name" 'extendedKeyUsage=clientAuth'
  done

  printf '[ca]\ndefault_ca=own\n[own]\ndatabase=%s/index\ndefault_md=sha256\n' "$work" >"$work/ca.conf"
  : >"$work/index"
  openssl ca -config "$work/ca.conf" -cert clients-ca.pem -keyfile "$work/clients-ca.key" -revoke mallory.pem
  openssl ca -config "$work/ca.conf" -cert clients-ca.pem -keyfile "$work/clients-ca.key" -gencrl -crldays 30 \
    -out clients.crl
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
rm -f ./*.srl
echo "Made site-ca.pem, localhost.pem, clients-ca.pem, alice.pem, bob.pem, mallory.pem (revoked), clients.crl."
