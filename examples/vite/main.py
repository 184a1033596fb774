from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/words")
def words(text: str) -> dict[str, int]:
    """How often each word is there, the most frequent first."""
    found = text.lower().split()
    return {
        word: found.count(word)
        for word in sorted(set(found), key=lambda word: (-found.count(word), word))
    }


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"Python heard: {text}")
