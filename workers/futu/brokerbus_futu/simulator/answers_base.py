"""Answers the requests about the link, OpenD itself and the user."""

from __future__ import annotations

import time
from typing import Any

from .cipher import CbcCipher, FtEcbCipher, session_secret
from .codes import Proto
from .messages import offer
from .world import Answer, Link, World

SERVER_VERSION = 1011
SERVER_BUILD = 7108
USER_ID = 20001234
FTAES_ECB, PLAIN = 0, -1
"""``Common.PacketEncAlgo``."""


def init_connect(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Hand out connection id and keys; the keys apply from the next frame on."""
    algorithm = c2s.packetEncAlgo if c2s.HasField("packetEncAlgo") else FTAES_ECB
    s2c.serverVer = SERVER_VERSION
    s2c.loginUserID = USER_ID
    s2c.connID = link.conn_id
    s2c.keepAliveInterval = world.options.keep_alive_interval
    s2c.connAESKey = session_secret()
    offer(s2c, userAttribution=1)
    with_iv = world.options.aes_iv and algorithm != FTAES_ECB
    if with_iv:
        s2c.aesCBCiv = session_secret()
    if link.rsa and algorithm != PLAIN:
        link.next_cipher = CbcCipher(s2c.connAESKey, s2c.aesCBCiv) if with_iv else FtEcbCipher(s2c.connAESKey)
    link.rsa = link.rsa and algorithm != PLAIN
    link.ready = True


def keep_alive(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Epoch seconds of OpenD."""
    s2c.time = int(time.time())


def global_state(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Market states and whether OpenD is logged in to both of its servers."""
    states, options = world.market_states, world.options
    s2c.marketHK, s2c.marketUS = states["HK"], states["US"]
    s2c.marketSH, s2c.marketSZ = states["SH"], states["SZ"]
    s2c.marketHKFuture = 15
    offer(s2c, marketUSFuture=15)
    s2c.qotLogined, s2c.trdLogined = options.qot_logined, options.trd_logined
    s2c.serverVer, s2c.serverBuildNo = SERVER_VERSION, SERVER_BUILD
    s2c.time, s2c.localTime = int(time.time()), time.time()
    s2c.programStatus.type = options.program_status
    s2c.connID = link.conn_id


def user_info(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """A user with the best quote rights."""
    s2c.nickName, s2c.userID = "simulated user", USER_ID
    s2c.avatarUrl, s2c.apiLevel = "", ""
    s2c.hkQotRight = s2c.usQotRight = 3
    offer(s2c, cnQotRight=3, shQotRight=3, szQotRight=3, userAttribution=1)
    s2c.isNeedAgreeDisclaimer = False
    s2c.subQuota, s2c.historyKLQuota = world.options.quota, 1000


ANSWERS: dict[int, Answer] = {
    Proto.INIT_CONNECT: init_connect,
    Proto.KEEP_ALIVE: keep_alive,
    Proto.GLOBAL_STATE: global_state,
    Proto.USER_INFO: user_info,
}
