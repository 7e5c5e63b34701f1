// What its SQL view asks.
export { AsyncDuckDB, ConsoleLogger, LogLevel, VoidLogger } from "@duckdb/duckdb-wasm";
