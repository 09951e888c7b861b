"""Loads the vendor's protobuf modules from the installed SDK without importing the SDK itself."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from .codes import Refused

SDKS = ("futu", "moomoo")
SKILL_WRAP = "SkillWrap_"


def sdk_folder() -> Path:
    """Folder of the installed SDK; raises ImportError when neither futu-api nor moomoo-api is there."""
    for name in SDKS:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / "common" / "pb").is_dir():
                return Path(place)
    raise ImportError("neither futu-api nor moomoo-api is installed in this Python: its message definitions are needed")


def protocol_names(folder: Path) -> dict[int, str]:
    """Protocol id to name, read from the SDK's ``ProtoId`` as text: importing it would start the SDK."""
    tree = ast.parse((folder / "common" / "constant.py").read_text(encoding="utf-8-sig"))
    names: dict[int, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "ProtoId":
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant):
                    target = item.targets[0]
                    if isinstance(target, ast.Name) and isinstance(item.value.value, int):
                        names[item.value.value] = target.id
    return names


class Catalogue:
    """Every message of the protocol by its id."""

    def __init__(self) -> None:
        folder = sdk_folder()
        definitions = str(folder / "common" / "pb")
        if definitions not in sys.path:
            sys.path.append(definitions)
        self.names = protocol_names(folder)
        self._classes: dict[int, tuple[Any, Any]] = {}

    def name(self, proto: int) -> str:
        """Vendor's name of a protocol id, ``proto<N>`` when the SDK does not know it."""
        return self.names.get(proto, f"proto{proto}")

    def parse(self, proto: int, body: bytes) -> Any:
        """The C2S of a request body; raises Refused for an unknown protocol or an unreadable body."""
        request_class = self._load(proto)[0]
        if request_class is None:
            raise Refused(f"protocol {proto} is not a request")
        request = request_class()
        try:
            request.ParseFromString(body)
        except Exception as error:  # protobuf raises DecodeError, and ValueError on some versions
            raise Refused(f"unreadable body of protocol {proto}: {error}") from None
        return request.c2s if "c2s" in request.DESCRIPTOR.fields_by_name else request

    def ok(self, proto: int) -> Any:
        """A Response with retType 0 and an empty, present S2C."""
        response = self._load(proto)[1]()
        response.retType = 0
        if "s2c" in response.DESCRIPTOR.fields_by_name:
            response.s2c.SetInParent()
        return response

    def failed(self, proto: int, text: str) -> Any:
        """A Response with retType -1; of an unknown protocol in the shape that all of them share."""
        try:
            response = self._load(proto)[1]()
        except Refused:
            response = self._load(1001)[1]()
        response.retType = -1
        response.retMsg = text
        return response

    def _load(self, proto: int) -> tuple[Any, Any]:
        if proto not in self._classes:
            self._classes[proto] = self._find(proto)
        return self._classes[proto]

    def _find(self, proto: int) -> tuple[Any, Any]:
        name = self.name(proto)
        wrapped = name.startswith(SKILL_WRAP)
        try:
            module = importlib.import_module("SkillWrapAPI_pb2" if wrapped else name + "_pb2")
        except ImportError:
            raise Refused(f"unknown protocol {proto}") from None
        stem = name[len(SKILL_WRAP) :] if wrapped else ""
        if wrapped:
            return getattr(module, stem + "Req"), getattr(module, stem + "Rsp")
        return getattr(module, "Request", None), module.Response


def complete(message: Any) -> None:
    """Set every required field that is missing to its default, at any depth."""
    while True:
        missing = message.FindInitializationErrors()
        if not missing:
            return
        for path in missing:
            _set_default(message, path.split("."))


def _set_default(message: Any, path: list[str]) -> None:
    for step in path[:-1]:
        name, _, index = step.partition("[")
        message = getattr(message, name)
        if index:
            message = message[int(index[:-1])]
    value = getattr(message, path[-1])
    if hasattr(value, "SetInParent"):
        value.SetInParent()
    else:
        setattr(message, path[-1], value)


def plain(message: Any) -> Any:
    """A message as dicts, lists and scalars; 64-bit ids stay ints, bytes become hexadecimal text."""
    if hasattr(message, "ListFields"):
        return {field.name: plain(value) for field, value in message.ListFields()}
    if isinstance(message, bytes):
        return message.hex()
    if isinstance(message, (str, int, float, bool)):
        return message
    return [plain(item) for item in message]


def given(message: Any, name: str) -> Any:
    """An optional field, None when it is absent or this SDK's version does not know it."""
    known = name in message.DESCRIPTOR.fields_by_name
    return getattr(message, name) if known and message.HasField(name) else None


def offer(message: Any, **values: Any) -> None:
    """Set optional fields, but for those that are None or that this SDK's version does not know."""
    for name, value in values.items():
        if value is not None and name in message.DESCRIPTOR.fields_by_name:
            setattr(message, name, value)
