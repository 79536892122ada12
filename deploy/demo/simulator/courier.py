"""Who carries notices to merchants? The server's event loop, so that no caller ever waits for a stranger."""

import asyncio
from collections.abc import Callable

import aiohttp

from .outbox import Outbox, Webhook
from .payment import Row

# First-attempt limits of PortOne's V1 webhook guide; the confirm process allows 10 s in all.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
CONFIRM_TIMEOUT = aiohttp.ClientTimeout(total=10)

STOPPED = "고객사 요청에 의해 결제를 중단합니다. (상세사유 : {})"
UNKNOWN_REASON = "알 수 없음"


class Courier:
    """Takes notices out of the outbox and posts each of them once."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        self._outbox.attach(_in_loop(asyncio.get_running_loop(), self._set_out))

    async def stop(self) -> None:
        self._outbox.attach(lambda: None)
        for task in self._tasks:
            task.cancel()
        await self._session.close()

    async def ask_to_confirm(self, row: Row) -> str | None:
        """Ask the merchant just before approval; return why it must not happen, or None to go on."""
        shown = row.payment.as_json()
        question = {name: shown[name] for name in ("imp_uid", "merchant_uid", "amount")}
        try:
            async with self._session.post(row.confirm_url, json=question, timeout=CONFIRM_TIMEOUT) as answer:
                return None if answer.status == 200 else STOPPED.format(await _reason_in(answer))
        except (aiohttp.ClientError, TimeoutError):
            return STOPPED.format(UNKNOWN_REASON)

    def _set_out(self) -> None:
        for webhook in self._outbox.take_all():
            task = asyncio.create_task(self._carry(webhook))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, webhook: Webhook) -> None:
        if webhook.delay:
            await asyncio.sleep(webhook.delay)
        self._outbox.note_answer(webhook, await self._post(webhook))

    async def _post(self, webhook: Webhook) -> int | None:
        headers = {"Content-Type": webhook.content_type, "User-Agent": "PortOne-Simulator"}
        try:
            async with self._session.post(
                webhook.url, data=webhook.body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


def _in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback)

    return wake


async def _reason_in(answer: aiohttp.ClientResponse) -> str:
    try:
        return str((await answer.json(content_type=None))["reason"])
    except (ValueError, KeyError, TypeError):
        return UNKNOWN_REASON
