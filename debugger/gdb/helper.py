# Breakpoints that decide for themselves whether to stop. gdb asks stop() in the
# middle of a motion; after False the motion goes on as if nothing had been.
import re

import gdb

MARK = "\x1eyore "


class Point(gdb.Breakpoint):
    """cond is an expression or ""; hits is (op, n) or None; log is a list of
    texts and expressions in turn, or None."""

    def prepare(self, cond, hits, log):
        self.seen, self.when, self.every, self.log = 0, cond, hits, log
        return self

    def stop(self):
        if self.when:
            try:
                if not gdb.parse_and_eval(self.when):
                    return False
            except gdb.error as e:
                self.say("condition %s of breakpoint %d: %s" % (self.when, self.number, e))
                return True
        self.seen += 1
        if self.every and not met(self.seen, *self.every):
            return False
        if self.log is None:
            return True
        self.say("".join(p if i % 2 == 0 else value(p) for i, p in enumerate(self.log)))
        return False

    def say(self, text):
        gdb.write(MARK + text + "\n", gdb.STDLOG)


def met(n, op, of):
    return {
        ">=": n >= of, ">": n > of, "==": n == of, "<": n < of, "<=": n <= of,
        "%": of > 0 and n % of == 0,
    }[op]


def value(expr):
    try:
        v = gdb.parse_and_eval(expr)
        # Text as text, without quotes and address.
        t = v.type.strip_typedefs()
        if t.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ARRAY) and t.target().strip_typedefs().sizeof == 1 \
                and t.target().strip_typedefs().code == gdb.TYPE_CODE_INT:
            return v.string(errors="replace")
        return v.format_string()
    except (gdb.error, gdb.MemoryError, UnicodeError) as e:
        return "<%s: %s>" % (expr, e)


def make(where, cond, hits, log):
    p = Point(where).prepare(cond, hits, log)
    return p.number


class Thrown(gdb.Breakpoint):
    """Stops where an exception is thrown whose type's name fits a pattern. It is
    at the entry of __cxa_throw, whose second argument is the std::type_info."""

    def prepare(self, pattern):
        self.pattern = re.compile(pattern)
        return self

    def stop(self):
        name = gdb.execute("info symbol $rsi", to_string=True)
        m = re.match(r"typeinfo for (.*) in section ", name)
        return bool(m is None or self.pattern.search(m.group(1)))


def thrown(where, pattern):
    re.compile(pattern)
    return Thrown(where).prepare(pattern).number
