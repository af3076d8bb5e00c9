#!/bin/sh
# Makes the test certificates in testdata/certs with the openssl command alone.
# Existing files stay as they are, so a second run changes nothing. To renew
# everything, remove testdata/certs first.
# Written for OpenSSL 1.1.1 and later: the dates need `openssl ca`, because
# `openssl x509` takes absolute dates only from 3.4 on.
set -eu

mkdir -p "$(dirname "$0")/certs"
cd "$(dirname "$0")/certs"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

from=20200101000000Z
to=21200101000000Z
server_san='DNS:localhost,DNS:server.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1'
password='sessl-test'

cat >"$tmp/ca.cnf" <<CNF
[ca]
default_ca = main
[main]
database = $tmp/index.txt
new_certs_dir = $tmp
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
CNF
: >"$tmp/index.txt"

# quiet COMMAND...: run it, and show its output only if it failed.
quiet() {
	"$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; echo "failed: $*" >&2; exit 1; }
}

# new_key FILE rsa|ec
new_key() {
	case $2 in
	rsa) quiet openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1" ;;
	ec) quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-pkeyopt ec_param_enc:named_curve -out "$1" ;;
	esac
}

# extensions root|intermediate|server|client rsa|ec SAN: the extension section.
extensions() {
	case $1 in
	root) echo 'basicConstraints = critical,CA:TRUE' ;;
	intermediate) echo 'basicConstraints = critical,CA:TRUE,pathlen:0' ;;
	*) echo 'basicConstraints = critical,CA:FALSE' ;;
	esac
	case $1-$2 in
	root-* | intermediate-*) echo 'keyUsage = critical,keyCertSign,cRLSign' ;;
	server-rsa) echo 'keyUsage = critical,digitalSignature,keyEncipherment' ;;
	*) echo 'keyUsage = critical,digitalSignature' ;;
	esac
	case $1 in
	server | client) echo "extendedKeyUsage = ${1}Auth" ;;
	esac
	echo 'subjectKeyIdentifier = hash'
	[ "$issuer" = self ] || echo 'authorityKeyIdentifier = keyid:always'
	[ -z "$3" ] || echo "subjectAltName = $3"
}

# issue NAME ISSUER|self KIND rsa|ec [SAN]: makes NAME.pem and NAME.key.
issue() {
	name=$1 issuer=$2 kind=$3 alg=$4 san=${5-}
	if [ -f "$name.pem" ] && [ -f "$name.key" ]; then return; fi
	case $name in
	ca) cn='sessl test root' ;;
	other-ca) cn='sessl other root' ;;
	*) cn="sessl test $name" ;;
	esac
	new_key "$tmp/key" "$alg"
	quiet openssl req -new -config "$tmp/ca.cnf" -subj "/CN=$cn" -key "$tmp/key" -out "$tmp/csr"
	extensions "$kind" "$alg" "$san" >"$tmp/ext"
	if [ "$issuer" = self ]; then
		set -- -selfsign -keyfile "$tmp/key"
	else
		set -- -cert "$issuer.pem" -keyfile "$issuer.key"
	fi
	quiet openssl ca -config "$tmp/ca.cnf" -batch -notext "$@" -extfile "$tmp/ext" \
		-startdate "$from" -enddate "$to" -in "$tmp/csr" -out "$tmp/pem"
	if [ "$issuer" = intermediate ]; then cat intermediate.pem >>"$tmp/pem"; fi
	mv "$tmp/key" "$name.key"
	mv "$tmp/pem" "$name.pem"
}

issue ca self root ec
issue other-ca self root ec
issue intermediate ca intermediate ec

issue server-ecdsa ca server ec "$server_san"
issue server-rsa ca server rsa "$server_san"
issue server-chain intermediate server ec "$server_san"
issue a-test ca server ec DNS:a.test
issue b-test ca server ec DNS:b.test
issue other-server other-ca server ec "$server_san"
issue selfsigned self server ec "$server_san"

issue client ca client ec
issue client2 ca client ec
issue client-chain intermediate client ec

to=20210101000000Z
issue expired ca server ec "$server_san"

# Other forms of one pair. Only the encrypted key is random (its salt).
quiet openssl x509 -in server-ecdsa.pem -outform DER -out server-ecdsa.der
quiet openssl pkcs8 -topk8 -nocrypt -in server-ecdsa.key -outform DER -out server-ecdsa.key.der
[ -f server-ecdsa.enc.key ] || quiet openssl pkcs8 -topk8 -in server-ecdsa.key -v2 aes-256-cbc \
	-v2prf hmacWithSHA256 -passout "pass:$password" -out server-ecdsa.enc.key

# The same in the form that had its encryption in PEM headers.
[ -f server-ecdsa.enc-old.key ] || quiet openssl ec -in server-ecdsa.key -aes256 \
	-passout "pass:$password" -out server-ecdsa.enc-old.key

# staple NAME: NAME.ocsp, the CA's answer that NAME.pem is good.
staple() {
	if [ -f "$1.ocsp" ]; then return; fi
	serial=$(openssl x509 -in "$1.pem" -noout -serial)
	printf 'V\t210001010000Z\t\t%s\tunknown\t/CN=%s\n' "${serial#serial=}" "$1" >"$tmp/ocsp.txt"
	quiet openssl ocsp -issuer ca.pem -cert "$1.pem" -no_nonce -reqout "$tmp/request"
	quiet openssl ocsp -index "$tmp/ocsp.txt" -CA ca.pem -rsigner ca.pem -rkey ca.key \
		-ndays 36500 -reqin "$tmp/request" -respout "$tmp/response"
	mv "$tmp/response" "$1.ocsp"
}
staple server-ecdsa
staple server-rsa

# Check the files: keys belong to their certificates, chains verify, and each
# bad certificate is bad for the intended reason.
# verifies PURPOSE NAME... / fails ERROR ARG...
verifies() {
	purpose=$1
	shift
	for name; do
		quiet openssl verify -x509_strict -purpose "$purpose" -CAfile ca.pem -untrusted intermediate.pem "$name.pem"
	done
}
fails() {
	want=$1
	shift
	if openssl verify "$@" >"$tmp/log" 2>&1 || ! grep -q "$want" "$tmp/log"; then
		cat "$tmp/log" >&2
		echo "openssl verify $*: want the error: $want" >&2
		exit 1
	fi
}
for key in *.key; do
	name=${key%.key}
	openssl pkey -in "$key" -passin "pass:$password" -pubout >"$tmp/pub.key"
	openssl x509 -in "${name%.enc*}.pem" -noout -pubkey >"$tmp/pub.pem"
	cmp -s "$tmp/pub.key" "$tmp/pub.pem" || { echo "$key is not the key of ${name%.enc*}.pem" >&2; exit 1; }
done
verifies sslserver server-ecdsa server-rsa server-chain a-test b-test
verifies sslclient client client2 client-chain
for name in server-ecdsa server-rsa; do
	quiet openssl ocsp -respin "$name.ocsp" -issuer ca.pem -cert "$name.pem" -CAfile ca.pem
done
quiet openssl verify -x509_strict -purpose sslserver -CAfile other-ca.pem other-server.pem
quiet openssl verify -CAfile selfsigned.pem selfsigned.pem
fails 'certificate has expired' -CAfile ca.pem expired.pem
fails 'unable to get local issuer' -CAfile ca.pem -no-CApath other-server.pem
fails 'self.signed certificate' -CAfile ca.pem selfsigned.pem
chmod 644 ./*
