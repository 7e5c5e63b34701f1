"""A bare FastAPI route that returns the bytes of a file from memory, to measure the REST interface against.

python -m tests.benchmarks.bare_route FILE PORT WORKERS
"""

import os
import sys
from pathlib import Path

from fastapi import FastAPI, Response

from gpuledger.web.application import listen


def create() -> FastAPI:
    answer = Path(os.environ["BARE_ROUTE_BYTES"]).read_bytes()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/v1/offers/cheapest")
    async def cheapest() -> Response:
        return Response(answer, media_type="application/json")

    return app


if __name__ == "__main__":
    os.environ["BARE_ROUTE_BYTES"] = sys.argv[1]
    listen(
        "tests.benchmarks.bare_route:create",
        host="127.0.0.1",
        port=int(sys.argv[2]),
        workers=int(sys.argv[3]),
    )
