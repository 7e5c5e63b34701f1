"""As much of S3 as DuckDB asks for, in memory on loopback: put, get by range, list, delete, uploads in parts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Bucket:
    """Objects by their path, bucket included; `url` is the endpoint."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._parts: dict[str, dict[int, bytes]] = {}
        self._numbers = count(1)
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                asked = {
                    name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
                }
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = unquote(parts.path).lstrip("/")
                status, answer, headers = bucket.answer(
                    self.command, path, asked, body, self.headers.get("range")
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", headers.get("x-length", str(len(answer))))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(
        self, method: str, path: str, asked: dict[str, str], body: bytes, span: str | None
    ) -> tuple[int, bytes, dict[str, str]]:
        if method == "POST" and "uploads" in asked:
            upload = str(next(self._numbers))
            self._parts[upload] = {}
            return 200, f"<R><UploadId>{upload}</UploadId></R>".encode(), {}
        if method == "PUT" and "uploadId" in asked:
            self._parts[asked["uploadId"]][int(asked["partNumber"])] = body
            return 200, b"", {"etag": f'"{asked["partNumber"]}"'}
        if method == "POST" and "uploadId" in asked:
            parts = self._parts.pop(asked["uploadId"])
            self.objects[path] = b"".join(parts[number] for number in sorted(parts))
            return 200, b"<CompleteMultipartUploadResult/>", {}
        if method == "PUT":
            self.objects[path] = body
            return 200, b"", {"etag": '"1"'}
        if method == "DELETE":
            self.objects.pop(path, None)
            return 204, b"", {}
        if method == "GET" and "list-type" in asked:
            return 200, self._listing(path, asked.get("prefix", "")), {}
        return self._read(method, path, span)

    def _read(self, method: str, path: str, span: str | None) -> tuple[int, bytes, dict[str, str]]:
        if path not in self.objects:
            return 404, b"", {}
        whole = self.objects[path]
        dated = {"last-modified": "Sat, 21 Nov 2026 12:00:00 GMT", "accept-ranges": "bytes"}
        if method == "HEAD":
            return 200, b"", dated | {"x-length": str(len(whole))}
        if span is None:
            return 200, whole, dated
        first, _, last = span.removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1]
        return 206, part, dated | {"content-range": f"bytes {first}-{last}/{len(whole)}"}

    def _listing(self, bucket: str, prefix: str) -> bytes:
        names = [path.removeprefix(f"{bucket.rstrip('/')}/") for path in sorted(self.objects)]
        rows = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><Size>1</Size></Contents>"
            for name in names
            if name.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def bucket_server() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.close()
