#!/bin/sh
# Makes the files that compose.yaml mounts as secrets, with passwords that nobody has seen, in ./secrets (or the folder
# that is named). The vendors' credentials then go into sync.env by hand.
set -eu
folder=${1:-secrets}
example=$(dirname "$0")/../../.env.example
umask 077
mkdir "$folder" # refuses one that is there: new passwords would lock the databases' data away
random() { openssl rand -hex 32; }
ledger=$(random) prefect=$(random) login=sync:$(random)

printf %s "$ledger" >"$folder/ledger_password"
printf %s "$prefect" >"$folder/prefect_password"
cat >"$folder/prefect_server.toml" <<END
active = "sync"
[profiles.sync]
PREFECT_SERVER_API_AUTH_STRING = "$login"
PREFECT_SERVER_DATABASE_PASSWORD = "$prefect"
END
cat >"$folder/prefect_client.toml" <<END
active = "sync"
[profiles.sync]
PREFECT_API_AUTH_STRING = "$login"
END
{
  cat "$example"
  echo
  echo "# --- Made by make-secrets.sh; keep a copy of the key apart from the backups ---"
  echo "SYNC_DATABASE_URL=postgresql://sync:$ledger@ledger-database:5432/sync"
  echo "SYNC_API_TOKEN=$(random)"
  echo "SYNC_ENCRYPTION_KEY=$(openssl rand -base64 32 | tr +/ -_)"
} >"$folder/sync.env"
# The programs in the containers are other users: the folder keeps everybody else on this machine out.
chmod 644 "$folder"/*
