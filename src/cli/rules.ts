/** Rule files named on the command line -> rule sets. */

import { checkSets } from '../extensions/ipset-there.ts';
import { checkLoadedBefore } from '../extensions/loaded-before.ts';
import { RuleError } from '../model/errors.ts';
import type { Fingerprint } from '../model/fingerprints.ts';
import type { IpSet } from '../model/ipset.ts';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { packingOf, unpackHint } from '../replay/packing.ts';
import { parseFingerprints, parseIpsets, parseRulesAll } from '../syntax/index.ts';
import { UsageError } from './exit.ts';
import { readGiven } from './files.ts';
import { forcedFamily, type ProfileOptions, type RuleOptions } from './options.ts';

/** `backend`: whose restore loads the rules, legacy when absent; `kernel`: which kernel takes them, the latest when absent. */
export type LoadOptions = RuleOptions & Partial<Pick<ProfileOptions, 'backend' | 'kernel'>>;

const NO_RULES = 'there are no rules in it';

export type DualRules = Partial<Record<Family, RuleSet>>;

/** All that is wrong in a rule file. */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError';
  readonly errors: readonly RuleError[];

  constructor(errors: readonly RuleError[]) {
    super(errors[0]?.message ?? 'no rules');
    this.errors = errors;
  }
}

/** The text of a file, or of standard input for `-`, with its byte order mark, at which tools stop. Throws what the system says when it cannot be read. */
export function readText(path: string): string {
  const bytes = readGiven(path);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    throw new UsageError(`${path}: this is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)`);
  const packing = packingOf(bytes);
  if (packing !== undefined)
    throw new UsageError(
      `${path}: packed with ${packing.name}; rules are read unpacked\n  ${unpackHint(packing, path === '-' ? undefined : path)}`,
    );
  if (bytes.includes(0)) throw new UsageError(`${path}: this is no text; rules go with -R, captures with -r`);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/**
 * One entry a -R; each holds the IPv4 and/or IPv6 rule set of that file (a script may hold both), and the --rules6 half added.
 * @throws RuleFileError with every error's place; what the system says of files that cannot be read.
 */
export function loadRules(options: LoadOptions): DualRules[] {
  const forced = forcedFamily(options);
  const parse = (path: string, family: Family | undefined): DualRules => parseFile(path, family, options);
  const second = options.rules6 === undefined ? undefined : parse(options.rules6, 6)[6];
  return options.rules.map((path) => {
    const first = parse(path, forced ?? (second === undefined ? undefined : 4));
    const rules = second === undefined ? first : { ...first, 6: second };
    explained(() => checkLoadedBefore(halvesOf(rules), options.backend ?? 'legacy'));
    return rules;
  });
}

/** In the order they are loaded. */
const halvesOf = (rules: DualRules): RuleSet[] => [rules[4], rules[6]].filter((half) => half !== undefined);

/** The sets of --ipset, which hold all that the rules ask. @throws RuleFileError with the first error's place; what the system says of a file that cannot be read. */
export function loadSets({ ipset }: RuleOptions, rules: readonly DualRules[]): readonly IpSet[] {
  return explained(() => {
    const sets = ipset === undefined ? [] : parseIpsets(readText(ipset), ipset === '-' ? 'standard input' : ipset);
    for (const half of rules.flatMap(halvesOf)) checkSets(half, sets);
    return sets;
  });
}

/** The fingerprints of --osf. Throws as loadSets does. */
export function fingerprintsOf({ osf }: RuleOptions): { fingerprints?: readonly Fingerprint[] } {
  if (osf === undefined) return {};
  return { fingerprints: explained(() => parseFingerprints(readText(osf), osf === '-' ? 'standard input' : osf)) };
}

/** Throws RuleFileError where `work` throws RuleError. */
function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RuleError) throw new RuleFileError([error]);
    throw error;
  }
}

function parseFile(path: string, family: Family | undefined, options: LoadOptions): DualRules {
  const text = readText(path);
  const { result, errors } = parseRulesAll(text, {
    file: path === '-' ? 'standard input' : path,
    ...(family === undefined ? {} : { family }),
    repair: options.repair === true,
    unsupported: options.unsupported,
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(options.kernel === undefined ? {} : { kernel: options.kernel }),
  });
  if (result === undefined) throw new RuleFileError(errors);
  const rules: DualRules = {};
  if (result[4] !== undefined) rules[4] = result[4];
  if (result[6] !== undefined) rules[6] = result[6];
  for (const half of halvesOf(rules)) {
    const chains = half.tables.flatMap((table) => table.chains);
    if (chains.some(({ rules: lines }) => lines.length > 0)) continue;
    const rest = chains.some(({ policy }) => policy === 'DROP') ? 'policies decide' : 'every packet is accepted';
    half.notes.push({ position: { file: half.file, line: 1, column: 1 }, message: `${NO_RULES}: ${rest}` });
  }
  if (rules[4] === undefined && rules[6] === undefined) throw new UsageError(nothingIn(path, text, options.repair === true));
  return rules;
}

/** What a file without rules begins with, and what may be done. */
function nothingIn(path: string, text: string, repair: boolean): string {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  if (first < 0) return `${path}: no rules in it`;
  const hint = repair ? '' : '; rules that stand in a mail or on a web page are taken out of it with --repair';
  return `${path}:${first + 1}: no rules in it: "${lines[first]!.trim().slice(0, 60)}" is none, and nothing behind it${hint}`;
}
