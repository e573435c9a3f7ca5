#!/bin/sh
# Import the new images of a folder into a project and store predictions for them. A line for cron, at two every night:
#   0 2 * * * /srv/galaxyloop/prelabel_nightly.sh 7 /data/new-images >>/var/log/galaxyloop-nightly.log 2>&1
# The settings (LABEL_STUDIO_URL, LABEL_STUDIO_API_KEY, ...) are in .env or galaxyloop.toml in the folder of this script.
set -u
project="$1"
images="$2"
cd "$(dirname "$0")" || exit 2

# An image that the project already has is not imported again. Exit code 1: some images were left out, and are listed.
galaxyloop import "$project" "$images" --quiet
[ $? -le 1 ] || exit 2
galaxyloop prelabel "$project" --quiet
