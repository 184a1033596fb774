"""Flask as it is used: a typed route, JSON out; as WSGI, and as ASGI by a2wsgi for servers that speak only that."""

from a2wsgi import WSGIMiddleware
from flask import Flask

app = Flask(__name__)


@app.get("/items/<int:item_id>")
def read_item(item_id):
    return {"id": item_id}


# As many threads as amphis has.
asgi = WSGIMiddleware(app, workers=10)
