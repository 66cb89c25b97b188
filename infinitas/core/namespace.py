"""The namespace of an app: its name in front of the names of its tasks and schedules."""

from dataclasses import dataclass

SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Namespace:
    """What names mean inside an app. Everything below the app has full names only.

    Attributes:
        app: the app's name; an app without one has no prefix.
    """

    app: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.app}{SEPARATOR}" if self.app else ""

    def full(self, name: str) -> str:
        """The full name of what this app declares as `name`; a full name stays as it is."""
        return name if name.startswith(self.prefix) else self.prefix + name

    def meanings(self, name: str) -> tuple[str, ...]:
        """Full names that `name` may stand for: the app's own first; with a dot in it, also another app's.

        A name without a dot is never that of another app: `unschedule("x")` removes nothing of others.
        """
        own = self.full(name)
        return (own, name) if name != own and SEPARATOR in name else (own,)


def prefix_of(full: str) -> str:
    """The namespace in front of a full name, with its dot; empty without one."""
    app, dot, _ = full.partition(SEPARATOR)
    return app + dot if dot else ""


def without_prefix(name: str) -> str:
    """A name without its first part, if it has several."""
    return name.removeprefix(prefix_of(name))


def may_mean(full: str, name: str) -> bool:
    """Whether `full` may be meant by `name`: it ends with it, or with all but its namespace."""
    bare = without_prefix(name)
    return full != name and (full == bare or full.endswith((SEPARATOR + name, SEPARATOR + bare)))
