"""Arguments of jobs as a request gives them."""

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic_core import from_json

from infinitas.core.codec import encode_payload
from infinitas.core.errors import BadArgs

Arguments = list[JsonValue] | dict[str, JsonValue]


class ArgumentsBody(BaseModel):
    """`args`: a list, or an object of named arguments; `kwargs` for both at once."""

    model_config = ConfigDict(extra="forbid")

    args: Arguments | None = None
    kwargs: dict[str, JsonValue] | None = None

    def stored_args(self) -> str | None:
        """Arguments as records have them; None if none are given. Raises BadArgs, PayloadTooLarge."""
        if self.args is None and self.kwargs is None:
            return None
        if not isinstance(self.args, dict):
            return encode_payload((self.args or [], self.kwargs or {}), "arguments")
        if self.args and self.kwargs:
            raise BadArgs("Give named arguments once: as `args` or as `kwargs`.")
        return encode_payload(([], self.args or self.kwargs or {}), "arguments")


def args_fields(text: str) -> dict[str, JsonValue]:
    """Stored arguments as the fields of an `ArgumentsBody`."""
    args, kwargs = from_json(text)
    return {"args": args, "kwargs": kwargs}
