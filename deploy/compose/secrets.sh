#!/bin/bash
# Makes the files with secrets that compose.yaml mounts: random passwords, and certificates of an authority of its own, which is
# for trying; for users replace nginx_crt and nginx_key by a certificate that their browsers know.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/compose/secrets.sh [--name HOST] [--out DIRECTORY]

  --name HOST       the name by which browsers call Weir; default: localhost
  --out DIRECTORY   where to; default: deploy/compose/secrets

It refuses a directory that has something in it. Nothing secret is printed. To make one secret anew, remove its file, and run
`openssl rand -hex 32 > FILE`; for roles of the database see `weir roles rotate`.
USAGE
}

fail() {
  echo "secrets.sh: $1" >&2
  exit "${2:-1}"
}

name=localhost
out=$(dirname "$0")/secrets
while [ $# -gt 0 ]; do
  case $1 in
    --name | --out)
      [ $# -ge 2 ] || fail "$1 needs a value; see --help" 2
      if [ "$1" = --name ]; then name=$2; else out=$2; fi
      shift 2
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "there is no option $1; see --help" 2 ;;
  esac
done

[[ $name =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] || fail "--name: got $name; expected a host's name, such as fraud.example.com" 2
command -v openssl >/dev/null || fail 'openssl is missing: install it from your system’s packages'
[ -z "$(ls -A "$out" 2>/dev/null)" ] || fail "$out has something in it, which is never overwritten: move it away, or take another --out"

umask 077
mkdir -p "$out"
chmod 0700 "$out"
# Beside its place until it is complete: half of the secrets are none.
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

for secret in postgres fraud_owner fraud_api fraud_detector fraud_operator fraud_trainer fraud_analyst fraud_backup \
  fraud_metrics fraud_retention api_key log_hmac_key grafana_admin_password; do
  openssl rand -hex 32 >"$work/$secret"
done
# What a service sets as DATABASE_URL_FILE.
for role in postgres fraud_owner fraud_api fraud_detector fraud_operator fraud_backup; do
  echo "postgres://$role:$(cat "$work/$role")@postgres:5432/weir?sslmode=verify-full&sslrootcert=/run/secrets/ca_crt" \
    >"$work/$role.url"
done
# Theirs come from elsewhere; until then what reads them is refused, and the rest runs. metrics_key is made by `weir keys create`,
# backup_recipients by `weir backup keygen`.
for secret in metrics_key backup_recipients slack_webhook_url pagerduty_routing_key smtp_password; do
  echo unset >"$work/$secret"
done

# certificate FILE NAME: signed by the authority
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$work/$1_key" -out "$work/$1_csr" 2>/dev/null
  openssl x509 -req -in "$work/$1_csr" -CA "$work/ca_crt" -CAkey "$work/ca_key" -set_serial "0x$(openssl rand -hex 16)" -days 397 -sha256 \
    -extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$2") \
    -out "$work/$1_crt" 2>/dev/null
  rm "$work/$1_csr"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Weir, for trying' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$work/ca_key" -out "$work/ca_crt" 2>/dev/null
certificate postgres postgres
certificate nginx "$name"

# Compose mounts each file as it is, and each container has a user of its own: so all may read the file, and only this user the
# directory.
chmod 0444 "$work"/*
chmod 0400 "$work/ca_key"
mv "$work"/* "$out"/
echo "The secrets are in $out. The certificate is for $name; browsers trust it once they trust $out/ca_crt." >&2
echo "The key to log in with is in $out/api_key." >&2
