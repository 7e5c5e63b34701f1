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
# duckdb-wasm's package has no licence in it, so its repository's stands here
for package in apache-arrow hyparquet fzstd; do
    cat node_modules/"$package"/LICENSE* > "$target/$package.LICENSE.txt"
done
cp "$here/duckdb-wasm.LICENSE.txt" "$target"
