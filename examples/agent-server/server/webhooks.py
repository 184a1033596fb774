"""Webhooks: the end of a turn, told to an address that the client gave; signed, and never into a private network."""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import secrets
import socket
import time
from urllib.parse import urlsplit

import httpx

from .errors import ApiError
from .settings import Settings

logger = logging.getLogger("agents")

#: Seconds before each further try.
PAUSES = (1, 5, 30)


class Refused(Exception):
    """The address is none that a webhook is sent to."""


def sign(secret: str, at: int, body: bytes) -> str:
    """What the receiver works out again: HMAC-SHA256 over time, dot and body."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet at large."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
        # Addresses of IPv4 behind a translator.
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


class Webhooks:
    """Sends them."""

    def __init__(self, settings: Settings):
        self._secret = settings.webhook_secret
        self._private = settings.webhook_private_hosts

    def check(self, url: str) -> None:
        """Refuses at once what can be seen to be wrong."""
        if not self._secret:
            raise ApiError(422, "no_webhooks", "webhooks need the server's WEBHOOK_SECRET")
        try:
            self._parse(url)
        except (Refused, ValueError) as error:
            raise ApiError(422, "webhook_url", f"webhook_url: {error}") from error

    def _parse(self, url: str) -> tuple[str, int, bool]:
        parts = urlsplit(url)
        host, private = parts.hostname or "", parts.netloc in self._private
        if parts.scheme != "https" and not (private and parts.scheme == "http"):
            raise Refused("https is needed")
        if parts.username or parts.password or not host:
            raise Refused("a host is needed, and no user")
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            literal = None
        if not private and literal is not None and not is_public(str(literal)):
            raise Refused("it leads into a private network")
        if not private and (
            host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
        ):
            raise Refused("it leads into a private network")
        return host, parts.port or (443 if parts.scheme == "https" else 80), private

    async def _resolve(self, url: str) -> tuple[str, str]:
        """The host, and the address to connect to: looked up once, so that it cannot become another one."""
        host, port, private = self._parse(url)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [entry[4][0] for entry in found]
        if not private and not all(is_public(address) for address in addresses):
            raise Refused("it leads into a private network")
        return host, addresses[0]

    async def send(self, url: str, type: str, data: dict) -> bool:
        """Tries four times; says whether the receiver has taken it."""
        body = json.dumps({"type": type, "data": data}, ensure_ascii=False).encode()
        id = f"hook-{secrets.token_hex(8)}"
        for pause in (0, *PAUSES):
            await asyncio.sleep(pause)
            try:
                if await self._try(url, id, body):
                    return True
            except Refused as error:
                logger.warning("webhook %s is not sent: %s", id, error)
                return False
            except (httpx.HTTPError, OSError) as error:
                logger.info("webhook %s: %s", id, type_name(error))
        logger.warning("webhook %s was given up", id)
        return False

    async def _try(self, url: str, id: str, body: bytes) -> bool:
        host, address = await self._resolve(url)
        at = int(time.time())
        parts = urlsplit(url)
        headers = {
            "host": parts.netloc,
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(at),
            "webhook-signature": f"sha256={sign(self._secret, at, body)}",
        }
        literal = f"[{address}]" if ":" in address else address
        target = parts._replace(
            netloc=f"{literal}:{parts.port}" if parts.port else literal
        ).geturl()
        async with httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False) as client:
            extensions = {"sni_hostname": host}
            answer = await client.post(target, content=body, headers=headers, extensions=extensions)
        return answer.is_success


def type_name(error: Exception) -> str:
    return type(error).__name__
