"""Starlette as it is used: a route, JSON read and written, a folder of static files."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def hello(request):
    return PlainTextResponse("Hello, World!")


async def echo(request):
    return JSONResponse(await request.json())


FOLDER = Path(os.environ.get("BENCH_CACHE", "."))
files = StaticFiles(directory=FOLDER, check_dir=False)


async def file(request):
    return FileResponse(FOLDER / request.path_params["name"])


app = Starlette(
    routes=[
        Route("/", hello),
        Route("/echo", echo, methods=["POST"]),
        Route("/file/{name}", file),
        Mount("/static", files),
    ]
)
