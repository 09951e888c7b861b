"""The smallest broker of a user's own: it prices everything alike, and tells its environment when asked."""

from __future__ import annotations

import os
import sys
from typing import Any, ClassVar, Mapping

from brokerbus.broker import Broker, Context, SettingKind
from brokerbus.errors import NotFound
from brokerbus.worker import main


class TinyBroker(Broker):
    """Answers ping and raw calls."""

    name = "tiny"
    display = "Tiny"
    regions = ("US",)
    settings: ClassVar[Mapping[str, SettingKind]] = {
        "secret": SettingKind(str, "what only this worker may know", required=True),
        "depth": SettingKind(int, "any number"),
    }

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self._settings = settings

    def ping(self) -> bool:
        return True

    def raw(self, name: str, params: Mapping[str, Any]) -> Any:
        if name == "environment":
            return dict(os.environ)
        if name == "process":
            return {"pid": os.getpid(), "argv": sys.argv, "path": sys.path, "cwd": os.getcwd(), "umask": _umask()}
        if name == "settings":
            return {"length": len(self._settings["secret"]), "depth": self._settings.get("depth"), **params}
        raise NotFound(f"raw: no call {name}")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    main("tiny_broker:TinyBroker")
