/** Malformed rule files and captures by the hundred: the right exit code, no crash, no hang, and both witnesses read the same. The seed is printed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { UsageError } from '../../src/cli/exit.ts';
import { loadRules, RuleFileError } from '../../src/cli/rules.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { ReplayResult } from '../../src/model/witness.ts';
import { prepare, replayOne } from '../../src/replay/replay.ts';
import { command, ROOT, shell } from './command.ts';
import { Random, SEED, spoil } from './random.ts';

console.log(`WASMTABLES_SEED=${SEED} repeats test/cli/malformed.test.ts`);

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-malformed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CAPTURES = 300;
const RULES = 400;
const CHILDREN = 24;

function filesOf(pattern: RegExp): string[] {
  const root = join(ROOT, 'pcaps');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(root, name))
    .sort();
}

const captures = filesOf(/\.(pcap|pcapng|gz)$/).map((path) => {
  const bytes = readFileSync(path);
  return new Uint8Array(path.endsWith('.gz') ? gunzipSync(bytes) : bytes).slice(0, 60_000);
});
const ruleFiles = filesOf(/rules\.v[46]$|\.txt$|learner\.sh$/);
const rules = loadRules({
  rules: [join(ROOT, 'pcaps/web/rules.v4')],
  rules6: join(ROOT, 'pcaps/web/rules.v6'),
  unsupported: 'refuse',
})[0]!;
const host = buildHost({ local: ['10.0.0.2', '2001:db8:0:1::2'], in: 'eth0' });

/** What both witnesses must count alike of any file; whether they judge alike is for test/fuzz and test/kernel. */
const of = ({ captures: files, packets }: ReplayResult) => ({ files, packets });

test('captures: the same packets and damage from both witnesses, and the guess never fails', async () => {
  const random = new Random(SEED);
  let damaged = 0;
  for (let round = 0; round < CAPTURES; round++) {
    const bytes = spoil(random.pick(captures), random);
    const path = join(folder, `${SEED}-${round}.pcap`);
    writeFileSync(path, bytes);
    const job = { rules, host, profile: DEFAULT_PROFILE };
    const engine = await replayOne({ captures: [path], host }, job, { engine: 'wasm', tree: true });
    const reference = await replayOne({ captures: [path], host }, job, { engine: 'reference', tree: true });
    expect(of(engine.result), `kept in ${path}`).toEqual(of(reference.result));
    const plain = new CaptureReader(() => {});
    plain.push(bytes);
    expect(engine.damaged).toBe(plain.end() !== undefined);
    if (engine.damaged) damaged++;
    await prepare([path], [rules], undefined);
    rmSync(path);
  }
  expect(damaged).toBeGreaterThan(CAPTURES / 5);
}, 90_000);

test('packed captures: damage, never a crash', async () => {
  const random = new Random(SEED + 1);
  for (let round = 0; round < 60; round++) {
    const path = join(folder, `${round}.pcap.gz`);
    const packed = new Uint8Array(gzipSync(random.pick(captures)));
    writeFileSync(path, new Uint8Array([...packed.subarray(0, 2), ...spoil(packed.subarray(2), random)]));
    const job = { rules, host, profile: DEFAULT_PROFILE };
    const engine = await replayOne({ captures: [path], host }, job, { engine: 'wasm', tree: true });
    const reference = await replayOne({ captures: [path], host }, job, { engine: 'reference', tree: true });
    expect(of(engine.result)).toEqual(of(reference.result));
  }
}, 60_000);

test('rule files: read, or refused with places', () => {
  const random = new Random(SEED + 2);
  let refused = 0;
  for (let round = 0; round < RULES; round++) {
    const source = random.pick(ruleFiles);
    const path = join(folder, `${round}.rules`);
    writeFileSync(path, spoil(new Uint8Array(readFileSync(source)), random));
    try {
      loadRules({
        rules: [path],
        unsupported: random.pick(['refuse', 'assume-miss', 'assume-hit'] as const),
        repair: random.below(2) === 0,
      });
    } catch (error) {
      if (!(error instanceof RuleFileError || error instanceof UsageError))
        throw new Error(`round ${round} of ${source}, seed ${SEED}`, { cause: error });
      refused++;
      if (error instanceof RuleFileError) for (const one of error.errors) expect(one.format()).toMatch(/:\d+:\d+: /);
    }
  }
  expect(refused).toBeGreaterThan(RULES / 10);
}, 60_000);

