#!/bin/bash
# Makes the files with secrets that compose.yaml mounts: random passwords, and certificates of an authority of its own, which is
# for trying; for users replace nginx_crt and nginx_key by a certificate that their browsers know. Later it makes one anew, or
# takes one from its input.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/compose/secrets.sh [--name HOST] [--out DIRECTORY]
       deploy/compose/secrets.sh --renew SECRET [--out DIRECTORY]
       deploy/compose/secrets.sh --set SECRET [--out DIRECTORY] < VALUE
       deploy/compose/secrets.sh --expiry FILE [--out DIRECTORY]

  --name HOST       the name by which browsers call Weir; default: localhost
  --out DIRECTORY   where they are; default: deploy/compose/secrets
  --renew SECRET    make this one anew: fraud_api or another role of the database (with its URL), api_key, log_hmac_key,
                    grafana_admin_password, postgres_crt or nginx_crt (with their keys)
  --set SECRET      take this one from the input, or ask for it: metrics_key, slack_webhook_url, postgres, nginx_crt, ...
  --expiry FILE     write into FILE when each certificate ends, for node_exporter: WeirCertificateExpiring tells in time

Without --renew, --set and --expiry it refuses a directory that has something in it. Nothing secret is printed. What is to be done for a
new secret to count is printed.
USAGE
}

fail() {
  echo "secrets.sh: $1" >&2
  exit "${2:-1}"
}

name=localhost
out=$(dirname "$0")/secrets
renew=
set=
expiry=
while [ $# -gt 0 ]; do
  case $1 in
    --name | --out | --renew | --set | --expiry)
      [ $# -ge 2 ] || fail "$1 needs a value; see --help" 2
      printf -v "${1#--}" %s "$2"
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
[ $((${renew:+1} + ${set:+1} + ${expiry:+1} + 0)) -le 1 ] || fail '--renew, --set and --expiry do not go together' 2
command -v openssl >/dev/null || fail 'openssl is missing: install it from your system’s packages'
umask 077

RANDOM_ONES=(fraud_owner fraud_api fraud_detector fraud_operator fraud_trainer fraud_analyst fraud_backup fraud_metrics
  fraud_retention api_key log_hmac_key grafana_admin_password)
# Theirs come from elsewhere; until then what reads them is refused, and the rest runs. metrics_key is made by `weir keys create`,
# backup_recipients by `weir backup keygen`.
GIVEN_ONES=(metrics_key backup_recipients slack_webhook_url pagerduty_routing_key smtp_password)

# certificate FILE NAME: signed by the authority, in $work; both are read from $authority. Browsers take none that lasts longer than
# 398 days. PostgreSQL's is read by Weir alone, in a network of this machine, and when it ends all stands still: 10 years, as the
# authority's.
certificate() {
  local days=397
  if [ "$1" = postgres ]; then days=3650; fi
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$work/$1_key" -out "$work/$1_csr" 2>/dev/null
  openssl x509 -req -in "$work/$1_csr" -CA "$authority/ca_crt" -CAkey "$authority/ca_key" -set_serial "0x$(openssl rand -hex 16)" \
    -days $days -sha256 -extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$2") \
    -out "$work/$1_crt" 2>/dev/null
  rm "$work/$1_csr"
}

# Compose mounts each file as it is, and each container has a user of its own: so all may read the file, and only this user the
# directory.
put_all() {
  chmod 0444 "$work"/*
  chmod 0400 "$work/ca_key"
  mv "$work"/* "$out"/
}

# A container has the very file mounted, not its name: so it is written anew, not replaced by another one, and running
# processes see what is in it now.
put_new() {
  local file
  for file in "$work"/*; do
    chmod u+w "$out/${file##*/}"
    cat "$file" >"$out/${file##*/}"
    chmod 0444 "$out/${file##*/}"
  done
}

# with_url ROLE: its URL has its new password, and else what it had
with_url() {
  if [ ! -e "$out/$1.url" ]; then return; fi
  [[ $(cat "$work/$1") =~ ^[A-Za-z0-9_-]{16,}$ ]] || fail "$1: expected 16 or more letters, digits, - or _: it stands in a URL"
  sed -E "s|^(postgres(ql)?://[^:/@]+:)[^@]*@|\1$(cat "$work/$1")@|" "$out/$1.url" >"$work/$1.url"
}

renew_one() {
  case $renew in
    postgres_crt | nginx_crt)
      authority=$out
      [ -e "$out/ca_key" ] || fail "$out/ca_key is not there, which signs: put it there, or take --set $renew"
      openssl verify -no_check_time -CAfile "$out/ca_crt" "$out/$renew" >/dev/null 2>&1 ||
        fail "$renew was not signed by ca_crt: renew it where it came from, and take --set $renew"
      local host
      host=$(openssl x509 -in "$out/$renew" -noout -ext subjectAltName | sed -n 's/^ *DNS://p')
      certificate "${renew%_crt}" "$host"
      ;;
    *)
      [[ " ${RANDOM_ONES[*]} " == *" $renew "* ]] || fail "--renew: $renew is none that can be made anew here; see --help" 2
      openssl rand -hex 32 >"$work/$renew"
      with_url "$renew"
      ;;
  esac
}

