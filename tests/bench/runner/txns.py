"""Transactions: two users of them with and without, and the mixes of bench_txn beside its peers."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from . import heaps, measure
from .tables import Table

BENCH = os.path.join(heaps.PROGRAMS, "bench_txn")
USERS = os.path.join(heaps.BUILD, "tests", "users")
PASSES = os.path.join(USERS, "passes")
TOOL = os.path.join(heaps.BUILD, "tools", "mpress")
FIGURES = {"cpu_seconds": ("processor time", "s"), "seconds": ("wall time", "s"),
           "peak_mib": ("peak resident memory", "MiB")}


def sessions_once(memory, heap, quick):
    size = ["--sessions", "4"] if quick else ["--sessions", "60"]
    command = [os.path.join(USERS, "sqlite_sessions"), "--memory", memory, *size]
    figures, answer = measure.launch(heap, command)
    return figures, answer


def server_once(memory, heap, quick):
    """Timed is the client, counted is the server."""
    with tempfile.NamedTemporaryFile(mode="r") as report:
        command = [measure.LAUNCH, report.name, heap.library,
                   os.path.join(USERS, "request_server"), "--memory", memory]
        with subprocess.Popen(command, env=heap.environment(), stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL) as server:
            port = server.stdout.readline().strip()
            client = [os.path.join(USERS, "request_client"), port, "--requests",
                      "800" if quick else "8000", "--shutdown", "1"]
            figures, answer = measure.launch(heaps.GLIBC, client)
        if server.returncode != 0:
            raise measure.Failed(f"request_server ended with {server.returncode}")
        return {**json.load(report), "seconds": figures["seconds"]}, answer


# name -> (how it is run once, the memories it can take from the library)
SUBJECTS = {"sqlite": (sessions_once, ("session", "statement")),
            "server": (server_once, ("transaction", "entered"))}


def measure_user(name, options):
    once, memories = SUBJECTS[name]
    columns = {"glibc": ("malloc", heaps.GLIBC), "mpress": ("malloc", heaps.OURS),
               **{memory: (memory, heaps.OURS) for memory in memories}}
    answers = set()

    def run(memory, heap):
        figures, answer = once(memory, heap, options.quick)
        answers.add(answer)
        if len(answers) > 1:
            raise measure.Failed("the answers differ")
        return figures

    taken = measure.take_turns(name, {column: lambda way=way: run(*way)
                                      for column, way in columns.items()}, options.rounds)
    tables = []
    for figure, (what, unit) in FIGURES.items():
        table = Table(f"A user of transactions, {name}: {what}", unit, list(columns), means=False)
        table.add(what, taken, figure)
        tables.append(table)
    return tables


def run_bench(library, *arguments):
    env = heaps.preloaded(heaps.OURS if library else heaps.GLIBC)
    done = subprocess.run([BENCH, *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise measure.Failed(f"bench_txn: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure_mixes(preloaded, options):
    lines = run_bench(preloaded, "--mix", str(3 if options.quick else min(1000, 100 * options.rounds)))
    peers = list(dict.fromkeys(line["peer"] for line in lines))
    base = "on mpress's malloc" if preloaded else "on glibc's malloc"
    table = Table(f"Blocks of 16 to 512 bytes, given up together, {base}", "ns a block", peers,
                  means=False)
    for line in lines:
        figure = {key: line[key] for key in ("median", "least", "most")}
        table.rows.setdefault(line["mix"], {})[line["peer"]] = figure
    return table


def instructions(peer, mix, times):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", BENCH, "--count",
               peer, str(mix), str(times)]
    done = subprocess.run(command, env=heaps.preloaded(heaps.OURS), capture_output=True, text=True,
                          check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise measure.Failed(f"callgrind: {done.stderr.strip()[-200:]}")
    return int(found.group(1))


def count_mixes(mixes):
    """Of two runs the difference: so neither the start counts nor what is new to the heap."""
    table = Table("The same on mpress's malloc, counted by callgrind", "instructions a block",
                  mixes.names, means=False)
    for index, mix in enumerate(mixes.rows):
        blocks = int(mix.split()[0].replace(",", ""))
        for peer in mixes.names:
            measure.progress(f"  {mix}, {peer}: counting")
            few, many = (instructions(peer, index, times) for times in (100, 200))
            table.add_cell(mix, peer, [(many - few) / 100 / blocks])
    measure.progress()
    return table


def passes_once(work, memory, quick):
    """Microseconds of processor time a round."""
    rounds = 2000 if quick else 40000
    command = [PASSES, "--work", work, "--memory", memory, "--rounds"]
    few, many = (measure.launch(heaps.OURS, [*command, str(count)])[0]["cpu_seconds"]
                 for count in (0, rounds))
    return (many - few) * 1e6 / rounds


def propose_once(trace, rounds):
    command = [TOOL, "propose", "--quiet", "--json", trace]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise measure.Failed(f"propose: {done.stderr.strip()}")
    gain = json.loads(done.stdout)["proposals"][0]["gain"]
    return (gain["before_ns"] - gain["with_ns"]) / 1000 / rounds


def measure_proposals(options):
    """What transactions save a program, and what is proposed of a trace of it."""
    rounds = 500 if options.quick else 2000
    names = ["malloc", "transactions", "saved", "saved, as proposed"]
    table = Table("Passes, with and without transactions", "us a round", names, means=False)
    with tempfile.TemporaryDirectory() as folder:
        for work in ("trees", "texts"):
            trace = os.path.join(folder, work)
            subprocess.run([TOOL, "record", "--quiet", "-o", trace, "--", PASSES, "--work", work,
                            "--rounds", str(rounds)], capture_output=True, check=True)
            for _ in range(options.rounds):
                malloc, ours = (passes_once(work, memory, options.quick)
                                for memory in ("malloc", "transaction"))
                for name, value in zip(names, (malloc, ours, malloc - ours,
                                               propose_once(trace, rounds))):
                    table.rows.setdefault(work, {}).setdefault(name, []).append(value)
            table.rows[work] = {name: measure.summary(values)
                                for name, values in table.rows[work].items()}
    return table


def run_txns(_names, _compared, options):
    tables = []
    for name, program in (("sqlite", "sqlite_sessions"), ("server", "request_server")):
        if os.path.exists(os.path.join(USERS, program)):
            tables += measure_user(name, options)
        else:
            print(f"skipped: {program} is not built")
    tables.append(measure_proposals(options))
    mixes = measure_mixes(True, options)
    tables += [mixes, measure_mixes(False, options)]
    if shutil.which("valgrind") and not options.quick:
        tables.append(count_mixes(mixes))
    return tables
