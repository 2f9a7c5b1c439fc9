"""What the measurements say, as tables."""

import statistics

import numpy as np

TIE = 1.3  # ratios within this factor of 1 are ties: runs move by up to 40 %


def _name(side):
    return side.replace("_", " ")


def times(name, work, ms, reports, agreeing) -> None:
    """One table a workload: a row a side; then the ratio to the best peer that agrees."""
    print(f"\n# {name}: {work.title}")
    versions = {f"{p} {v}" for r in reports.values() for p, v in r["versions"].items()}
    print("; ".join(sorted(versions)))
    calls = [call for call in ms if call != "copy"]
    print(f"{'':14} {'gradients off':>13} {'first s':>8} {'peak MB':>8}", end="")
    print("".join(f" {call + ' ms':>23}" for call in calls))
    for side, told in reports.items():
        if side == "copy":
            continue
        off = f"{told['away']:.1e}" + ("" if side in agreeing else " !")
        first = told["first_s"][calls[-1]]
        print(f"{_name(side):14} {off:>13} {first:8.2f} {told['peak_mb']:8.0f}", end="")
        print("".join(f" {statistics.median(ms[c][side]):23.1f}" for c in calls))
    for call in calls:
        row = {s: t for s, t in ms[call].items() if s in agreeing}
        median = {s: statistics.median(t) for s, t in row.items()}
        ours = [s for s in row if s.startswith("snnjax")]
        best = min((s for s in row if s not in ours), key=median.get, default=None)
        if best is None:
            continue
        goal = work.reach if call == calls[-1] else None
        for own in ours:
            ratio = statistics.median(np.divide(row[own], row[best]))
            verdict = _verdict(ratio, goal)
            print(f"{call}: {_name(own)} / {_name(best)} = {ratio:.2f}{verdict}")
    if work.first_s:
        first = reports["snnjax"]["first_s"][calls[-1]]
        print(f"first call {first:.2f} s{_verdict(first, work.first_s, tie=False)}")
    if "copy" in ms:
        _bandwidth(work, ms)


def _verdict(value, goal, tie=True):
    tie = " (a tie)" if tie and 1 / TIE <= value <= TIE else ""
    return (
        tie
        if goal is None
        else f"{tie}, to reach {goal}: {'yes' if value <= goal else 'no'}"
    )


def _bandwidth(work, ms):
    """What must move, over what was measured: 2 arrays forwards, 6 with the way back.

    Forwards x is read and s written. For the gradient u is also written, and it, the
    cotangent and the gradient are moved on the way back.
    """
    array = 4 * np.prod(work.shape)
    copied = 2 * array / (statistics.median(ms["copy"]["copy"]) / 1000)
    print(f"copy, read and written: {copied / 1e9:.1f} GB/s")
    for call, arrays in (("forward", 2), ("forward + backward", 6)):
        rate = arrays * array / (statistics.median(ms[call]["snnjax"]) / 1000)
        print(f"{call}: {arrays} arrays of {array / 1e6:.0f} MB at {rate / 1e9:.1f} GB/s, "
              f"{100 * rate / copied:.0f} % of the copy")  # fmt: skip


def memory(work, reports) -> None:
    """Peak of a fresh process, less what it held after its imports."""
    print(f"\n# memory: {work.title}; training steps in a fresh process")
    print(f"{'':14} {'gradients off':>13} {'peak - imports MB':>18} {'imports MB':>11}")
    for side, told in reports.items():
        print(f"{_name(side):14} {told['away']:13.1e} {told['peak_mb']:18.0f} "
              f"{told['imported_mb']:11.0f}")  # fmt: skip
    peers = {s: r["peak_mb"] for s, r in reports.items() if not s.startswith("snnjax")}
    if peers:
        best = min(peers, key=peers.get)
        for side in (s for s in reports if s.startswith("snnjax")):
            ratio = reports[side]["peak_mb"] / peers[best]
            print(
                f"{_name(side)} / {_name(best)} = {ratio:.2f}{_verdict(ratio, 1, tie=False)}"
            )
