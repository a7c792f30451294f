#!/usr/bin/env bash
# Makes what the README shows of the example: report.png and claim.png, the tops of both pages as a browser shows them, and the output of two commands.
# Needs Chromium; CHROMIUM names another one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

models=testdata/models
work="$(mktemp -d)"
trap 'rm -rf "$work"; rm -f README.md.new' EXIT
cargo build --release -p filiation
filiation="${CARGO_TARGET_DIR:-target}/release/filiation"

"$filiation" compare $models/base $models/finetuned --quiet --report report >"$work/finetuned.txt"
"$filiation" compare $models/base $models/independent --quiet | sed '/^$/,$d' >"$work/independent.txt"
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
  --window-size=1080,1500 --screenshot="$work/report.png" "file://$PWD/report/report.html" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

lineage=testdata/lineage
"$filiation" claim attention $models/base $models/finetuned --control $lineage/seed-2 --control $lineage/seed-3 --control $lineage/seed-4 \
  --no-registered-controls --quiet --report "$work/claim" >/dev/null
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
  --window-size=1080,1560 --screenshot="$work/claim.png" "file://$work/claim/claim.html" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

for picture in report claim; do
  bytes="$(wc -c <"$work/$picture.png")"
  if ((bytes == 0 || bytes > 300000)); then
    echo "$picture.png: found $bytes bytes, expected 1 to 300,000" >&2
    exit 1
  fi
  mv "$work/$picture.png" "docs/images/$picture.png"
done

# The README's first two blocks of text are the two outputs.
awk -v outputs="$work/finetuned.txt $work/independent.txt" '
  BEGIN { n = split(outputs, output, " ") }
  /^```text$/ && block < n { print; block++; while ((getline line < output[block]) > 0) print line; inside = 1; next }
  /^```$/ { inside = 0 }
  !inside { print }
' README.md >README.md.new
cat README.md.new >README.md
echo "wrote docs/images/report.png, docs/images/claim.png and the outputs in README.md"
