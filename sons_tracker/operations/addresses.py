"""Where a webhook may go: a public address of the internet, whatever a name resolves to.

A service that posts to any address it is given is a hand inside the network where it runs. So an address is
looked at twice: as it is written, when it is registered; as it resolves, when a connection is opened to it
(`delivery.http`). Both ask `allowed`.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import httpx

from sons_tracker.errors import ErrorCode, Fault, SonsError

MAX_URL = 500
_HTTPS = 443
_FIRST_FREE_PORT = 1024
# Ways to write an IPv4 address in IPv6, of which a gateway makes an IPv4 connection again. An address mapped
# by the system itself (::ffff:…) is unwrapped and judged as the IPv4 address that it is.
_TRANSLATED = tuple(
    IPv6Network(prefix) for prefix in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
# Reserved, though the interpreter's tables count them as global; the last answers for a cloud's hypervisor.
_NOT_PUBLIC = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("fec0::/10"),
    ipaddress.ip_network("168.63.129.16/32"),
)


def allowed(address: str, *, loopback: bool) -> bool:
    """Whether a connection may be opened to this numeric address; `loopback`: to this machine too."""
    try:
        found: IPv4Address | IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found.is_loopback:
            return loopback
        elif any(found in network for network in _TRANSLATED):
            return False
    if found.is_loopback:
        return loopback
    return found.is_global and not found.is_multicast and not any(found in net for net in _NOT_PUBLIC)


def checked_url(text: str, *, loopback: bool, where: str = "$.url") -> str:
    """The address of a webhook in its one written form: HTTPS, a full name or a public number, port 443 or
    1024 and above. With `loopback`, plain HTTP to this very machine passes too.

    Raises:
        SonsError: `INVALID_REQUEST`, with what is wrong.
    """
    try:
        url = httpx.URL(text.strip())
        host, normal = url.host, str(url)
    except (httpx.InvalidURL, ValueError):
        raise _refused("L'adresse n'est pas lisible.", where) from None
    local = loopback and (host == "localhost" or _is_own_machine(host))
    if url.scheme != "https" and not (url.scheme == "http" and local):
        raise _refused("L'adresse doit commencer par « https:// ».", where)
    if not host or len(normal) > MAX_URL:
        raise _refused(f"L'adresse doit nommer un serveur, en {MAX_URL} caractères au plus.", where)
    if url.userinfo or url.fragment:
        raise _refused("L'adresse ne porte ni compte, ni mot de passe, ni fragment « # ».", where)
    if not local:
        if not _may_listen(_HTTPS if url.port is None else url.port):
            raise _refused("Le port est 443, ou compris entre 1024 et 65535.", where)
        if (_is_number(host) and not allowed(host, loopback=False)) or not _is_full(host):
            raise _refused("L'adresse désigne un réseau privé ou réservé, ou un nom incomplet.", where)
    return normal


def _may_listen(port: int) -> bool:
    return port == _HTTPS or _FIRST_FREE_PORT <= port < 1 << 16


def _is_full(host: str) -> bool:
    """A numeric address, or a name with a domain: a bare name is one of the local network's."""
    return _is_number(host) or "." in host.strip(".")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_own_machine(host: str) -> bool:
    return _is_number(host) and ipaddress.ip_address(host).is_loopback


def _refused(problem: str, where: str) -> SonsError:
    return SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault(where, problem),))
