/** Options of the readers. */
import { DEFAULT_PROFILE, type Profile } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';
import type { ChainLookup, Context, Registry } from './context.ts';
import type { Source } from './source.ts';

export interface ParseOptions {
  /** For messages. */
  file: string;
  /** Guessed from the text when absent. */
  family?: Family;
  /** Put right what people have but iptables refuses; every repair becomes a note. */
  repair?: boolean;
  /** What to do with extensions that are not there yet. Default: refuse. */
  unsupported?: 'refuse' | 'assume-miss' | 'assume-hit';
  /** Whose restore loads the rules: they differ in what they take. Default: legacy. */
  backend?: Profile['backend'];
  /** Which kernel takes them. Default: the latest. */
  kernel?: Profile['kernel'];
  /** Extensions to know; default: all of src/extensions. */
  registry?: Registry;
}

/** A context for reading `source`; chains are looked up by the reader's own functions. */
export function newContext(
  source: Source,
  family: Family,
  registry: Registry,
  options: ParseOptions,
  dump: boolean,
  lookup: ChainLookup,
): Context {
  const { unsupported = 'refuse', backend = 'legacy', kernel = DEFAULT_PROFILE.kernel } = options;
  return { source, family, registry, unsupported, backend, kernel, dump, table: 'filter', ...lookup };
}
