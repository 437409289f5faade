"""The dialling side: one task per wanted peer, which dials until there is a link and again when it is lost.

Waits double from `redial_first` to `redial_last` and are spread at random, so that a network that restarts at once
does not dial in lockstep. A link that lasted starts the waits anew.
"""

import asyncio
import random
import ssl
from collections.abc import Callable

from raclette.live.contract import PeerAddress
from raclette.live.limits import TransportLimits
from raclette.live.link import Link
from raclette.primitives.units import SECOND

# Sent as TLS server name; means nothing, but leaving it out would reveal what was dialled.
_SERVER_NAME = "raclette"


class Dialer:
    """Keeps links to wanted peers. `link_to(peer)` tells whether there is one already, however it came about;
    `banned_for(peer)` how many seconds the peer must stay away."""

    def __init__(
        self,
        limits: TransportLimits,
        context: ssl.SSLContext,
        make_link: Callable[[PeerAddress], Link],
        link_to: Callable[[bytes], Link | None],
        banned_for: Callable[[bytes], float],
    ) -> None:
        self._limits = limits
        self._context = context
        self._make_link = make_link
        self._link_to = link_to
        self._banned_for = banned_for
        self._spread = random.Random()
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self.wanted: dict[bytes, PeerAddress] = {}

    def want(self, address: PeerAddress) -> None:
        """Dial this peer until unwanted. More than `wanted_max` are not taken on."""
        if self.wanted.get(address.node_id) == address:
            return
        if address.node_id not in self.wanted and len(self.wanted) >= self._limits.wanted_max:
            return
        self.unwant(address.node_id)
        self.wanted[address.node_id] = address
        self._tasks[address.node_id] = asyncio.get_running_loop().create_task(self._keep(address))

    def unwant(self, peer: bytes) -> None:
        """Stop dialling."""
        self.wanted.pop(peer, None)
        task = self._tasks.pop(peer, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Stop dialling everybody."""
        for peer in tuple(self.wanted):
            self.unwant(peer)

    async def _keep(self, address: PeerAddress) -> None:
        loop = asyncio.get_running_loop()
        first, last = self._limits.redial_first / SECOND, self._limits.redial_last / SECOND
        wait = first
        while True:
            link = self._link_to(address.node_id)
            if link is not None:
                since = loop.time()
                await asyncio.shield(link.closed)
                if loop.time() - since > wait:
                    wait = first
            elif (ban := self._banned_for(address.node_id)) > 0:
                await asyncio.sleep(ban)
                continue
            elif await self._dial(address):
                continue
            await asyncio.sleep(wait * self._spread.uniform(0.5, 1.0))
            wait = min(last, 2 * wait)

    async def _dial(self, address: PeerAddress) -> bool:
        """One attempt; True if a link came up."""
        loop = asyncio.get_running_loop()
        seconds = self._limits.handshake_timeout / SECOND
        link = self._make_link(address)
        try:
            async with asyncio.timeout(seconds):
                await loop.create_connection(
                    lambda: link,
                    address.host,
                    address.port,
                    ssl=self._context,
                    server_hostname=_SERVER_NAME,
                    ssl_handshake_timeout=seconds,
                )
                return await asyncio.shield(link.greeted)
        except TimeoutError:
            link.abort("dial-timeout")
        except (OSError, ssl.SSLError, UnicodeError) as error:
            link.abort(f"dial-{type(error).__name__}")
        finally:
            if link.hello is None and not link.closed.done():
                link.abort("dial-cancelled")
        return False
