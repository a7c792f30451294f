#!/usr/bin/env bash
# Makes what the README shows of the example: report.png, the top of the report as a browser shows it, and the output of both commands.
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

bytes="$(wc -c <"$work/report.png")"
if ((bytes == 0 || bytes > 300000)); then
  echo "report.png: found $bytes bytes, expected 1 to 300,000" >&2
  exit 1
fi
mv "$work/report.png" docs/images/report.png

# The README's first two blocks of text are the two outputs.
awk -v outputs="$work/finetuned.txt $work/independent.txt" '
  BEGIN { n = split(outputs, output, " ") }
  /^```text$/ && block < n { print; block++; while ((getline line < output[block]) > 0) print line; inside = 1; next }
  /^```$/ { inside = 0 }
  !inside { print }
' README.md >README.md.new
cat README.md.new >README.md
echo "wrote docs/images/report.png, $bytes bytes, and the outputs in README.md"
