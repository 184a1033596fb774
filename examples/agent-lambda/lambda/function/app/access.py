"""Who asks: by an API key, or by what AWS has found out (IAM)."""

import hashlib
import hmac
from typing import Any

from .errors import ApiError
from .settings import Settings


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _by_key(headers: Any, settings: Settings) -> str:
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    # All are compared, each in the same time: how long it takes tells nothing.
    fits = [key for key in settings.api_keys if hmac.compare_digest(_hash(key), _hash(given))]
    if not given or not fits:
        raise ApiError(401, "an API key is missing or not known: send it as x-api-key")
    return f"key-{_hash(fits[0])[:32]}"


def _by_iam(event: Any) -> str:
    context = (event or {}).get("requestContext") or {}
    iam = (context.get("authorizer") or {}).get("iam") or {}
    # Of a role that is assumed the part before the colon is the role's, what follows is made up by whoever assumes it.
    user = str(iam.get("userId") or "").split(":")[0]
    if not user:
        raise ApiError(
            401, "the request is not signed: this function is for callers that IAM allows"
        )
    return f"iam-{_hash(user)[:32]}"


def owner_of(scope: dict[str, Any], headers: Any, settings: Settings) -> str:
    """A name for whoever asks, which tells neither key nor account: sessions are bound to it.

    Raises:
        ApiError: 401
    """
    if settings.access == "iam":
        return _by_iam(scope.get("aws.event"))
    return _by_key(headers, settings)