test('whole processes: exit 0, 2 or 3, never anything else', async () => {
  const random = new Random(SEED + 3);
  for (let round = 0; round < CHILDREN; round++) {
    const capture = join(folder, 'child.pcap');
    const ruleFile = join(folder, 'child.rules');
    const spoiltRules = random.below(2) === 0;
    const text = new Uint8Array(readFileSync(random.pick(ruleFiles)));
    writeFileSync(capture, spoil(random.pick(captures), random));
    writeFileSync(ruleFile, spoiltRules ? spoil(text, random) : text);
    const { code, signal, stderr } = await command(['replay', '-R', ruleFile, '-r', capture, '--repair', '--format', 'json']);
    expect([0, 2, 3], `seed ${SEED} round ${round}: ${signal} ${stderr}`).toContain(code);
  }
}, 60_000);

test('files that are not what they are given for', async () => {
  const put = (name: string, bytes: string | Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const [good, capture] = ['pcaps/web/rules.v4', 'pcaps/web/capture.pcap'];
  const empty = put('empty', '');
  const noise = put(
    'noise',
    Uint8Array.from({ length: 5000 }, (_, index) => (index * 167) & 255),
  );
  const wide = put('wide.v4', Buffer.from('\ufeff*filter\n-A INPUT -j DROP\nCOMMIT\n', 'utf16le'));
  const broken = put('broken.json', '[{"ifname":');
  const wrong = put('wrong.json', '[null]');
  const long = put('long.rules', `*filter\n-A INPUT -m comment --comment ${'x'.repeat(3_000_000)}\nCOMMIT\n`);
  const cases: [args: string[], code: number, said: RegExp][] = [
    [['-R', empty, '-r', capture], 0, /^$/],
    [['-R', good, '-r', empty], 3, /^$/],
    [['-R', good, '-r', '/dev/null'], 3, /^$/],
    [['-R', good, '-r', noise], 3, /noise: not a pcap or pcapng file; captures go with -r/],
    [['-R', wide, '-r', capture], 2, /UTF-16; save it as UTF-8/],
    [['-R', noise, '-r', capture], 2, /no text; rules go with -R/],
    [['-R', folder, '-r', capture], 4, /: this is a folder, not a file/],
    [['-R', join(folder, 'none.v4'), '-r', capture], 4, /none\.v4: no such file/],
    [['-R', long, '-r', capture], 2, /:2:1: line of more than 10239 bytes/],
    [['-R', good, '--rules6', noise, '-r', capture], 2, /no text/],
    [['-R', good, '--rules6', good, '-r', capture], 2, /"icmp" is for IPv4/],
    [['-R', good, '-r', capture, '--addr', broken], 2, /--addr: .* is not JSON/],
    [['-R', good, '-r', capture, '--addr', wrong], 2, /--addr: entry 1 wants an object, got null/],
    [['-R', good, '-r', capture, '--addr', put('link.json', '[{"ifname":"eth0","mtu":1500}]')], 2, /no "addr_info"/],
    [['-R', good, '-r', capture, '--addr', put('nameless.json', '[{"addr_info":[]}]')], 2, /without "ifname"/],
    [
      ['-R', good, '-r', capture, '--addr', put('text.json', '[{"ifname":"eth0","addr_info":"x"}]')],
      2,
      /eth0: "addr_info" wants a list/,
    ],
    [['-R', good, '-r', capture, '--route', wrong], 2, /--route: entry 1 wants an object, got null/],
    [['-R', good, '-r', capture, '--route', folder], 4, /: this is a folder, not a file/],
    [['-R', good, '-r', join(folder, 'none.pcap')], 4, /no such file/],
    [['-R', good, '-r', capture, '--verdicts', folder], 4, /: this is a folder, not a file/],
    [['-R', good, '-r', capture, '--forward', '--local', '192.0.2.1'], 2, /--forward .* --local/],
  ];
  for (const [args, code, said] of cases) {
    const ran = await command(['replay', '--format', 'json', ...args]);
    expect([args, ran.code, ran.signal]).toEqual([args, code, null]);
    expect(ran.stderr).toMatch(said);
  }
  // Pipes with names: read once from beginning to end, also to guess the host.
  const named = await shell(
    `mkfifo ${folder}/pipe; cat ${capture} > ${folder}/pipe & wasmtables replay -R ${good} -r ${folder}/pipe --format json`,
  );
  const substituted = await shell(`wasmtables replay -R ${good} -r <(gzip -c ${capture}) --format json`);
  const plain = await command(['replay', '-R', good, '-r', capture, '--format', 'json']);
  const packets = ({ stdout }: { stdout: string }): unknown => (JSON.parse(stdout) as { packets: number }).packets;
  expect([named.code, substituted.code, packets(named), packets(substituted)]).toEqual([0, 0, packets(plain), packets(plain)]);
  const twice = await shell(`wasmtables replay -R ${good} -R ${good} -r <(cat ${capture})`);
  expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining('can be read once: compare rule sets on files')]);
}, 90_000);
