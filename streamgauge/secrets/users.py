"""The users of a server's ACL file, each with the least that it needs: the one source of these lines.

docs/security.md shows them and says who is who; tests/security runs every service under them.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Stands for the pipeline's name in the keys below.
_PIPELINE = "PIPELINE"
#: Nobody logs in without a name.
_NOBODY = "user default off"


@dataclass(frozen=True)
class User:
    """A user: patterns of keys as an ACL has them, and the commands, those inside scripts included."""

    name: str
    keys: str
    commands: str

    def line(self, pipeline: str, password_rule: str) -> str:
        """The user's line of the ACL file; ``password_rule`` is ``>password`` or ``#sha256``."""
        patterns = self.keys.replace(_PIPELINE, pipeline).split()
        allowed = [f"+{command}" for command in self.commands.split()]
        return " ".join(["user", self.name, "on", password_rule, "resetchannels", *patterns, "-@all", *allowed])


USERS = (
    User(
        "producer",
        "~sg:{PIPELINE}:config ~sg:{PIPELINE}:labels ~sg:{PIPELINE}:producer:* ~sg:{PIPELINE:*}:records "
        "~sg:{PIPELINE:*}:producer:* %R~sg:{PIPELINE}:production %R~sg:{PIPELINE}:models",
        "eval evalsha get hgetall hmget hstrlen hsetnx info ping set xadd xdel xinfo|groups xlen xrange xrevrange",
    ),
    User(
        "scorer",
        "~sg:{PIPELINE}:config ~sg:{PIPELINE:*}:records ~sg:{PIPELINE:*}:predictions ~sg:{PIPELINE:*}:rejected "
        "~sg:{PIPELINE:*}:floor ~sg:{PIPELINE:*}:commit %R~sg:{PIPELINE}:production %R~sg:{PIPELINE}:models "
        "%R~sg:{PIPELINE}:promotions",
        "del eval evalsha exec exists get hgetall hmget hstrlen hsetnx info memory|usage multi ping set time type "
        "xack xadd xclaim xdel xgroup|create xgroup|delconsumer xinfo|consumers xinfo|groups xinfo|stream xlen "
        "xpending xrange xread xreadgroup xrevrange xtrim",
    ),
    User(
        "shadow",
        "~sg:{PIPELINE:*}:records ~sg:{PIPELINE:*}:shadow:* %R~sg:{PIPELINE}:config %R~sg:{PIPELINE}:production "
        "%R~sg:{PIPELINE}:models %R~sg:{PIPELINE}:shadows",
        "del eval evalsha exec exists get hdel hget hgetall hmget hset hstrlen memory|usage multi pexpire ping "
        "set time type xack xadd xclaim xdel xgroup|create xgroup|delconsumer xgroup|destroy xinfo|consumers "
        "xinfo|groups xinfo|stream xlen xpending xrange xreadgroup xrevrange xtrim",
    ),
    User(
        "monitor",
        "~sg:{PIPELINE}:config ~sg:{PIPELINE}:labels ~sg:{PIPELINE}:monitor ~sg:{PIPELINE}:drift "
        "~sg:{PIPELINE}:samples ~sg:{PIPELINE}:retrain ~sg:{PIPELINE}:alerts:* ~sg:{PIPELINE:*}:records "
        "%R~sg:{PIPELINE}:production %R~sg:{PIPELINE}:models %R~sg:{PIPELINE}:promotions "
        "%R~sg:{PIPELINE}:decisions %R~sg:{PIPELINE:*}:predictions %R~sg:{PIPELINE:*}:rejected",
        "eval eval_ro evalsha evalsha_ro get hdel hget hgetall hincrby hmget hstrlen hset hsetnx info "
        "memory|usage ping set time type xadd xdel xgroup|create xgroup|setid xinfo|consumers xinfo|groups "
        "xinfo|stream xlen xpending xrange xread xrevrange xtrim",
    ),
    User(
        "trainer",
        "~sg:{PIPELINE}:config ~sg:{PIPELINE}:labels ~sg:{PIPELINE}:unmatched ~sg:{PIPELINE}:retrain "
        "~sg:{PIPELINE}:production ~sg:{PIPELINE}:promotions ~sg:{PIPELINE}:decisions ~sg:{PIPELINE}:models "
        "%R~sg:{PIPELINE}:samples %R~sg:{PIPELINE}:drift",
        "eval evalsha exists hdel hexists hget hgetall hkeys hmget hstrlen hset hsetnx info memory|usage ping "
        "time type xack xadd xclaim xdel xgroup|create xgroup|delconsumer xinfo|consumers xinfo|groups xlen "
        "xpending xrange xreadgroup xrevrange xtrim",
    ),
    User(
        "reader",
        "%R~sg:{PIPELINE:*}:predictions %R~sg:{PIPELINE}:config %R~sg:{PIPELINE}:production "
        "%R~sg:{PIPELINE}:models",
        "hgetall hmget hstrlen ping xinfo|stream xread",
    ),
    User(
        "group-reader",
        "~sg:{PIPELINE:*}:predictions %R~sg:{PIPELINE}:config",
        "eval evalsha exists hgetall ping xack xclaim xgroup|create xgroup|delconsumer xinfo|consumers xpending "
        "xreadgroup",
    ),
    User(
        "viewer",
        "%R~sg:{PIPELINE}:* %R~sg:{PIPELINE:*}:*",
        "cluster|slots command|info eval eval_ro evalsha_ro hgetall hmget hstrlen info memory|usage ping time "
        "type xinfo|consumers xinfo|groups xinfo|stream xlen xpending xrange xrevrange",
    ),
    User(
        "operator",
        "%R~sg:{PIPELINE}:samples %R~sg:{PIPELINE}:labels ~sg:{PIPELINE}:shadows ~sg:{PIPELINE:*}:shadow:* "
        "~sg:{PIPELINE}:config ~sg:{PIPELINE}:production ~sg:{PIPELINE}:promotions ~sg:{PIPELINE}:models "
        "~sg:{PIPELINE}:retrain ~sg:{PIPELINE:*}:records ~sg:{PIPELINE:*}:rejected ~sg:{PIPELINE:*}:producer:* "
        "~sg:{PIPELINE:*}:floor %W~sg:{PIPELINE}:decisions",
        "cluster|slots del eval evalsha exists get hdel hget hgetall hmget hset hsetnx hstrlen info memory|usage "
        "ping set time type xadd xdel xgroup|create xgroup|destroy xinfo|groups xinfo|stream xlen xpending xrange "
        "xrevrange xtrim",
    ),
    User("keda", "%R~sg:{PIPELINE:*}:records", "info ping xinfo|groups xlen xpending"),
    User("healthcheck", "", "ping"),
)
#: Whom nothing of ours logs in as; they need no URL.
WITHOUT_URL = ("keda", "healthcheck")


def acl_lines(pipeline: str, password_rules: dict[str, str]) -> list[str]:
    """The ACL file of a pipeline's server; ``password_rules`` by user.

    >>> acl_lines("raisin", {user.name: ">secret" for user in USERS})[-1]
    'user healthcheck on >secret resetchannels -@all +ping'
    """
    return [_NOBODY, *(user.line(pipeline, password_rules[user.name]) for user in USERS)]
