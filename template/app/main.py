from fastapi import FastAPI, WebSocket
from pydantic import BaseModel

app = FastAPI()


class Greeting(BaseModel):
    message: str


@app.get("/hello/{name}")
async def hello(name: str, times: int = 1) -> Greeting:
    return Greeting(message="Hello, " * times + name)


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"Python heard: {text}")
