#!/bin/bash
# Deletes old backups, so that the disk does not fill. By their order, not by their age: when no new ones come, none goes.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/compose/keep-backups.sh [--keep N] DIRECTORY

  --keep N     how many of the newest stay; default: 35
  DIRECTORY    where `backup create` puts them

The newest backup that was verified stays, too, and so does all that is newer: until then nobody knows that those can be
restored. So nothing is deleted before the first `….verified.json` is there. What is deleted is printed.
USAGE
}

fail() {
  echo "keep-backups.sh: $1" >&2
  exit "${2:-1}"
}

keep=35
directory=
while [ $# -gt 0 ]; do
  case $1 in
    --keep)
      [ $# -ge 2 ] || fail '--keep needs a value; see --help' 2
      keep=$2
      shift 2
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) fail "there is no option $1; see --help" 2 ;;
    *)
      [ -z "$directory" ] || fail 'one directory is expected; see --help' 2
      directory=$1
      shift
      ;;
  esac
done
[[ $keep =~ ^[1-9][0-9]{0,3}$ ]] || fail "--keep: got $keep; expected a number from 1 up" 2
[ -n "$directory" ] || fail 'a directory is expected; see --help' 2
cd -- "$directory" || fail "$directory cannot be read"

shopt -s nullglob
# Names hold the time. One without a manifest is being made, or is none.
newest_first=()
while read -r backup; do
  if [ -e "$backup.json" ]; then newest_first+=("$backup"); fi
done < <(printf '%s\n' weir-*.dump.age weir-*.dump.gpg | sort --reverse)

is_proved=
for i in "${!newest_first[@]}"; do
  backup=${newest_first[i]}
  if [ "$i" -ge "$keep" ] && [ -n "$is_proved" ]; then
    # The manifest first: what is left of a backup without one is none.
    rm -- "$backup.json"
    rm --force -- "$backup" "$backup.verified.json"
    echo "deleted $directory/$backup"
  elif [ -e "$backup.verified.json" ]; then
    is_proved=yes
  fi
done
if [ "${#newest_first[@]}" -gt "$keep" ] && [ -z "$is_proved" ]; then
  fail "nothing is deleted: none of the ${#newest_first[@]} backups of $directory was verified"
fi
