# What yore's debugger asks of gdb, in one question each: do() calls a function
# and prints what it returned, as JSON on the last line.
import json
import re

import gdb


class _YoreHelper(object):
    def __init__(self, yore):
        self.yore = yore
        self.busy = False   # a verb is under way: its stops are its own
        self.loud = []      # how to undo quiet()
        verb = yore.verb

        def guarded(text):
            self.busy = True
            try:
                verb(text)
            finally:
                self.busy = False
                if self.loud:
                    self.unquiet()
        yore.verb = guarded
        for name, doc in (("info bookmarks", "List the bookmarks.\nUsage: info bookmarks"),
                          ("delete bookmark", "Forget a bookmark.\nUsage: delete bookmark NAME")):
            yore.define({"name": name, "doc": doc}, name)  # gdb's own are no use here
            yore.define({"name": name, "doc": doc}, "yore " + name)
        gdb.events.stop.connect(self.stopped)

    def stopped(self, event):
        if self.busy:
            return
        try:
            at = self.place(gdb.newest_frame())
        except gdb.error:
            at = {}
        at["command"] = self.typed()
        try:
            gdb.execute("monitor @stopped " + json.dumps(at), False, True)
        except gdb.error:
            pass  # the connection is gone: there is no history to add to

    def typed(self):
        """The command that the person typed last, "" in a batch."""
        try:
            lines = gdb.execute("show commands", False, True).rstrip("\n").split("\n")
        except gdb.error:
            return ""
        return lines[-1].strip().partition("  ")[2]

    def do(self, name, args):
        try:
            answer = {"value": getattr(self, name)(*json.loads(args))}
        except (gdb.error, RuntimeError) as e:
            answer = {"error": str(e)}
        gdb.write("\n" + json.dumps(answer))

    # -- quiet: the person's breakpoints do not act, values are printed whole

    def quiet(self):
        for b in gdb.breakpoints() or ():
            if b.is_valid() and b.enabled and b.number > 0:
                b.enabled = False
                self.loud.append(lambda b=b: self.enable(b))
        for name, value in (("print elements", "4000"), ("print repeats", "unlimited"),
                            ("unwindonsignal", "on"), ("unwind-on-terminating-exception", "on")):
            try:
                was = gdb.parameter(name)
            except RuntimeError:
                continue  # an older gdb has no such setting
            was = {True: "on", False: "off", None: "unlimited"}[was] if was is None or isinstance(was, bool) else str(was)
            gdb.execute("set %s %s" % (name, value), False, True)
            self.loud.append(lambda n=name, v=was: gdb.execute("set %s %s" % (n, v), False, True))

    def enable(self, b):
        if b.is_valid():
            b.enabled = True

    def unquiet(self):
        undo, self.loud = self.loud, []
        for f in reversed(undo):
            f()

    # -- places

    def place(self, f):
        sal = f.find_sal()
        s = sal.symtab
        return {"addr": f.pc(), "function": f.name() or "", "line": sal.line if s else 0,
                "file": s.filename if s else "", "fullname": s.fullname() if s else "",
                "object": "" if s else (gdb.solib_name(f.pc()) or "")}

    def frames(self, n):
        out, f = [], gdb.newest_frame()
        while f is not None and (n == 0 or len(out) < n):
            out.append(self.place(f))
            f = f.older()
        return out

    def threads(self):
        out, was = [], gdb.selected_thread()
        frame = gdb.selected_frame()
        for t in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            t.switch()
            p = self.place(gdb.newest_frame())
            p.update(number=t.num, id=t.ptid[1] or t.ptid[2], name=t.name or "", current=t.num == was.num)
            out.append(p)
        was.switch()
        frame.select()
        return out

    # -- motions, without a word

    def move(self, command):
        with _Silence(self.yore.machine):
            gdb.execute(command, False, True)

    def to_statement(self):
        """Back to the beginning of the present statement; from code without
        lines, to that of the statement which called it."""
        for _ in range(200):
            f = gdb.newest_frame()
            sal = f.find_sal()
            if not sal.symtab or not sal.line:
                if f.older() is None:
                    return
                command = "reverse-finish"
            elif sal.pc == f.pc():
                return
            elif f.function() is not None and f.function().symtab == sal.symtab and sal.pc == f.block().start:
                command = "reverse-stepi"  # in the first line gdb would go on to the caller
            else:
                command = "reverse-next"
            pc = f.pc()
            self.move(command)
            if gdb.newest_frame().pc() == pc:
                return

    def to_entry(self, act):
        f = self.find(act) if act else gdb.newest_frame()
        f.select()
        self.move("reverse-finish")

    CALL = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|([A-Za-z_]\w*)\s*\(')
    NO_CALL = ("sizeof", "alignof", "_Alignof", "typeof", "decltype")

    def calls(self, expr):
        """Whether an expression calls a function: then gdb would step through
        all of history, although it says that it watches in hardware."""
        return any(m.group(1) and m.group(1) not in self.NO_CALL for m in self.CALL.finditer(expr))

    def watch(self, expr):
        """Make a hardware watchpoint; print its number, 0 when it would be software's."""
        if self.calls(expr):
            return 0
        b = gdb.Breakpoint(expr, gdb.BP_WATCHPOINT, gdb.WP_WRITE, True)
        if b.type != gdb.BP_HARDWARE_WATCHPOINT:
            b.delete()
            return 0
        return b.number

    def unwatch(self, number):
        for b in gdb.breakpoints() or ():
            if b.number == number:
                b.delete()

    def watched(self, number):
        return any(b.number == number for b in gdb.breakpoints() or ())

    # -- expressions

    WORD = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(->|::|\.)?\s*\*?([A-Za-z_]\w*)|\d[\w.]*|\$\w+')

    def names(self, expr):
        out = []
        for m in self.WORD.finditer(expr):
            if m.group(2) and not m.group(1) and m.group(2) not in out:
                out.append(m.group(2))
        return out

    def local(self, name, frame):
        """Whether a name is a variable of the frame, or of its object."""
        try:
            sym, of_this = gdb.lookup_symbol(name, frame.block())
        except (gdb.error, RuntimeError):
            return False  # no symbols here
        return of_this or sym is not None and (sym.is_variable or sym.is_argument) and sym.needs_frame

    def bind(self, expr):
        f = gdb.selected_frame()
        local = [n for n in self.names(expr) if self.local(n, f)]
        act = None
        if local:
            older = f.older()
            if older is None:
                raise gdb.error("%s names variables of %s, whose frame cannot be told from others" % (expr, f.name()))
            t = gdb.selected_thread()
            act = {"function": f.name(), "cfa": str(older.read_register("sp")), "tid": t.ptid[1] or t.ptid[2]}
        return {"activation": act, "globals": [n for n in self.names(expr) if n not in local]}

    def find(self, act):
        """Select the thread of an activation and return its frame."""
        for t in gdb.selected_inferior().threads():
            if (t.ptid[1] or t.ptid[2]) == act["tid"]:
                t.switch()
                f = gdb.newest_frame()
                while f is not None:
                    older = f.older()
                    if f.name() == act["function"] and older is not None and str(older.read_register("sp")) == act["cfa"]:
                        return f
                    f = older
        raise gdb.error("its function's frame does not exist here")

    def evaluate(self, expr, act, global_names):
        was = gdb.selected_thread()
        try:
            if act:
                f = self.find(act)
            else:
                # A frame in which no local hides a global of the expression.
                f = gdb.newest_frame()
                while f.older() is not None and any(self.local(n, f) for n in global_names):
                    f = f.older()
            f.select()
            return {"value": self.value(expr)}
        except (gdb.error, RuntimeError) as e:
            return {"unknown": str(e)}
        finally:
            if was.is_valid():
                was.switch()

    def value(self, expr):
        v = gdb.parse_and_eval(expr)
        v.fetch_lazy()
        if v.type.strip_typedefs().code == gdb.TYPE_CODE_VOID:
            raise gdb.error("it has no value (void)")
        return v.format_string()


_yore_helper = _YoreHelper(_yore)
