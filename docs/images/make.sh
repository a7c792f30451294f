#!/usr/bin/env bash
# Makes report.png, the top of the example report as a browser shows it. Needs Chromium; CHROMIUM names another one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cargo run --release -p filiation -- compare testdata/models/base testdata/models/finetuned --quiet --report "$work" >/dev/null
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
  --window-size=1200,1880 --screenshot="$work/report.png" "file://$work/report.html" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

bytes="$(wc -c <"$work/report.png")"
if ((bytes == 0 || bytes > 300000)); then
  echo "report.png: found $bytes bytes, expected 1 to 300,000" >&2
  exit 1
fi
mv "$work/report.png" docs/images/report.png
echo "wrote docs/images/report.png, $bytes bytes"
