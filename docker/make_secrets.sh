#!/bin/sh
# Makes docker/secrets/ for compose.yaml: a random password of the database, its URL with it, and a token of Ray.
# Containers read the files under other users than yours, hence their mode; the folder keeps other users of this machine out.
set -eu
folder="${1:-$(dirname "$0")/secrets}"
if [ -e "$folder" ]; then
  echo "$folder is there already, and a database keeps the password that it was made with: nothing is changed" >&2
  exit 1
fi
umask 077
mkdir "$folder"
# 48 hexadecimal digits: none has to be escaped in a URL.
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
password=$(random)
printf '%s' "$password" >"$folder/postgres_password"
printf 'postgresql+psycopg2://kd:%s@postgres/kdsearch' "$password" >"$folder/storage_url"
random >"$folder/ray_token"
chmod 444 "$folder"/*
echo "made $folder"
