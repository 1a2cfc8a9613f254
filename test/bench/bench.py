#!/usr/bin/env python3
"""The bench: see doc/performance.md for what it measures and how.

    bench.py quick              prints the goals, under two minutes
    bench.py run [PART ...]     measures and keeps the results; parts are the keys of
                                workloads.py, "memory", "restarts" and "growth"; none: all
    bench.py report             writes doc/performance.md from what was kept
    bench.py parts              lists the parts

The programs are taken from MOLT_BENCH_BUILD, else ./build-bench; results are kept
in its folder bench-results, a file a part, so a run may be done in pieces.
"""
import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time

import growth
import memory
import peers
import report
import restarts
import workloads
from measure import BUILD, Failed, become_subreaper

RESULTS = os.path.join(BUILD, "bench-results")
DESCRIPTORS = 20000
QUICK_WHO = ("floor", "molt", "nginx")
QUICK = ["keepalive64", "pipeline", "connect", "browser", "json", "routes", "static1k",
         "static64k", "static10m", "https", "handshake", "resumed", "accesslog", "middleware"]


def keep(name, result):
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, name + ".json"), "w") as f:
        json.dump(result, f, indent=1)


def say(text):
    print(text, flush=True)


def say_workload(found):
    say("%s, relative to %s" % (found["title"], found["base"]))
    for name, r in found["servers"].items():
        say("  %-12s %s" % (name, r["failed"] if "failed" in r else "%.3f  (%.3f to %.3f)  %.2f us"
                            % (r["ratio"], r["spread"][0], r["spread"][1], r["us"])))


def quick(place):
    goals = []
    for w in workloads.WORKLOADS:
        if w.key in QUICK:
            try:
                found = workloads.run(place, w, 0.4, 3, only=QUICK_WHO)
            except Failed as why:
                say("%s: %s" % (w.title, why))
                continue
            goals += found["goals"]
    memory.WHO = ["molt", "nginx"]
    goals += memory.run(place, plain=2000, tls=200)["goals"]
    restarts.HOW = {"molt": restarts.HOW["molt"], "nginx": restarts.HOW["nginx"]}
    goals += restarts.run(place, count=3, stalled=False)["goals"]
    report.print_goals(goals)
    say("this was the short form: few rounds, nginx as the only peer; see make bench")


def run_part(place, name, args):
    by_key = {w.key: w for w in workloads.WORKLOADS}
    if name in by_key:
        found = workloads.run(place, by_key[name], args.seconds, args.rounds)
        say_workload(found)
    elif name == "memory":
        found = memory.run(place)
    elif name == "restarts":
        found = restarts.run(place)
    elif name == "growth":
        found = growth.run(place, args.seconds, args.rounds)
    else:
        raise SystemExit("bench: no part %s; bench.py parts lists them" % name)
    keep(name, found)
    if name not in by_key:
        say(name + "\n" + json.dumps(found, indent=1))


def all_parts():
    return [w.key for w in workloads.WORKLOADS] + ["memory", "restarts", "growth"]


def run(place, args):
    loads = [os.getloadavg()[0]]
    for name in args.parts or all_parts():
        start = time.monotonic()
        try:
            run_part(place, name, args)
        except Failed as why:
            say("%s: %s" % (name, why))
        loads.append(os.getloadavg()[0])
        say("-- %s took %.0f s" % (name, time.monotonic() - start))
    about = report.load_results(RESULTS).get("about", {})
    loads = [about.get("least", loads[0]), about.get("most", loads[0])] + loads
    keep("about", {"rounds": "%d rounds of %g s for each server and workload" % (
        args.rounds, args.seconds), "least": min(loads), "most": max(loads),
        "load": "%.1f to %.1f, the bench's own two processes included" % (min(loads), max(loads))})


def main():
    p = argparse.ArgumentParser(description="the bench of Molt")
    p.add_argument("command", choices=("quick", "run", "report", "parts"))
    p.add_argument("parts", nargs="*")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=1.0)
    args = p.parse_intermixed_args()
    if args.command == "parts":
        print("\n".join(all_parts()))
        return
    if args.command == "report":
        results = report.load_results(RESULTS)
        report.write(results)
        report.print_goals(report.goals_of(results))
        return
    if not shutil.which("wrk"):
        raise SystemExit("bench: wrk is missing; tools/install-deps --bench installs it")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), min(DESCRIPTORS, hard)))
    become_subreaper()
    root = tempfile.mkdtemp(prefix="molt-bench-")
    try:
        place = peers.Place(root)
        quick(place) if args.command == "quick" else run(place, args)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
