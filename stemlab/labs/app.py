"""What the server of the decks allows: its own pages, few of them, a kernel each."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

# Pages at a time: each has a kernel, and that takes half a gigabyte.
MOST = 4


class Gate(PasswordIdentityProvider):
    """Who knows the token gets in, but not from the page of somebody else."""

    def should_check_origin(self, handler: Any) -> bool:  # noqa: ARG002 - it is asked so
        """Check it always: Jupyter would not where the token comes along."""
        return True

    def set_login_cookie(self, handler: Any, user: Any) -> None:
        """Set the one against forged forms, too: a page that closes shows it to end its kernel."""
        super().set_login_cookie(handler, user)
        handler.current_user = user
        _ = handler.xsrf_token  # to read it sets it


class Kernels(AsyncMappingKernelManager):
    """Kernels, but no more than `MOST`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self._one_by_one = asyncio.Lock()

    async def start_kernel(self, **settings: Any) -> str:  # type: ignore[override]
        """Start a kernel, or refuse."""
        async with self._one_by_one:
            if len(self) >= MOST:
                reason = f"{MOST} pages with decks are open; close one and wait a minute"
                raise HTTPError(503, reason, reason=reason)
            return str(await super().start_kernel(**settings))


class Connection(ZMQChannelsWebsocketConnection):
    """A websocket between page and kernel; what is no message is left out, whatever it is."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Hand a message on, if its parts lie within it: Jupyter counts up to what it claims."""
        if isinstance(incoming_msg, bytes) and not self._is_whole(incoming_msg):
            self.log.warning("Refused a message of %d bytes: not whole", len(incoming_msg))
            return
        try:
            super().handle_incoming_message(incoming_msg)
        except Exception as error:  # noqa: BLE001 - it may be anything, as the message may
            self.log.warning("Refused a message: %r", error)

    def _is_whole(self, message: bytes) -> bool:
        newest = self.subprotocol == "v1.kernel.websocket.jupyter.org"
        size, order = (8, "little") if newest else (4, "big")
        count = int.from_bytes(message[:size], order)  # type: ignore[arg-type]
        return size * (count + 1) <= len(message)
