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
