/** One rule of a case file, read with our extensions: just enough of iptables' command line to run them without the syntax room. */
import type { GivenOption, OptionSpec, ParseContext } from '../../src/extensions/extension.ts';
import { extensions, findMatch, findTarget } from '../../src/extensions/index.ts';
import { RuleError } from '../../src/model/errors.ts';
import { parseProtocol, protocolName } from '../../src/model/names.ts';
import type { Builtin, Family, TableName } from '../../src/model/ruleset.ts';

const position = { file: 'case', line: 1, column: 1 };

export interface ReadRule {
  builtin: Builtin;
  matches: { name: string; options: unknown }[];
  target: { name: string; options: unknown } | null;
  saved: string;
}

/** Words with double quotes, as iptables-restore splits them. */
export function split(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? '') : quoted.replace(/\\(.)/g, '$1'),
  );
}

interface Use {
  kind: 'match' | 'target';
  name: string;
  specs: readonly OptionSpec[];
  given: GivenOption[];
}

function illegal(message: string): RuleError {
  return new RuleError(position, message, { kind: 'illegal' });
}

export function contextOf(family: Family, table: TableName, chain: string, builtin: Builtin): ParseContext {
  const error: ParseContext['error'] = (message, more = {}) =>
    new RuleError(more.at ?? position, message, {
      ...(more.hint === undefined ? {} : { hint: more.hint }),
      ...(more.kind === undefined ? {} : { kind: more.kind }),
    });
  return { family, table, chain, builtin, position, error };
}

/** Reads `-p tcp --dport 22 -m state ! --state NEW -j MARK --set-mark 1`; throws RuleError as an extension does, or for what legality forbids. */
export function readRule(words: readonly string[], family: Family, table: TableName, chain: string): ReadRule {
  const builtin: Builtin = {};
  const uses: Use[] = [];
  let verdict: string | null = null;
  let invert = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '!') {
      invert = true;
      continue;
    }
    if (word === '-p') {
      const number = parseProtocol(words[++i] ?? '');
      if (number === undefined) throw illegal('unknown protocol');
      builtin.protocol = { number, invert };
    } else if (word === '-m') uses.unshift(newUse('match', words[++i] ?? '', family));
    else if (word === '-j') {
      const name = words[++i] ?? '';
      if (['ACCEPT', 'DROP', 'RETURN'].includes(name)) verdict = name;
      else uses.unshift(newUse('target', name, family));
    } else i = readOption(words, i, invert, uses, builtin, family);
    invert = false;
  }
  return finish(uses.reverse(), builtin, verdict, contextOf(family, table, chain, builtin));
}

function newUse(kind: 'match' | 'target', name: string, family: Family): Use {
  const found = kind === 'match' ? findMatch(name, family) : findTarget(name, family);
  if (found === undefined) throw illegal(`no ${kind} ${name}`);
  return { kind, name: found.name, specs: found.options, given: [] };
}

/** The newest extension that has the option gets it; otherwise the protocol's own match is loaded. */
function readOption(
  words: readonly string[],
  at: number,
  invert: boolean,
  uses: Use[],
  builtin: Builtin,
  family: Family,
): number {
  const name = (words[at] ?? '').slice(2);
  let use = uses.find(({ specs }) => specs.some(({ names }) => names.includes(name)));
  if (use === undefined) {
    const number = builtin.protocol?.invert === false ? builtin.protocol.number : -1;
    const implicit = extensions.find(
      (each) => each.kind === 'match' && each.families.includes(family) && each.implicitFor?.includes(number),
    );
    if (implicit === undefined || !implicit.options.some(({ names }) => names.includes(name)))
      throw illegal(`unknown option ${words[at]}`);
    use = newUse('match', implicit.name, family);
    uses.unshift(use);
  }
  const spec = use.specs.find(({ names }) => names.includes(name));
  const wanted = spec?.argument === 'two' ? 2 : spec?.argument === 'none' ? 0 : 1;
  const optional = spec?.argument === 'optional';
  const values = optional && !/^[^-!]/.test(words[at + 1] ?? '') ? [] : words.slice(at + 1, at + 1 + wanted);
  if (!optional && values.length < Math.min(1, wanted)) throw illegal(`--${name} wants an argument`);
  use.given.push({ name: spec?.names[0] ?? name, values, invert, position });
  return at + values.length;
}

function finish(uses: readonly Use[], builtin: Builtin, verdict: string | null, context: ParseContext): ReadRule {
  const out: ReadRule = { builtin, matches: [], target: null, saved: '' };
  const { protocol } = builtin;
  const saved: string[] = [];
  if (protocol !== undefined && protocol.number !== 0) {
    saved.push(`${protocol.invert ? '! ' : ''}-p ${protocolName(protocol.number) ?? protocol.number}`);
  }
  for (const { kind, name, given } of uses) {
    const extension = kind === 'match' ? findMatch(name, context.family) : findTarget(name, context.family);
    if (extension === undefined) throw illegal(`no ${kind} ${name}`);
    const options = extension.parse(given, context);
    for (const legality of [extension.legality ?? {}, extension.legalityOf?.(options) ?? {}]) {
      if (legality.tables !== undefined && !legality.tables.includes(context.table)) throw illegal(`not in ${context.table}`);
      if (legality.hooks !== undefined && !legality.hooks.includes(context.chain)) throw illegal(`not in ${context.chain}`);
      const wrong = protocol === undefined || protocol.invert || !legality.protocols?.includes(protocol.number);
      if (legality.protocols !== undefined && wrong) throw illegal('not for this protocol');
    }
    saved.push(`${kind === 'match' ? '-m' : '-j'} ${name}${extension.print(options, { family: context.family, builtin })}`);
    if (kind === 'match') out.matches.push({ name, options });
    else out.target = { name, options };
  }
  // Matches may be written behind the target that demands them.
  const { target } = out;
  const matches = out.matches.map((each) => ({ ...each, position }));
  const wrong =
    target === null
      ? undefined
      : findTarget(target.name, context.family)?.demands?.(target.options, { matches }, context.backend ?? 'legacy');
  if (wrong !== undefined) throw illegal(wrong.message);
  if (verdict !== null) saved.push(`-j ${verdict}`);
  return { ...out, saved: saved.join(' ') };
}
