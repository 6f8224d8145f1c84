#!/bin/bash
# PostgreSQL takes a key that nobody else can read, which a mounted secret is not: so it gets a copy, in memory.
set -euo pipefail
install -m 0600 /run/secrets/postgres_key /var/run/postgresql/server.key

exec docker-entrypoint.sh postgres \
  -c hba_file=/etc/weir/pg_hba.conf \
  -c password_encryption=scram-sha-256 \
  -c ssl=on \
  -c ssl_cert_file=/run/secrets/postgres_crt \
  -c ssl_key_file=/var/run/postgresql/server.key \
  -c ssl_min_protocol_version=TLSv1.2 \
  -c max_connections=100 \
  -c shared_buffers=512MB \
  -c max_wal_size=4GB \
  -c checkpoint_timeout=15min \
  -c log_min_duration_statement=-1 \
  -c log_statement=none \
  -c log_error_verbosity=terse \
  -c log_min_error_statement=panic \
  -c timezone=UTC
