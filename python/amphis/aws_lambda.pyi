"""What an app under `amphis/aws-lambda` is told of its invocation of AWS Lambda.

from amphis.aws_lambda import LambdaContext


def handler(event: dict, context: LambdaContext):
    ...
"""

from typing import Any, final

__all__ = ["ClientContext", "CognitoIdentity", "LambdaContext"]

@final
class CognitoIdentity:
    """Who calls by the mobile SDK; `None` in both where nobody does."""

    cognito_identity_id: str | None
    cognito_identity_pool_id: str | None

@final
class ClientContext:
    """What the mobile SDK says of its app."""

    client: dict[str, Any]
    """The app, as it was sent."""
    custom: dict[str, Any]
    """What the app has added."""
    env: dict[str, Any]
    """The device."""

@final
class LambdaContext:
    """The invocation, by the names that the Python runtime of AWS Lambda has."""

    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    """In MB."""
    log_group_name: str
    log_stream_name: str
    identity: CognitoIdentity
    client_context: ClientContext | None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation; 0 when that is over."""
