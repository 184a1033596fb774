"""Starlette as it is used: a route, JSON read and written, a folder of static files."""

import os

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def hello(request):
    return PlainTextResponse("Hello, World!")


async def echo(request):
    return JSONResponse(await request.json())


files = StaticFiles(directory=os.environ.get("BENCH_CACHE", "."), check_dir=False)

app = Starlette(
    routes=[
        Route("/", hello),
        Route("/echo", echo, methods=["POST"]),
        Mount("/static", files),
    ]
)
