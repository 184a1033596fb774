"""What goes wrong, as an answer."""


class ApiError(Exception):
    """Is answered by its status and `{"success": false, "error": …}`."""

    def __init__(self, status: int, error: str, session_id: str | None = None):
        super().__init__(error)
        self.status = status
        self.error = error
        self.session_id = session_id
