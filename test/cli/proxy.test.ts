/** A transparent proxy on the command line: --proxy, --local-mark, and what is told of them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { command, ROOT } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-proxy-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RULES = join(folder, 'rules.v4');
writeFileSync(RULES, '*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -p udp -j TPROXY --on-port 5353 --tproxy-mark 7\nCOMMIT\n');
const CAPTURE = join(folder, 'capture.pcap');
const ends = { family: 4, source: '192.0.2.9', destination: '198.51.100.7', protocol: 17 } as const;
const time = 1_700_000_000_000_000_000n;
writeFileSync(CAPTURE, writePcap([{ time, bytes: usualPacket(ends, udpDatagram(4000, 53, 4)) }], 101));

const replay = (...args: string[]) =>
  command(['replay', '-R', RULES, '-r', CAPTURE, '--local', '192.0.2.1/24', '--no-timing', ...args]);
const fate = async (...args: string[]): Promise<unknown> => JSON.parse((await replay('--verdicts', '-', ...args)).stdout);

test('the packet goes to the proxy, to nobody, or on', async () => {
  expect(await fate()).toMatchObject({ hook: 'FORWARD', verdict: 'DROP', rule: 'mangle:PREROUTING:rule:1' });
  expect(await fate('--proxy', 'tcp:5353')).toMatchObject({ verdict: 'DROP' });
  expect(await fate('--proxy', 'udp:5353', '--local-mark', '7')).toMatchObject({ hook: 'INPUT', verdict: 'ACCEPT' });
  expect(await fate('--proxy', 'udp:5353', '--proxy', 'tcp:5353')).toMatchObject({
    verdict: 'STACK',
    reason: 'given to a proxy, but not routed to this host',
  });
});

test('the report says who listens', async () => {
  const report = JSON.parse(
    (await replay('--proxy', 'udp:192.0.2.1:5353', '--proxy', 'tcp:[::1]:1', '--local-mark', '0x7/0xf', '--format', 'json'))
      .stdout,
  );
  expect(report).toMatchObject({
    host: { proxies: ['udp:192.0.2.1:5353', 'tcp:[::1]:1'], localMark: '7/15' },
    hooks: { INPUT: 1 },
  });
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true });
  const validate = ajv.compile(JSON.parse(readFileSync(join(ROOT, 'docs/schema/report-1.json'), 'utf8')));
  validate(report);
  expect(validate.errors ?? []).toEqual([]);
});

test('slips are usage errors', async () => {
  expect(await replay('--proxy', '5353')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--proxy wants tcp:PORT.*got "5353"/),
  });
  expect(await replay('--local-mark', 'x')).toMatchObject({ code: 2, stderr: expect.stringMatching(/--local-mark wants VALUE/) });
});
