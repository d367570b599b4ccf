/** `--ipset`: rules that ask sets of ipset, with the sets and without. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-ipset-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const rules = file(
  'rules.v4',
  '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -m set --match-set web dst -j DROP\nCOMMIT\n',
);
const REPLAY = ['replay', '-R', rules, '-r', 'pcaps/seed/traffic.pcap', '--no-timing', '--format', 'iptables-save'];

test.each(['wasm', 'reference'])('rules count what is in their sets (%s)', async (engine) => {
  const sets = file('sets', 'create web bitmap:port range 0-1023\nadd web 80\n');
  const { code, stdout } = await command([...REPLAY, '--engine', engine, '--ipset', sets]);
  expect(code).toBe(0);
  const [packets] = /\[(\d+):\d+\] -A INPUT -m set --match-set web dst -j DROP/.exec(stdout)?.slice(1) ?? [];
  expect(Number(packets)).toBeGreaterThan(0);
});

test.each([
  [undefined, /rules\.v4:5:\d+: set: there is no set "web".*--ipset FILE/s],
  ['create web hash:ip family inet6\n', /set: "web" is a set of IPv6, the rule is of IPv4/],
  ['create web hash:ip\nadd web 10.0.0.300\n', /bad:2:9: ipset: "web" wants an IPv4 address, got "10.0.0.300"/],
  ['create web hash:net,net netmask 24\n', /bad:1:25: ipset: a netmask of hash:net,net is not supported/],
])('refused: %j', async (text, message) => {
  const sets = text === undefined ? [] : ['--ipset', file('bad', text)];
  expect(await command([...REPLAY, ...sets])).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
});
