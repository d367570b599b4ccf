/**
 * Bugs that were found, each a folder named by its story: `case.json` (why, host flags, backends, which packets the host sends), `rules.v4` or `rules.v6`, `capture.pcap`, and
 * `expected.BACKEND.json`, the running kernel's own counters; with `paths` also `paths.BACKEND.json`, the way of every packet in the kernel's own TRACE. Run on every engine, and on the kernel where there is one. WASMTABLES_RECORD=1 asks the kernel anew.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { available, comparedWitness, compareOutcomes, jobFromHost, runKernel } from '../../src/kernel/index.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { PacketOutcome, TableCounters } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame, Job, OnPacket } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from '../kernel/machine.ts';

interface Case {
  story: string;
  host: HostGiven;
  backends: ('legacy' | 'nft')[];
  sysctls?: Record<string, number>;
  spacing?: 'real';
  /** The story shows in TRACE. */
  paths?: true;
}

const here = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(here).filter((name) => existsSync(join(here, name, 'case.json')));
const read = (name: string, file: string): string => readFileSync(join(here, name, file), 'utf8');

function load(name: string, backend: 'legacy' | 'nft') {
  const about = JSON.parse(read(name, 'case.json')) as Case;
  const family: Family = existsSync(join(here, name, 'rules.v4')) ? 4 : 6;
  const rules = read(name, `rules.v${family}`);
  const capture = readFileSync(join(here, name, 'capture.pcap'));
  const profile = { ...DEFAULT_PROFILE, backend, sysctls: about.sysctls ?? {} };
  const job: Job = { rules: { [family]: parseSave(rules, { file: name, family }) }, host: buildHost(about.host), profile };
  return { about, family, rules, capture, job };
}

const WITNESSES: Record<string, (job: Job, onPacket: OnPacket) => Session | Promise<Session>> = {
  reference: (job, onPacket) => referenceSession(job, { onPacket }),
  tree: (job, onPacket) => engineSession(job, { onPacket }),
  linear: (job, onPacket) => engineSession(job, { onPacket, tree: false }),
  debug: (job, onPacket) => engineSession(job, { onPacket, build: 'debug' }),
};

/** Counters alone, chains without rules and with nothing counted left out (iptables-nft makes no chain it was not told of). */
function told(counters: TableCounters | undefined): TableCounters {
  const tables = Object.entries(counters ?? {}).map(([table, chains]) => {
    const kept = Object.entries(chains).filter(([, chain]) => chain.rules.length > 0 || chain.packets > 0);
    return [table, Object.fromEntries(kept)] as const;
  });
  return Object.fromEntries(tables.filter(([, chains]) => Object.keys(chains).length > 0));
}

const expectedOf = (name: string, backend: string): TableCounters =>
  JSON.parse(read(name, `expected.${backend}.json`)) as TableCounters;

/** Where the ways of packets differ from those the kernel traced. */
function otherWays(name: string, backend: 'legacy' | 'nft', outcomes: PacketOutcome[]): string[] {
  const paths = JSON.parse(read(name, `paths.${backend}.json`)) as string[][];
  const traced = { name: backend, counters: {}, packets: paths.map((path) => ({ path })) };
  const words = backend === 'nft' ? ('numbers' as const) : ('exact' as const);
  return compareOutcomes({ ...traced, words }, comparedWitness('witness', {}, outcomes));
}

describe('bugs that were found', () => {
  it('are there', () => expect(names.length).toBeGreaterThan(3));
  for (const name of names) {
    for (const backend of load(name, 'legacy').about.backends) {
      for (const [witness, start] of Object.entries(WITNESSES)) {
        it(`${name}, ${backend}, ${witness}`, async () => {
          const { about, family, capture, job } = load(name, backend);
          const outcomes: PacketOutcome[] = [];
          const session = await start({ ...job, packets: { path: true } }, (outcome) => outcomes.push(outcome));
          session.startCapture(name);
          session.feed(new Uint8Array(capture));
          session.endCapture();
          expect(told(session.result().counters[family])).toEqual(expectedOf(name, backend));
          if (about.paths === true) expect(otherWays(name, backend, outcomes)).toEqual([]);
        });
      }
    }
  }
});

describeKernel('bugs that were found, as the kernel sees them', () => {
  for (const name of names) {
    for (const backend of load(name, 'legacy').about.backends) {
      it(`${name}, ${backend}`, async () => {
        const { about, family, rules, capture, job } = load(name, backend);
        const frames: Frame[] = [];
        const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
        reader.push(new Uint8Array(capture));
        const sysctls = Object.fromEntries(
          Object.entries(about.sysctls ?? {}).map(([key, value]) => [
            key.startsWith('net.') ? key : `net.netfilter.${key}`,
            String(value),
          ]),
        );
        const { numbers: _numbers, skipped: _skipped, ...hosted } = jobFromHost(job.host, frames, [family]);
        const outcome = await runKernel({
          ...hosted,
          backend,
          family,
          rules,
          sysctls,
          trace: about.paths === true,
          ...(about.spacing === undefined ? {} : { spacing: about.spacing }),
        });
        expect(outcome.refused).toBeUndefined();
        const counters = told(outcome.counters);
        const paths = outcome.packets.map(({ path }) => path);
        const record = (file: string, told: unknown): void =>
          writeFileSync(join(here, name, file), `${JSON.stringify(told, null, 2)}\n`);
        if (process.env.WASMTABLES_RECORD === '1') {
          record(`expected.${backend}.json`, counters);
          if (about.paths === true) record(`paths.${backend}.json`, paths);
        }
        expect(counters).toEqual(expectedOf(name, backend));
        if (about.paths === true) expect(paths).toEqual(JSON.parse(read(name, `paths.${backend}.json`)));
      });
    }
  }
  it('the kernel is there', () => expect(available().ok).toBe(true));
});
