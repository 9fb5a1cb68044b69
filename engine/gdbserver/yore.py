# yore's commands inside stock gdb. Each is a verb of the server's "monitor"
# command, sent as "@NUMBER VERB..."; the answer's last line is "@NUMBER/SERIAL"
# and how it went:
#
#   ok              done
#   move            done, and the server answers the next resume from elsewhere
#   error TEXT      refused
#   ask KIND HEX    the server wants something of gdb before it can go on; the
#                   answer goes back as "answer ok HEX" or "answer error HEX"
#
# After ^C gdb may have left an answer unread: its number is not that of the
# command. "@drain SERIAL", with the serial of what was read last, gets the next.
#
# gdb learns that the program has moved by a resume (stepi) that the server
# answers with a stop; so it drops what it had cached, as after any stop.
import binascii
import json
import os

import gdb


class _Yore(object):
    # Commands of gdb's own that make no sense on a recorded program.
    REPLACED = ("checkpoint", "restart", "bookmark", "info checkpoints", "delete checkpoint")

    def __init__(self, verbs, machine):
        self.number = 0  # of the last command sent
        self.machine = machine  # standard output is a machine interface
        self.prefixes = set()
        self.prefix("yore", "Commands of yore, by their full names.")
        for v in verbs:
            name = v["name"]
            if not self.taken(name):
                self.define(v, name)
            words = ["yore"] + name.split()
            for n in range(2, len(words)):
                self.prefix(" ".join(words[:n]), "Commands of yore that begin so.")
            self.define(v, " ".join(words))
        self.hooks()
        gdb.events.stop.connect(self.stopped)

    # -- commands

    def prefix(self, name, doc):
        if name not in self.prefixes:
            self.prefixes.add(name)

            class Prefix(gdb.Command):
                __doc__ = doc

                def __init__(self):
                    super(Prefix, self).__init__(name, gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE, True)
            Prefix()

    def define(self, v, name):
        yore = self

        class Verb(gdb.Command):
            __doc__ = v["doc"]

            def __init__(self):
                complete = gdb.COMPLETE_EXPRESSION if v.get("expression") else gdb.COMPLETE_NONE
                super(Verb, self).__init__(name, gdb.COMMAND_RUNNING, complete)

            def invoke(self, argument, from_tty):
                if not v.get("repeat"):
                    self.dont_repeat()
                yore.verb((v["name"] + " " + argument).strip())
        Verb()

    def taken(self, name):
        """Whether the person has a command of this name: it stays."""
        if self.users_own(name):
            return True
        if name in self.REPLACED:
            return False
        return name in gdb.execute("complete " + name, False, True).split("\n")

    def users_own(self, name):
        try:
            text = gdb.execute("show user " + name, False, True)
        except gdb.error:
            return False
        return text.startswith("User command")

    def hooks(self):
        # gdb steps backwards without saying which thread is selected.
        for name in ("reverse-step", "reverse-next", "reverse-stepi", "reverse-nexti"):
            if not self.users_own("hook-" + name):
                gdb.execute("define hook-%s\npython _yore.select()\nend" % name, False, True)

    def stopped(self, event):
        # Back before the dynamic linker has set itself up gdb believes its old
        # list of libraries, and looks for variables in no other file than the
        # linker. There, have it read the list anew.
        try:
            where = gdb.solib_name(gdb.newest_frame().pc())
            if where is not None and os.path.basename(where).startswith("ld"):
                gdb.execute("info sharedlibrary", False, True)
        except gdb.error:
            pass

    def select(self):
        t = gdb.selected_thread()
        if t is not None and t.is_valid():
            pid, lwp, tid = t.ptid
            gdb.execute("maint packet QYore.Select:p%x.%x" % (pid, lwp or tid), False, True)

    # -- talking to the server

    def monitor(self, text):
        """Send a tagged command; return the words of how it went."""
        self.number += 1
        number, serial, status = self.exchange("%d %s" % (self.number, text))
        while number != self.number:
            number, serial, status = self.exchange("drain %d" % serial)
            if status == ["drained"]:
                return ["error", "interrupted"]
        return status

    def exchange(self, text):
        out = gdb.execute("monitor @" + text, False, True)
        lines = out.rstrip("\n").split("\n")
        tag, _, status = lines.pop().partition(" ")
        try:
            number, serial = [int(n) for n in tag[1:].split("/")]
        except ValueError:
            raise gdb.GdbError(out.strip() or "the server does not know yore's commands")
        if lines and number == self.number:
            gdb.write("\n".join(lines) + "\n")
            gdb.flush()
        words = status.split(" ", 2) if status.startswith("ask ") else status.split(" ", 1)
        return number, serial, words

    def verb(self, text):
        done = False
        try:
            reply = self.monitor(text)
            while reply[0] == "ask":
                reply = self.monitor(self.answer(reply[1], self.unhex(reply[2]) if len(reply) > 2 else ""))
            done = True
        finally:
            if not done:
                self.abandon()
        if reply[0] == "move":
            gdb.execute("stepi")
        elif reply[0] != "ok":
            raise gdb.GdbError(" ".join(reply[1:]))

    def abandon(self):
        try:
            self.monitor("abandon")
        except (gdb.error, KeyboardInterrupt):
            pass

    def answer(self, kind, arg):
        try:
            ask = getattr(self, "ask_" + kind, None)
            if ask is None:
                raise RuntimeError("this script cannot " + kind)
            text = ask(arg)
        except (gdb.error, RuntimeError, UnicodeDecodeError) as e:
            return "answer error " + self.hex(str(e))
        return "answer ok " + self.hex(text or "")

    def hex(self, text):
        return binascii.hexlify(text.encode("utf-8", "backslashreplace")).decode("ascii")

    def unhex(self, text):
        return binascii.unhexlify(text).decode("utf-8", "replace")

    # -- what the server may ask

    def ask_arrive(self, arg):
        """Resume once, without a word: the server has armed a place to go."""
        with _Silence(self.machine):
            gdb.execute("stepi", False, True)

    def ask_show(self, arg):
        """Run a command for the person to see."""
        gdb.execute(arg)

    def ask_capture(self, arg):
        """Run a command and return what it printed."""
        return gdb.execute(arg, False, True)

    def ask_eval(self, arg):
        """Return the value of an expression in the selected frame."""
        v = gdb.parse_and_eval(arg)
        v.fetch_lazy()
        return v.format_string() if hasattr(v, "format_string") else str(v)

    def ask_place(self, arg):
        """Return where the innermost frame of the selected thread is, as JSON."""
        t = gdb.selected_thread()
        f = gdb.newest_frame()
        sal = f.find_sal()
        return json.dumps({
            "pc": f.pc(), "function": f.name() or "", "line": sal.line if sal.symtab else 0,
            "file": sal.symtab.filename if sal.symtab else "",
            "fullname": sal.symtab.fullname() if sal.symtab else "",
            "thread": t.num, "tid": t.ptid[1] or t.ptid[2]})


