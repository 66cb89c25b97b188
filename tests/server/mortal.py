"""A server that is killed between two commands to Redis."""

from typing import Any

from fastapi import FastAPI


class Killed(BaseException):
    """The process has ended: nothing that would run after it runs."""


class Mortal:
    """Kills the server behind its n-th command to Redis."""

    def __init__(self, api: FastAPI) -> None:
        self._connection = api.state.client.connection
        self._reply = self._connection._reply
        self._left: int | None = None
        self._connection._reply = self.reply

    def live(self, commands: int | None) -> None:
        self._left = commands

    @property
    def alive(self) -> bool:
        """Whether more commands are left."""
        return self._left is None or self._left > 0

    async def reply(self, command: Any) -> Any:
        if self._left is None:
            return await self._reply(command)
        self._left -= 1
        if self._left < 0:
            command.close()
            raise Killed
        answer = await self._reply(command)
        if self._left == 0:
            raise Killed
        return answer
