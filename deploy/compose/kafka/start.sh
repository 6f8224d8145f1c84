#!/bin/bash
# Without the image's own start script, which writes its settings into files that are read-only here.
set -euo pipefail
settings=/etc/weir/server.properties

if [ ! -e /var/lib/kafka/data/meta.properties ]; then
  cluster=$(/opt/kafka/bin/kafka-storage.sh random-uuid)
  /opt/kafka/bin/kafka-storage.sh format --cluster-id="$cluster" --config="$settings"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$settings"
