"""Fuzz the readers of files from strangers.

Every target runs in a process of its own, so that a crash, a hang or all memory taken is a finding like any other.

Examples:
    python -m tests.fuzz --minutes 10 --target all
    python -m tests.fuzz --minutes 1 --target photo --seed 7
    python -m tests.fuzz --target photo --input work_dirs/fuzz/photo_0_ValueError.bin
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.targets import TARGETS, run

HANG = 20.0  # seconds of computing for one input
WAITING = 6  # times as long may pass by the clock: others may use the machine
MEMORY = 5 << 30  # bytes in all that a process may take


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='python -m tests.fuzz', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--minutes', type=float, default=1, help='in all; each target gets an equal part')
    parser.add_argument('--target', nargs='+', default=['all'], help=f'"all" or some of: {", ".join(TARGETS)}')
    parser.add_argument('--seed', type=int, default=0, help='another one gives other inputs')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/fuzz'), help='folder for inputs that broke a rule')
    parser.add_argument('--input', type=Path, help='run one target on one file, in this process')
    parser.add_argument('--child', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--seconds', type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = list(TARGETS) if args.target == ['all'] else args.target
    unknown = sorted(set(names) - set(TARGETS))
    if unknown:
        parser.error(f'no such target: {", ".join(unknown)}; there are: {", ".join(TARGETS)}')
    args.out.mkdir(parents=True, exist_ok=True)
    if args.input:
        print('read' if run(TARGETS[names[0]], args.input.read_bytes(), args.out) else 'refused, as it should be')
        return 0
    if args.child:
        child(names[0], args.seed, args.seconds, args.out)
        return 0
    total, found = 0, 0
    for name in names:
        count, read, findings = watch(name, args.seed, args.minutes * 60 / len(names), args.out)
        total, found = total + count, found + len(findings)
        print(f'{name}: {count} executions, {read} of them read, {len(findings)} findings', flush=True)
        for line in findings:
            print(f'  {line}', flush=True)
    print(f'{total} executions, {found} findings')
    return 1 if found else 0


def watch(name: str, seed: int, seconds: float, out: Path) -> tuple[int, int, list[str]]:
    """Run a target in child processes until its time is up; numbers of executions, of those read, and findings."""
    work = out / f'{name.replace(" ", "_")}.work'
    work.mkdir(exist_ok=True)
    count = read = 0
    findings: dict[str, None] = {}
    start = time.monotonic()
    left = seconds
    while left > 0 and len(findings) < 20:
        seed += 1000
        for old in work.glob('report*'):
            old.unlink()
        command = [sys.executable, '-W', 'ignore', '-m', 'tests.fuzz', '--child', '--target', name, '--seed', str(seed)]
        command += ['--seconds', str(left), '--out', str(work)]
        with (work / 'log.txt').open('w') as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            reason = _wait(process, work / 'input.bin')
        is_done = not reason and not process.returncode
        left = 0 if is_done else seconds - (time.monotonic() - start)
        report = work / 'report.json'
        told = json.loads(report.read_text()) if report.is_file() else {'count': 0, 'read': 0, 'findings': []}
        count, read = count + told['count'], read + told['read']
        for text in told['findings']:
            findings.setdefault(text)
        if reason or process.returncode:
            reason = reason or f'the process ended with {process.returncode}'
            kept = out / f'{name.replace(" ", "_")}_{seed}.bin'
            if (work / 'input.bin').is_file():
                kept.write_bytes((work / 'input.bin').read_bytes())
            findings.setdefault(f'{reason}: {kept}')
            if not (work / 'input.bin').is_file():
                findings.setdefault((work / 'log.txt').read_text()[-2000:])
                break
    return count, read, list(findings)


def _wait(process: subprocess.Popen, current: Path) -> str | None:
    """Wait for a child; kill one that hangs or takes too much memory, and say so."""
    import psutil

    current.unlink(missing_ok=True)
    begun, computed = 0.0, 0.0  # when the input came, and what the process had computed by then
    while process.poll() is None:
        time.sleep(0.2)
        try:
            child = psutil.Process(process.pid)
            memory, times = child.memory_info().rss, child.cpu_times()
        except psutil.Error:
            continue
        if not current.is_file():
            continue
        spent = times.user + times.system
        if current.stat().st_mtime != begun:
            begun, computed = current.stat().st_mtime, spent
        age = time.time() - begun
        if memory > MEMORY or spent - computed > HANG or age > HANG * WAITING:
            process.kill()
            process.wait()
            return f'{memory >> 20} MiB taken' if memory > MEMORY else f'no end after {age:.0f} s'
    return None


def child(name: str, seed: int, seconds: float, work: Path) -> None:
    """Draw inputs until the time is up; each lies in ``input.bin`` while it is read."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, given, settings

    from tests.fuzz.mutate import damaged

    target = TARGETS[name]
    told: dict = {'count': 0, 'read': 0, 'findings': []}
    seen: set[str] = set()
    whole = target.seeds()
    for data in whole:
        run(target, data, work)
    end = time.monotonic() + seconds  # imports take seconds, and are not counted

    def once(data: bytes) -> None:
        if time.monotonic() > end:
            return
        (work / 'input.bin').write_bytes(data)
        told['count'] += 1
        told['read'] += run(target, data, work)

    while time.monotonic() < end and len(told['findings']) < 10:
        seed += 1
        test = settings(
            max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
        )(hypothesis.seed(seed)(given(damaged(whole, target.is_text))(once)))  # fmt: skip
        try:
            test()
        except Exception as error:
            if time.monotonic() > end:  # in the midst of making a finding small
                break
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f'{type(error).__name__} at {Path(last.filename).name}:{last.lineno}'
            if where in seen:
                continue
            seen.add(where)
            kept = work.parent / f'{name.replace(" ", "_")}_{seed}_{type(error).__name__}.bin'
            kept.write_bytes((work / 'input.bin').read_bytes())
            told['findings'].append(f'{where}: {str(error)[:300]} ({kept})')
        (work / 'report.json').write_text(json.dumps(told))
    (work / 'report.json').write_text(json.dumps(told))


if __name__ == '__main__':
    sys.exit(main())