class _Silence(object):
    """Keeps gdb from printing a stop. to_string does not capture those, and
    turning the log on from Python kills gdb 13; so standard output goes nowhere
    meanwhile. Not where it is a machine's or curses's: they would miss it."""

    def __init__(self, machine):
        self.machine = machine

    def __enter__(self):
        self.saved = None
        if self.machine or "not active" not in self.windows():
            return
        gdb.flush()
        self.saved = os.dup(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def windows(self):
        try:
            return gdb.execute("info win", False, True)
        except gdb.error:
            return "not active"  # built without TUI

    def __exit__(self, *exc):
        if self.saved is not None:
            gdb.flush()
            os.dup2(self.saved, 1)
            os.close(self.saved)


def _yore_connect(exe, address):
    """Settings that the server needs, and the connection. Only what the person
    has not settled otherwise is touched."""
    def quiet(command):
        try:
            gdb.execute(command, False, True)
        except gdb.error:
            pass  # an older gdb has no such setting
    if gdb.parameter("sysroot") in ("", "target:", None):
        quiet("set sysroot /")
    quiet("set breakpoint always-inserted on")
    quiet("set remotetimeout 10000")
    if not os.environ.get("DEBUGINFOD_URLS"):
        quiet("set debuginfod enabled off")
    if exe and not gdb.current_progspace().filename:
        gdb.execute("file " + exe)
    if address:
        gdb.execute("target extended-remote " + address)
