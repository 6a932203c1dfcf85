"""Crowds: 500 processes on an ended session, 50 daemons at once for one profile, 100 sign-ins at once on one port.

The numbers are the same in a short slice: a smaller crowd would show nothing. Repeated until the time is over."""
import json
import subprocess
import time

from crash import expire
from harness import WOCI, same, wait
from part import check_end, processes_with
from simulator import Sim

PROCESSES, DAEMONS, SIGN_INS = 500, 50, 100


def soak(part):
    sim = Sim()
    rounds, figures = 0, {}
    try:
        while not rounds or part.left > part.seconds / 2:
            rounds += 1
            for what, crowd in (("processes", processes), ("daemons", daemons), ("sign-ins", sign_ins)):
                home = sim.home()
                try:
                    with part.holds(what):
                        figures[what] = crowd(sim, home)
                finally:
                    home.woci("--stop-daemon")
                    home.remove()
        for figure in figures.values():
            part.figure(figure)
        part.row("crowds", f"{rounds} times {PROCESSES} processes on an ended session, {DAEMONS} daemons for one profile, {SIGN_INS} sign-ins on one port")
        part.figure(f"{rounds} rounds")
    finally:
        sim.stop()


def crowd_of(count, argv, home):
    """Starts them all, and returns their codes and outputs. Files instead of pipes: nobody reads while they run."""
    began, all_of_them = time.monotonic(), []
    for number in range(count):
        out, err = (open(home.path / f"crowd.{number}.{name}", "w+") for name in ("out", "err"))
        all_of_them.append((subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=home.env, cwd=home.path), out, err))
    results = []
    for process, out, err in all_of_them:
        code = process.wait(400)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        results.append((code, *texts))
    return results, time.monotonic() - began


def processes(sim, home):
    home.woci().expect(0)
    key = (home.session() / "private_key.pem").read_bytes()
    expire(home)
    before = sim.order()
    results, took = crowd_of(PROCESSES, [WOCI, "--sign-in", "never"], home)
    after = sim.order()
    for code, out, err in results:
        check_end(code, err)
        same(code, 0, f"exit code ({err})")
    tokens = {json.loads(out)["security_token"] for _, out, _ in results}
    same(len(tokens), 1, "tokens that were handed out")
    for grant in ("refresh", "exchange"):
        same(after["requests"][grant] - before["requests"][grant], 1, f"requests of {grant}")
    same((after["reuses"], (home.session() / "private_key.pem").read_bytes()), (before["reuses"], key))
    assert (home.session() / "refresh_token").read_text().strip() in after["live"], "the refresh token on disk is spent"
    home.clean()
    sources = [json.loads(out)["source"] for _, out, _ in results]
    same(sources.count("refreshed"), 1, "runs that say they refreshed")
    _, plain = crowd_of(PROCESSES, ["/bin/true"], home)
    return f"{PROCESSES} processes on an ended session: 1 renewal, all exit 0, {took:.1f} s ({PROCESSES} /bin/true: {plain:.1f} s)"


def daemons(sim, home):
    home.woci().expect(0)
    before = sim.order()
    results, took = crowd_of(DAEMONS, [WOCI, "--daemon"], home)
    pids = set()
    for code, out, err in results:
        check_end(code, err, out=out)
        same(code, 0, f"exit code ({err})")
        pids.add(json.loads(out)["pid"])
    same(len(pids), 1, "daemons that the documents name")
    same(sim.order()["requests"]["refresh"], before["requests"]["refresh"], "refreshes of a fresh session")
    mine = lambda: [pid for pid, argv in processes_with(f"HOME={home.path}") if "__daemon" in argv]  # noqa: E731
    wait(lambda: mine() == list(pids), "the daemons that lost to end", 60)
    same(home.woci("--stop-daemon").code, 0, "exit code of --stop-daemon")
    wait(lambda: not mine(), "the last daemon to end")
    return f"{DAEMONS} daemons at once: one stays, all exit 0, {took:.1f} s"


def sign_ins(sim, home):
    """As many profiles, all on one port: each signs in, or says why not."""
    manager = sim.manager.removeprefix("[DEFAULT]\n") + f"redirect_port = {home.redirect_port}\n"
    (home.oci / "woci_manager.ini").write_text("[COMMON]\n" + manager + "".join(f"[p{number}]\n" for number in range(SIGN_INS)))
    began, started = time.monotonic(), []
    for number in range(SIGN_INS):
        err = open(home.path / f"sign-in.{number}.err", "w+")
        argv = [WOCI, "--profile", f"p{number}", "session", "authenticate"]
        started.append((subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, env=home.env, cwd=home.path), err))
    good, refused = 0, {}
    for number, (process, err) in enumerate(started):
        code = process.wait(400)
        err.seek(0)
        said = err.read()
        err.close()
        check_end(code, said)
        if code == 0:
            good += 1
            assert (home.session(f"p{number}") / "refresh_token").read_text().strip() in sim.order()["live"]
            home.clean(f"p{number}")
        else:
            last = said.strip().splitlines()[-1]
            assert "port" in last, f"a sign-in that failed says nothing of the port: {last}"
            refused[last] = refused.get(last, 0) + 1
    took = time.monotonic() - began
    assert good, f"no sign-in ended well: {refused}"
    why = "".join(f"; {count}: {last[:120]}" for last, count in refused.items())
    return f"{SIGN_INS} sign-ins at once on one port: {good} ended well, {sum(refused.values())} said why not, {took:.1f} s{why}"
