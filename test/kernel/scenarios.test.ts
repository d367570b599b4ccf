/**
 * The kernel agrees: every scenario of pcaps/, with its own rules, the rules it is compared with, and rules that name the state of every
 * packet at every hook; both backends. Counters of every rule and policy, way, verdict and TRACE path of every packet.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { type Case, differences, readFrames } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

/** pcaps/<name>/scenario.json. */
interface Scenario {
  capture: string;
  rules4?: string;
  rules6?: string;
  compare4?: string[];
  compare6?: string[];
  host: { forward?: boolean; in?: string; out?: string; local?: string[]; addr?: string; route?: string };
}

/**
 * What is not yet kernel-equal, by `scenario, rules, backend, witness`, with the reason. A case that has come to agree must leave this list:
 * its test fails then.
 */
const NOT_YET: [title: RegExp, reason: string][] = [];

function notYet(title: string): string | undefined {
  return NOT_YET.find(([pattern]) => pattern.test(title))?.[1];
}

const FOLDER = 'pcaps';

/** Five rules without target in every filter and mangle chain: which state the packet has there. */
function stateRules(): string {
  const states = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];
  const table = (name: string, chains: string[]) =>
    [
      `*${name}`,
      ...chains.map((chain) => `:${chain} ACCEPT [0:0]`),
      ...chains.flatMap((chain) => states.map((state) => `-A ${chain} -m conntrack --ctstate ${state}`)),
      'COMMIT\n',
    ].join('\n');
  return (
    table('mangle', ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']) + table('filter', ['INPUT', 'FORWARD', 'OUTPUT'])
  );
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function hostOf(folder: string, { host }: Scenario): HostGiven {
  const given: HostGiven = {};
  if (host.forward !== undefined) given.forward = host.forward;
  if (host.in !== undefined) given.in = host.in;
  if (host.out !== undefined) given.out = host.out;
  if (host.local !== undefined && host.addr === undefined) given.local = host.local;
  if (host.addr !== undefined) given.addresses = json(join(folder, host.addr));
  if (host.route !== undefined) given.routes = [json(join(folder, host.route))];
  return given;
}

/** The rule sets of a scenario by what they are called: its own, those it is compared with, the states. */
function ruleSets(folder: string, scenario: Scenario): [name: string, rules: Case['rules']][] {
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  const of = (rules4?: string, rules6?: string) => {
    const rules: Partial<Record<Family, string>> = {};
    if (rules4 !== undefined) rules[4] = read(rules4);
    if (rules6 !== undefined) rules[6] = read(rules6);
    return rules;
  };
  const sets: [string, Case['rules']][] = [['own rules', of(scenario.rules4, scenario.rules6)]];
  for (const file of scenario.compare4 ?? []) sets.push([file, of(file)]);
  for (const file of scenario.compare6 ?? []) sets.push([file, of(undefined, file)]);
  sets.push(['states', { 4: stateRules(), 6: stateRules() }]);
  return sets;
}

const names = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, 'scenario.json')));

test('there are scenarios', () => {
  expect(names.length).toBeGreaterThan(10);
});

describeKernel('the kernel agrees', () => {
  for (const name of names) {
    const folder = join(FOLDER, name);
    const scenario = json(join(folder, 'scenario.json')) as Scenario;
    for (const [set, rules] of ruleSets(folder, scenario)) {
      for (const backend of ['legacy', 'nft'] as const) {
        test(`${name}, ${set}, ${backend}`, { timeout: 120_000 }, async () => {
          const frames = readFrames(join(folder, scenario.capture));
          const given = { rules, host: buildHost(hostOf(folder, scenario)), frames };
          for (const [witness, lines] of await differences(backend, given, WITNESSES)) {
            const reason = notYet(`${name}, ${set}, ${backend}, ${witness}`);
            if (reason === undefined) expect.soft(lines.slice(0, 20), witness).toEqual([]);
            else expect.soft(lines, `${witness} agrees now, take it off the list: ${reason}`).not.toEqual([]);
          }
        });
      }
    }
  }
});
