/**
 * Bugs that were found, each a folder named by its story: `case.json` (why, host flags, backends), `rules.v4` or `rules.v6`, `capture.pcap`, and `expected.json`, the running kernel's
 * own counters by backend; with `paths` also the way of every packet in the kernel's own TRACE. src/fuzz/folder.ts says what is in them, and `wasmtables fuzz` writes such folders (with a
 * README and a script that shows the case) as it finds them. Run on every engine, and on the kernel where there is one. WASMTABLES_RECORD=1 asks the kernel anew.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { ask } from '../../src/fuzz/differential.ts';
import { type Backend, type CaseFolder, type Expected, kept, readFolder, writeExpected } from '../../src/fuzz/folder.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import { available, comparedWitness, compareOutcomes, jobFromHost, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame, Job } from '../../src/model/witness.ts';
import { gathersFragments } from '../../src/reference/tables.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from '../kernel/machine.ts';

const here = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(here).filter((name) => existsSync(join(here, name, 'case.json')));
const folderOf = (name: string): CaseFolder => readFolder(join(here, name));

function expectedOf({ expected }: CaseFolder, backend: Backend): Expected {
  const said = expected[backend];
  if (said === undefined) throw new Error(`expected.json says nothing of ${backend}: WASMTABLES_RECORD=1 asks the kernel`);
  return said;
}

function jobOf({ about, family, rules }: CaseFolder, name: string, backend: Backend): Job {
  const profile = { ...DEFAULT_PROFILE, backend, sysctls: about.sysctls ?? {} };
  const ruleset = parseSave(rules, { file: name, family, backend });
  return { rules: { [family]: ruleset }, host: buildHost(about.host), profile, packets: { path: true } };
}

function kernelJobOf({ about, family, rules, capture }: CaseFolder, { host, rules: parsed }: Job, backend: Backend): KernelJob {
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
  reader.push(capture);
  const full = (name: string): string => (name.startsWith('net.') ? name : `net.netfilter.${name}`);
  const sysctls = Object.fromEntries(Object.entries(about.sysctls ?? {}).map(([name, value]) => [full(name), String(value)]));
  const whole = gathersFragments(parsed[family]!) ? [] : [family];
  const hosted = jobFromHost(host, frames, [family], { whole });
  const spacing = about.spacing === undefined ? {} : { spacing: about.spacing };
  return { ...hosted, ...spacing, backend, family, rules, sysctls, trace: about.paths === true };
}

/** Where the ways of packets differ from those the kernel traced. */
function otherWays(paths: readonly string[][], backend: Backend, outcomes: PacketOutcome[]): string[] {
  const traced = { name: backend, counters: {}, packets: paths.map((path) => ({ path })) };
  const words = backend === 'nft' ? ('numbers' as const) : ('exact' as const);
  return compareOutcomes({ ...traced, words }, comparedWitness('witness', {}, outcomes));
}

describe('bugs that were found', () => {
  it('are there', () => expect(names.length).toBeGreaterThan(3));
  for (const name of names) {
    const folder = folderOf(name);
    for (const backend of folder.about.backends) {
      for (const witness of Object.values(PROGRAMS)) {
        it(`${name}, ${backend}, ${witness.name}`, async () => {
          const { result, packets, silent } = await ask(witness, jobOf(folder, name, backend), folder.capture);
          const { counters, paths } = expectedOf(folder, backend);
          expect(kept(result.counters[folder.family])).toEqual(counters);
          if (paths !== undefined && !silent) expect(otherWays(paths, backend, packets)).toEqual([]);
        });
      }
    }
  }
});

describeKernel('bugs that were found, as the kernel sees them', () => {
  for (const name of names) {
    for (const backend of folderOf(name).about.backends) {
      it(`${name}, ${backend}`, async () => {
        const folder = folderOf(name);
        const outcome = await runKernel(kernelJobOf(folder, jobOf(folder, name, backend), backend));
        expect(outcome.refused).toBeUndefined();
        const paths = folder.about.paths === true ? { paths: outcome.packets.map(({ path }) => path ?? []) } : {};
        const said = { by: `kernel ${outcome.kernel.release}`, counters: kept(outcome.counters), ...paths };
        if (process.env.WASMTABLES_RECORD === '1') {
          folder.expected[backend] = said;
          writeExpected(join(here, name), folder.expected);
        }
        const { by: _by, ...wanted } = expectedOf(folder, backend);
        expect({ counters: said.counters, ...paths }).toEqual(wanted);
      });
    }
  }
  it('the kernel is there', () => expect(available().ok).toBe(true));
});
