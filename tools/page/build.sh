#!/bin/sh
# The programs that the page of a release loads, from the npm registry in the locked versions: build.sh TARGET
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/package.json "$here"/package-lock.json "$here"/*.js "$work"
cd "$work"
npm ci --silent --no-audit --no-fund
mkdir -p "$target"
for name in parquet duckdb; do
    npx esbuild "$name.js" --bundle --minify --format=esm --legal-comments=none --log-level=warning --outfile="$target/$name.js"
done
cp node_modules/@duckdb/duckdb-wasm/dist/duckdb-eh.wasm node_modules/@duckdb/duckdb-wasm/dist/duckdb-browser-eh.worker.js "$target"
for package in @duckdb/duckdb-wasm apache-arrow hyparquet fzstd; do
    name=$(echo "$package" | tr -d @ | tr / -)
    cat node_modules/"$package"/LICENSE* > "$target/$name.LICENSE.txt" 2>/dev/null || true
done
