"""Who may ask: names by which this server is called, and web pages that call it.

A web page anywhere can make its visitor's browser talk to this machine. Two checks stop it. `Origin` names the page:
only pages of this machine and listed ones may ask. And a page can point its own domain name at this machine (DNS
rebinding), whereupon the browser thinks it talks to the page's own server; then `Host` carries that name, and only IP
addresses, "localhost" and listed names are answered. Programs send no `Origin` and are not stopped by these.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit


class Guard:
    """Decides by headers alone. `origins` and `vhosts` as in RpcConfig."""

    def __init__(self, origins: Iterable[str], vhosts: Iterable[str]) -> None:
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._vhosts = frozenset(name.lower() for name in vhosts) | {"localhost"}

    def allows_host(self, host: str | None) -> bool:
        """May this server be called by the `Host` header's name? (HTTP/1.0 programs send none.)"""
        if host is None or "*" in self._vhosts:
            return True
        try:
            name = urlsplit("//" + host).hostname
        except ValueError:
            return False
        return name is not None and (name in self._vhosts or _is_ip(name))

    def allows_origin(self, origin: str | None) -> bool:
        """May a page of this origin ask? None: it is not a page."""
        if origin is None or "*" in self._origins or origin.lower() in self._origins:
            return True
        try:
            name = urlsplit(origin).hostname
        except ValueError:
            return False
        return name is not None and (name == "localhost" or (_is_ip(name) and ipaddress.ip_address(name).is_loopback))


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
