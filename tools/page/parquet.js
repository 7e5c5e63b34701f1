// What the page of a release reads Parquet with: ranges of files. Our files are zstd alone.
import { decompress } from "fzstd";
export { asyncBufferFromUrl, cachedAsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
export const compressors = { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) };
