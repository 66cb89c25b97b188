"""Close codes of the WebSocket protocols (docs/protocol.md).

4000 to 4999 are for private use (RFC 6455, section 7.4.2).
"""

BAD_FRAME = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
SILENT = 4408
TAKEN_OVER = 4409
WRONG_VERSION = 4426
TOO_SLOW = 4429
RESTART = 1012
LATER = 1013

MEANINGS = {
    1000: "the worker has left with `bye`",
    1007: "bytes that are no text; connect again without them",
    1008: "too many pings, pongs or small fragments; connect again without them",
    1009: "a frame larger than `max_frame`; connect again without it",
    RESTART: "this server stops, or the connection broke; connect again",
    LATER: "the server can't reach Redis; connect again",
    BAD_FRAME: "invalid frames; don't connect again",
    UNAUTHORIZED: "no valid token, or it was revoked; don't connect again",
    FORBIDDEN: "the token is not for this; don't connect again",
    SILENT: "no frame in time, or a job was not accepted in time; connect again",
    TAKEN_OVER: "another connection goes on with this session; this one is over",
    WRONG_VERSION: "the server does not support the offered subprotocol; don't connect again",
    TOO_SLOW: "too many frames for too long, or read too slowly; connect again",
}
"""What each means, and what to do."""
