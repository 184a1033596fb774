"""What an app under `amphis/aws-lambda` is told of its invocation of AWS Lambda.

from amphis.aws_lambda import LambdaContext


def handler(event: dict, context: LambdaContext):
    ...
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["ClientContext", "CognitoIdentity", "LambdaContext"]

class CognitoIdentity:
    """Who calls by the mobile SDK; `None` in both where nobody does."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")
    cognito_identity_id: str | None
    cognito_identity_pool_id: str | None
    def __init__(self, said: Mapping[str, Any]) -> None: ...

class ClientContext:
    """What the mobile SDK says of its app."""

    __slots__ = ("client", "custom", "env")
    client: dict[str, Any]
    """The app, as it was sent."""
    custom: dict[str, Any]
    """What the app has added."""
    env: dict[str, Any]
    """The device."""
    def __init__(self, said: Mapping[str, Any]) -> None: ...

class LambdaContext:
    """The invocation, by the names that the Python runtime of AWS Lambda has.

    A test makes one of a dict: `LambdaContext({"awsRequestId": "1", "deadline": 1000 * time.time() + 3000})`.
    """

    __slots__ = ("_said",)
    def __init__(self, said: Mapping[str, Any]) -> None: ...
    @property
    def aws_request_id(self) -> str: ...
    @property
    def function_name(self) -> str: ...
    @property
    def function_version(self) -> str: ...
    @property
    def invoked_function_arn(self) -> str: ...
    @property
    def memory_limit_in_mb(self) -> str:
        """In MB."""
    @property
    def log_group_name(self) -> str: ...
    @property
    def log_stream_name(self) -> str: ...
    @property
    def identity(self) -> CognitoIdentity: ...
    @property
    def client_context(self) -> ClientContext | None: ...
    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation; 0 when that is over."""
