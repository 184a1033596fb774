"""What an app under `amphis/aws-lambda` is told of its invocation of AWS Lambda.

from amphis.aws_lambda import LambdaContext


def handler(event: dict, context: LambdaContext):
    ...
"""

import json as _json
import sys as _sys
import time as _time
from inspect import iscoroutinefunction as _iscoroutinefunction

__all__ = ["ClientContext", "CognitoIdentity", "LambdaContext"]


class CognitoIdentity:
    """Who calls by the mobile SDK; `None` in both where nobody does.

    Attributes:
        cognito_identity_id (str | None)
        cognito_identity_pool_id (str | None)
    """

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, said):
        self.cognito_identity_id = said.get("cognitoIdentityId")
        self.cognito_identity_pool_id = said.get("cognitoIdentityPoolId")

    def __repr__(self):
        return (
            f"CognitoIdentity(cognito_identity_id={self.cognito_identity_id!r}, "
            f"cognito_identity_pool_id={self.cognito_identity_pool_id!r})"
        )


class ClientContext:
    """What the mobile SDK says of its app.

    Attributes:
        client (dict): the app, as it was sent.
        custom (dict): what the app has added.
        env (dict): the device.
    """

    __slots__ = ("client", "custom", "env")

    def __init__(self, said):
        self.client = said.get("client") or {}
        self.custom = said.get("custom") or said.get("Custom") or {}
        self.env = said.get("env") or {}


class LambdaContext:
    """The invocation, by the names that the Python runtime of AWS Lambda has.

    Attributes:
        aws_request_id (str): of this invocation.
        function_name (str)
        function_version (str)
        invoked_function_arn (str)
        memory_limit_in_mb (str): in MB.
        log_group_name (str)
        log_stream_name (str)
        identity (CognitoIdentity)
        client_context (ClientContext | None)
    """

    __slots__ = ("_said",)

    def __init__(self, said):
        self._said = said

    aws_request_id = property(lambda self: self._said.get("awsRequestId"))
    function_name = property(lambda self: self._said.get("functionName"))
    function_version = property(lambda self: self._said.get("functionVersion"))
    invoked_function_arn = property(lambda self: self._said.get("invokedFunctionArn"))
    memory_limit_in_mb = property(lambda self: self._said.get("memoryLimitInMB"))
    log_group_name = property(lambda self: self._said.get("logGroupName"))
    log_stream_name = property(lambda self: self._said.get("logStreamName"))
    identity = property(lambda self: CognitoIdentity(self._said.get("identity") or {}))

    @property
    def client_context(self):
        said = self._said.get("clientContext")
        return ClientContext(said) if said else None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation; 0 when that is over."""
        return max(0, int(self._said["deadline"] - _time.time() * 1000))

    def __repr__(self):
        return f"LambdaContext(aws_request_id={self.aws_request_id!r}, function_name={self.function_name!r})"


def _add_keys(scope, text):
    said = _json.loads(text.decode("ascii"))
    scope["aws.event"] = said["event"]
    scope["aws.context"] = LambdaContext(said["context"])


_functions = {}


def _open(module, name):
    """Whether a function that takes events is an `async def`. Its module was imported before."""
    function = _sys.modules[module]
    for part in name.split("."):
        function = getattr(function, part)
    if not callable(function):
        raise TypeError(
            f"{module}:{name} is no function that takes an event and a context: {function!r}"
        )
    _functions[module, name] = function
    return _iscoroutinefunction(function) or _iscoroutinefunction(type(function).__call__)


def _call(module, name, event, context):
    return _written(
        _functions[module, name](_json.loads(event), LambdaContext(_json.loads(context)))
    )


async def _call_async(module, name, event, context):
    return _written(
        await _functions[module, name](_json.loads(event), LambdaContext(_json.loads(context)))
    )


def _written(result):
    return _json.dumps(result, allow_nan=False)


async def _no_app(scope, receive, send):
    """Where there are functions for events, and no app."""
    raise RuntimeError("This handler has no app for requests: give lambda() one.")
