"""What to do about an error of the server or of the way to it, for the sentence that tells of it."""

from __future__ import annotations

import re

from redis.exceptions import AuthenticationError, NoPermissionError

#: Words of an error, and the advice; the first that fits. Redis and Valkey, OpenSSL and redis-py choose the words.
_BY_WORDS = (
    (
        "user executing the script|ACL failure in script",  # on Redis it names neither command nor key
        "ACL LOG on the server names what is missing, docs/security.md has the lists",
    ),
    (
        "Hostname mismatch|IP address mismatch",
        "the server's certificate is for another name; use in redis_url a host that stands in it",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "name the authority that signed the server's certificate in redis_url: ssl_ca_certs=FILE",
    ),
    ("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE", "the server speaks no TLS at this port; use redis://"),
)
#: How a refused handshake looks from here, which depends on who is faster.
_CLOSED = re.compile(
    "closed by server|reset by peer|EOF occurred|Connection not ready|CERTIFICATE_REQUIRED", re.IGNORECASE
)


def advice(error: BaseException, url: str) -> str:
    """What a person may do about ``error`` at ``url``, in words that follow a semicolon; "" for other errors."""
    said = str(error)
    if isinstance(error, NoPermissionError):
        return _BY_WORDS[0][1]
    if isinstance(error, AuthenticationError):
        return "correct user and password in redis_url"
    for words, remedy in _BY_WORDS:
        if re.search(words, said, re.IGNORECASE):
            return remedy
    if _CLOSED.search(said):
        if not url.startswith("rediss"):
            return "if the server speaks TLS, use rediss://"
        if "ssl_certfile" not in url:
            return "if the server asks for certificates, add ssl_certfile=FILE and ssl_keyfile=FILE to redis_url"
    return ""
