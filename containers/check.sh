#!/bin/sh
# gliomorph-check: is this image whole? ANTs' commands, and one simulated patient at 4 mm, segmented and registered by the
# networks, from its images to its page. Writes below TMPDIR (or /tmp) and leaves nothing there.
set -eu
scratch=$(mktemp -d)
end() {
    status=$?
    [ $status = 0 ] || cat "$scratch/log" >&3
    rm -rf "$scratch"
    exit $status
}
trap end EXIT
cd "$scratch"
exec 3>&2 4>&1 > log 2>&1

for command in N4BiasFieldCorrection antsRegistration antsApplyTransforms; do
    "$command" --help
done
gliomorph-simulate bids --subjects 1 --seed 1 --resolution 4
gliomorph bids out participant -w work --resolution 4 --registration metamorph-r --refine 0 --gpu none
test -s "$(echo out/sub-*.html)"
echo "gliomorph-check: whole" >&4