set_one() {
  case $set in
    ca_key) fail '--set: ca_key is this script’s own' 2 ;;
    *.url | */* | .*) fail "--set: got $set; expected a secret’s name" 2 ;;
  esac
  [ -e "$out/$set" ] || fail "--set: $out/$set is not there, so nothing reads it" 2
  if [ -t 0 ]; then
    read -rs -p "$set: " value
    echo >&2
    printf '%s\n' "$value" >"$work/$set"
  else
    cat >"$work/$set"
  fi
  grep -q '[^[:space:]]' "$work/$set" || fail "--set: got nothing for $set"
  with_url "$set"
}

# first_end FILE: when the first of its certificates ends, in seconds since 1970
first_end() {
  openssl crl2pkcs7 -nocrl -certfile "$1" | openssl pkcs7 -print_certs -text -noout | sed -n 's/^ *Not After : //p' |
    while read -r end; do date --date="$end" +%s; done | sort --numeric-sort | sed -n 1p
}

# What Prometheus is told: whole, or as it was, and readable for node_exporter, which is another user.
write_expiry() {
  local file end
  {
    echo '# HELP weir_certificate_expiry_timestamp_seconds When the first of the certificates of a file expires'
    echo '# TYPE weir_certificate_expiry_timestamp_seconds gauge'
    for file in "$out"/*_crt; do
      end=$(first_end "$file")
      [ -n "$end" ] || fail "$file holds no certificate"
      echo "weir_certificate_expiry_timestamp_seconds{setting=\"${file##*/}\"} $end"
    done
  } >"$expiry.partial"
  chmod 0644 "$expiry.partial"
  mv "$expiry.partial" "$expiry"
}

# next_of SECRET: what makes it count
next_of() {
  case $1 in
    postgres) echo 'nothing, if PostgreSQL has it already (SECURITY.md)' ;;
    fraud_*) echo 'docker compose run --rm roles' ;;
    api_key | log_hmac_key) echo 'docker compose restart api' ;;
    postgres_*)
      echo 'docker compose exec postgres install -m 0600 /run/secrets/postgres_key /var/run/postgresql/server.key &&' \
        'docker compose kill --signal SIGHUP postgres'
      ;;
    nginx_crt) echo 'docker compose kill --signal SIGHUP nginx, once nginx_key fits it' ;;
    nginx_key) echo 'docker compose kill --signal SIGHUP nginx, once nginx_crt fits it' ;;
    grafana_admin_password)
      echo 'docker compose exec -T grafana grafana cli admin reset-admin-password --password-from-stdin < secrets/grafana_admin_password'
      ;;
    ca_crt) echo 'nothing; it is read for each new connection' ;;
    backup_recipients) echo 'nothing; the next backup is for them' ;;
    metrics_key | slack_webhook_url | pagerduty_routing_key | smtp_password) echo 'nothing; it is read when it is needed' ;;
    *) echo 'docker compose restart of the services that read it' ;;
  esac
}

if [ -n "$renew$set$expiry" ]; then
  [ -e "$out/ca_crt" ] || fail "$out has no secrets yet: run it without --renew, --set and --expiry first"
  if [ -n "$expiry" ]; then
    write_expiry
    exit
  fi
  work=$(mktemp -d "$out/.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if [ -n "$renew" ]; then renew_one; else set_one; fi
  put_new
  echo "There is a new $renew$set in $out. What it needs to count, in deploy/compose: $(next_of "$renew$set")" >&2
  exit
fi

[ -z "$(ls -A "$out" 2>/dev/null)" ] || fail "$out has something in it, which is never overwritten: move it away, or take another --out"
mkdir -p "$out"
chmod 0700 "$out"
# Beside its place until it is complete: half of the secrets are none.
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
authority=$work

for secret in postgres "${RANDOM_ONES[@]}"; do
  openssl rand -hex 32 >"$work/$secret"
done
# What a service sets as DATABASE_URL_FILE.
for role in postgres fraud_owner fraud_api fraud_detector fraud_operator fraud_backup; do
  echo "postgres://$role:$(cat "$work/$role")@postgres:5432/weir?sslmode=verify-full&sslrootcert=/run/secrets/ca_crt" \
    >"$work/$role.url"
done
for secret in "${GIVEN_ONES[@]}"; do
  echo unset >"$work/$secret"
done

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Weir, for trying' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$work/ca_key" -out "$work/ca_crt" 2>/dev/null
certificate postgres postgres
certificate nginx "$name"
put_all
echo "The secrets are in $out. The certificate is for $name; browsers trust it once they trust $out/ca_crt." >&2
echo "The key to log in with is in $out/api_key." >&2
