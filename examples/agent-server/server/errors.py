"""What the API answers when it does not do what was asked: one shape for all, with a code for programs."""


class ApiError(Exception):
    """An answer with a status of its own."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    @property
    def body(self) -> dict:
        return {"error": {"code": self.code, "message": self.message}}


def not_found(what: str) -> ApiError:
    """Also for what belongs to another key: nobody learns that it is there."""
    return ApiError(404, "not_found", f"there is no such {what}")
