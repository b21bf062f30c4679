"""One POST to an address that an organisation gave: resolved once, judged, and connected to as judged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass

import httpx

from sons_tracker.operations.addresses import allowed
from sons_tracker.operations.deliveries import Outcome

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
_TIMEOUT = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS).as_dict()
_MOST_ADDRESSES = 4
_GONE = 410


class _ForbiddenError(Exception):
    """The name leads where nothing may be sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, by number, and the name that the server is asked and certified under."""

    url: httpx.URL
    host_header: str
    server_name: str


def make_transport(context: ssl.SSLContext | None = None) -> httpx.AsyncHTTPTransport:
    """The bare transport: no redirection, no cookie that another organisation's server of the same address
    would be given, no proxy from the environment, no connection kept for another name."""
    return httpx.AsyncHTTPTransport(
        verify=context or True, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )


async def post(
    transport: httpx.AsyncHTTPTransport, url: str, headers: dict[str, str], body: bytes, *, loopback: bool
) -> Outcome:
    """Posts `body`; only a 2xx delivers. The body of the answer is not read.

    The name is resolved here, once, and the connection goes to an address that was judged: a name that
    answers otherwise a moment later (DNS rebinding) is not asked again. One forbidden address among several
    refuses them all.
    """
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _post(transport, httpx.URL(url), headers, body, loopback)
    except _ForbiddenError:
        return Outcome("failed", None, "L'adresse mène à un réseau privé ou réservé : rien n'est envoyé.")
    except socket.gaierror:
        return Outcome("failed", None, "Le nom du serveur n'est pas connu.")
    except (TimeoutError, httpx.TimeoutException):
        return Outcome("failed", None, "Le serveur n'a pas répondu à temps.")
    except httpx.TransportError as error:
        if _is_certificate(error):
            return Outcome("failed", None, "Le certificat ou le chiffrement du serveur n'est pas accepté.")
        return Outcome("failed", None, "La connexion a échoué.")


async def resolve(host: str, port: int) -> list[str]:
    """The numeric addresses of a name, in the order of the system."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def target(url: httpx.URL, address: str) -> Target:
    """The same request, to a number."""
    return Target(url.copy_with(host=address), url.netloc.decode("ascii"), url.raw_host.decode("ascii"))


async def _post(
    transport: httpx.AsyncHTTPTransport, url: httpx.URL, headers: dict[str, str], body: bytes, loopback: bool
) -> Outcome:
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = await resolve(url.host, port)
    if not addresses or not all(allowed(address, loopback=loopback) for address in addresses):
        raise _ForbiddenError
    tried: httpx.TransportError | None = None
    for address in addresses[:_MOST_ADDRESSES]:
        to = target(url, address)
        request = httpx.Request(
            "POST",
            to.url,
            headers={**headers, "host": to.host_header, "connection": "close"},
            content=body,
            extensions={"sni_hostname": to.server_name, "timeout": _TIMEOUT},
        )
        try:
            answer = await transport.handle_async_request(request)
            await answer.aclose()
            return _judge(answer.status_code)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            tried = error  # nothing was sent yet: the next address may be another family
    raise tried or _ForbiddenError


def _judge(status: int) -> Outcome:
    if httpx.codes.is_success(status):
        return Outcome("delivered", status)
    if status == _GONE:
        return Outcome("gone", status, "Le serveur ne veut plus rien recevoir (410).")
    if httpx.codes.is_redirect(status):
        return Outcome(
            "failed", status, f"Le serveur redirige ({status}) : une redirection n'est pas suivie."
        )
    return Outcome("failed", status, f"Le serveur a répondu {status}.")


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
