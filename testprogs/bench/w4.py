# W4: json + dict. usage: python3 w4.py [n]
# args: 2
import json, sys
n = int(sys.argv[1]) if len(sys.argv) > 1 else 80
d = {}
h = 0
for r in range(n):
    for i in range(4000):
        k = "key%d" % ((i * 7919 + r) % 5000)
        d[k] = {"id": i, "name": "n" * (i % 17), "vals": [i, i * 2, i ^ r], "f": i / 3.0}
    s = json.dumps(d, sort_keys=True)
    e = json.loads(s)
    h = (h * 31 + len(s) + sum(v["id"] for v in e.values())) & 0xffffffff
print(h)
