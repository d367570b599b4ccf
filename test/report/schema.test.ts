/** Every document the command prints keeps to docs/schema: over all scenarios of pcaps/, both witnesses. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { loadRules } from '../../src/cli/rules.ts';
import { ANNOTATION_WORDS, AnnotationError, readAnnotations } from '../../src/model/annotations.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { forEachFrame, prepare, replayOne } from '../../src/replay/replay.ts';
import { ChangeCollector, type Comparison, changedPackets } from '../../src/report/comparison.ts';
import { FateList } from '../../src/report/fates.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { verdictLine } from '../../src/report/verdict-line.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true });
for (const name of ['report', 'verdict', 'change', 'comparison', 'trace', 'annotation'])
  ajv.addSchema(read(`docs/schema/${name}-1.json`) as object);

function expectValid(name: string, document: unknown): void {
  const validate = ajv.getSchema(`wasmtables/${name}/1`)!;
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
}

interface Scenario {
  capture: string;
  rules4: string;
  rules6?: string;
  compare4?: string[];
}

const scenarios = readdirSync(join(ROOT, 'pcaps')).filter((name) => existsSync(join(ROOT, 'pcaps', name, 'scenario.json')));

/** What a document looks like to a reader: through JSON. */
const printed = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test.each(scenarios)('%s: report, comparison and verdict lines', async (name) => {
  const folder = join(ROOT, 'pcaps', name);
  const scenario = read(`pcaps/${name}/scenario.json`) as Scenario;
  const second = scenario.rules6 === undefined ? {} : { rules6: join(folder, scenario.rules6) };
  const files = [scenario.rules4, ...(scenario.compare4 ?? [scenario.rules4])].map((file) => join(folder, file));
  const sets = loadRules({ rules: files, ...second, unsupported: 'refuse' });
  const prepared = await prepare([join(folder, scenario.capture)], sets, undefined);
  const { host } = prepared;
  for (const engine of ['wasm', 'reference'] as const) {
    const reports: Report[] = [];
    const lists: FateList[] = [];
    for (const rules of sets) {
      const list = new FateList();
      const { result, seconds } = await replayOne(
        prepared,
        { rules, host, profile: DEFAULT_PROFILE, packets: { path: true } },
        {
          engine,
          tree: true,
          onPacket: (outcome) => {
            if (list.length < 400) expectValid('verdict', JSON.parse(verdictLine(outcome)));
            list.push(outcome);
          },
        },
      );
      expect(list.length).toBe(result.packets);
      lists.push(list);
      reports.push(buildReport({ rules, host, profile: DEFAULT_PROFILE, result, seconds }));
      expectValid('report', printed(reports.at(-1)));
    }
    const changed = changedPackets(lists);
    const lines: unknown[] = [];
    const collector = new ChangeCollector(lists, changed, (change) => lines.push(printed(change)));
    await forEachFrame(prepared.captures, (frame, index) => {
      collector.add(frame, index);
      return true;
    });
    for (const line of lines) expectValid('change', line);
    expect(lines.length).toBe(changed.length);
    const comparison: Comparison = { schema: 'wasmtables/comparison/1', reports, ...collector.result() };
    expect(comparison.changes.length + comparison.changesLeftOut).toBe(comparison.changed.flows);
    expectValid('comparison', printed(comparison));
  }
});

test('the schemas refuse what is not theirs', () => {
  const validate = (name: string, document: unknown) => ajv.getSchema(`wasmtables/${name}/1`)!(document);
  const line = { packet: 1, time: '2026-11-22T00:00:00.000000000Z', hook: 'INPUT', verdict: 'DROP', rule: 'filter:INPUT:rule:1' };
  expect(validate('verdict', line)).toBe(true);
  expect(validate('verdict', { ...line, verdict: 'MAYBE' })).toBe(false);
  expect(validate('verdict', { ...line, rule: 'filter INPUT 1' })).toBe(false);
  expect(validate('verdict', { ...line, more: 1 })).toBe(false);
  expect(validate('verdict', { packet: 1, time: line.time, hook: null, verdict: null })).toBe(false);
  expect(validate('report', { schema: 'wasmtables/report/1' })).toBe(false);
});

test('annotations: the schema takes what is read, and no more', () => {
  const lines: readonly [line: object, taken: boolean][] = [
    [{ packet: 1 }, true],
    [{ packet: 1, uid: 0, gid: 5, groups: [1, 2], class: 1, cgroup: 'a/b', transparent: true, wildcard: false }, true],
    [{ packet: 1, socket: true, cpu: 3, realm: 4, srcgroup: 1, dstgroup: 0xffffffff }, true],
    [{ packet: 1, physin: 'eth0', physout: 'eth1' }, true],
    [
      { packet: 1, ipsecin: [{ proto: 'esp', mode: 'tunnel', spi: 1, reqid: 2, src: '10.0.0.1', dst: '::1' }], ipsecout: [] },
      true,
    ],
    [{ packet: 1, ipvs: { vaddr: '10.0.0.1', vport: 80, vmethod: 'MASQ', vportctl: 21 } }, true],
    [{ packet: 0 }, false],
    [{ uid: 0 }, false],
    [{ packet: 1, uid: -1 }, false],
    [{ packet: 1, user: 'root' }, false],
    [{ packet: 1, physin: '' }, false],
    [{ packet: 1, ipsecin: [{ proto: 'tcp' }] }, false],
    [{ packet: 1, ipsecin: Array.from({ length: 7 }, () => ({})) }, false],
    [{ packet: 1, ipvs: { vport: 70000 } }, false],
    [{ packet: 1, ipvs: [] }, false],
  ];
  const words = new Set<string>();
  for (const [line, taken] of lines) {
    const validate = ajv.getSchema('wasmtables/annotation/1')!;
    expect.soft(validate(line), JSON.stringify(line)).toBe(taken);
    const read = (): unknown => readAnnotations(JSON.stringify(line), 'f');
    if (taken) expect.soft(read(), JSON.stringify(line)).toBeInstanceOf(Map);
    else expect.soft(read, JSON.stringify(line)).toThrow(AnnotationError);
    if (taken) for (const word of Object.keys(line)) words.add(word);
  }
  expect([...words].sort()).toEqual(['packet', ...ANNOTATION_WORDS].sort());
});
