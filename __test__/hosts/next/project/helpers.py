def greeting() -> str:
    return "from Python"
