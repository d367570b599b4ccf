/** Rule files named on the command line -> rule sets. */
import { readFileSync } from 'node:fs';
import type { Family, RuleSet } from '../model/ruleset.ts';
import { parseRules } from '../syntax/index.ts';
import { UsageError } from './exit.ts';
import { forcedFamily, type RuleOptions } from './options.ts';

export type DualRules = Partial<Record<Family, RuleSet>>;

/** The text of a file, or of standard input for `-`. */
export function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read the rules: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * One entry a -R; each holds the IPv4 and/or IPv6 rule set of that file (a script may hold both), and the --rules6 half added.
 * @throws RuleError with its place; UsageError for files that cannot be read.
 */
export function loadRules(options: RuleOptions): DualRules[] {
  const forced = forcedFamily(options);
  const parse = (path: string, family: Family | undefined): DualRules =>
    parseRules(readText(path), {
      file: path === '-' ? 'standard input' : path,
      ...(family === undefined ? {} : { family }),
      repair: options.repair === true,
      unsupported: options.unsupported,
    });
  const second = options.rules6 === undefined ? undefined : parse(options.rules6, 6)[6];
  return options.rules.map((path) => {
    const rules = parse(path, forced ?? (second === undefined ? undefined : 4));
    return second === undefined ? rules : { ...rules, 6: second };
  });
}
