"""A plain function, for peers that call functions and serve no ASGI."""


def hello():
    return "Hello, World!"
