/** Random rule sets: chain graphs with jump, goto and RETURN in every table, matches of every extension, as iptables-save text. */

import type { Draw, MatchExtension, Pools, TargetExtension } from '../extensions/extension.ts';
import { extensions, findMatch } from '../extensions/index.ts';
import { estimatorWords, GENERATED } from '../extensions/rateest-target.ts';
import type { CtState } from '../model/outcome.ts';
import { BUILTIN_CHAINS, type Family, type TableName } from '../model/ruleset.ts';
import { quoteWord } from '../syntax/index.ts';
import { ICMP, type Judge, PROTOCOL_WORDS, type RuleFeatures } from './features.ts';
import { rulePools } from './pools.ts';
import { protocolOf } from './talk.ts';

const TCP = 6;
/** What a packet has of its own. */
const OF_PACKETS: readonly string[] = ['length', 'ttl', 'hl', 'tos', 'dscp', 'mac'];
/** Protocols multiport takes. */
const PORTED = [6, 17, 33, 132, 136];
/** Where a backend takes them that the other does not ask. */
const ONLY: Readonly<Record<string, TableName>> = { TRACE: 'raw' };

/** A rule set as text; `hooks` are the built-in chains that packets come to. Everything in it is meant to be legal; the parser and the kernel are asked all the same. */
export function generateRules(
  draw: Draw,
  family: Family,
  features: RuleFeatures,
  hooks: readonly string[],
  judge: Judge,
): string {
  const writer = new RuleWriter(draw, { family, judge }, features, hooks);
  return features.tables.map((table) => writer.table(table)).join('');
}

class RuleWriter {
  readonly #draw: Draw;
  /** What every generator is told. */
  readonly #about: { family: Family; judge: Judge };
  readonly #family: Family;
  readonly #features: RuleFeatures;
  readonly #pools: Pools;
  readonly #hooks: readonly string[];

  constructor(draw: Draw, about: { family: Family; judge: Judge }, features: RuleFeatures, hooks: readonly string[]) {
    const { family } = about;
    this.#about = about;
    this.#hooks = hooks;
    this.#draw = draw;
    this.#family = family;
    this.#features = features;
    this.#pools = rulePools(family);
  }

  table(table: TableName): string {
    const draw = this.#draw;
    const builtin = BUILTIN_CHAINS[table];
    // DROP is no policy in nat.
    const policy = (): string =>
      table !== 'nat' && !this.#features.gentle && draw.chance(table === 'filter' ? 0.3 : 0.1) ? 'DROP' : 'ACCEPT';
    const user = Array.from({ length: draw.integer(0, this.#features.chains) }, (_, index) => `u${index}`);
    const lines = [
      `*${table}`,
      ...builtin.map((chain) => `:${chain} ${policy()} [0:0]`),
      ...user.map((chain) => `:${chain} - [0:0]`),
    ];
    if (table === this.#features.tables[0] && this.#usable('rateest')) lines.push(...estimators(builtin[0]!, this.#about.judge));
    for (const chain of builtin) {
      const wanted = this.#hooks.includes(chain) ? (table === 'filter' ? 0.95 : 0.7) : 0.15;
      const rules = draw.chance(wanted) ? draw.integer(0, this.#features.rules) : 0;
      if (table === 'raw' && this.#hooks.includes(chain))
        lines.push(...this.#features.helpers.map((name) => assigning(chain, name)));
      if (table === 'mangle' && this.#features.probed && FIRST_CHAINS.includes(chain)) lines.push(...probes(chain));
      if (table === 'filter' && this.#hooks.includes(chain))
        for (const name of this.#features.everywhere) lines.push(this.#only(chain, name));
      if (this.#hooks.includes(chain)) lines.push(...this.#ofFocus(table, chain));
      if (this.#features.talks && this.#hooks.includes(chain)) lines.push(...this.#ofPushes(chain));
      for (let index = 0; index < rules; index++) lines.push(`-A ${chain} ${this.#rule(table, chain, user)}`);
    }
    for (const [index, chain] of user.entries()) {
      const rules = draw.integer(0, this.#features.rules);
      // A user chain calls later ones only: no loops.
      for (let count = 0; count < rules; count++) lines.push(`-A ${chain} ${this.#rule(table, chain, user.slice(index + 1))}`);
    }
    return `${lines.join('\n')}\nCOMMIT\n`;
  }

  /** One match, and a target that ends nothing for good. */
  #only(chain: string, name: string): string {
    const words = findMatch(name, this.#family)!.generate(this.#draw, this.#pools, { ...this.#about, protocol: 0, chain });
    return ['-A', chain, '-m', name, ...words, ...this.#draw.pick([[], ['-j', 'ACCEPT'], ['-j', 'RETURN']])].join(' ');
  }

  /** A rule for each extension that is looked at: it asks nothing else but the protocol that is demanded, and targets that are not end nothing. Where they stand differs from case to case. */
  #ofFocus(table: TableName, chain: string): string[] {
    const draw = this.#draw;
    return this.#features.focus
      .filter(() => draw.chance(0.5))
      .flatMap((name) => {
        const protocol = draw.chance() ? 0 : this.#protocol();
        const options = protocol === 0 ? [] : ['-p', PROTOCOL_WORDS[protocol]!];
        const match = this.#matches(table, chain, protocol).find((one) => one.name === name);
        const target = this.#targets(table, chain, protocol).find((one) => one.name === name);
        const words =
          match !== undefined
            ? this.#written(match, chain, protocol)
            : target !== undefined
              ? this.#aimed(target, table, chain, protocol)
              : [];
        return words.length === 0 ? [] : [`-A ${chain} ${written([...options, ...words])}`];
      });
  }

  /** Rules about pushes, or what is none, that also ask for something of the packet's own. */
  #ofPushes(chain: string): string[] {
    const draw = this.#draw;
    return Array.from({ length: draw.integer(0, 2) }, () => {
      const flags = draw.pick(['PSH PSH', 'PSH PSH', 'PSH NONE', 'SYN,PSH PSH', 'ACK,PSH ACK']).split(' ');
      const own = this.#matches('filter', chain, TCP).filter(({ name }) => OF_PACKETS.includes(name));
      const more = own.length === 0 ? [] : this.#written(draw.pick(own), chain, TCP);
      return `-A ${chain} ${written(['-p', 'tcp', '-m', 'tcp', '--tcp-flags', ...flags, ...more, ...draw.pick([[], ['-j', 'ACCEPT']])])}`;
    });
  }

  #rule(table: TableName, chain: string, callable: readonly string[]): string {
    const draw = this.#draw;
    const protocol = draw.chance(0.6) ? this.#protocol() : 0;
    const words = [...this.#builtin(chain, protocol)];
    const inverted = words.includes('-p') && words[words.indexOf('-p') - 1] === '!';
    for (let index = draw.pick([0, 1, 1, 1, 2]); index > 0; index--)
      words.push(...this.#match(table, chain, inverted ? 0 : protocol));
    words.push(...this.#target(table, chain, callable, inverted ? 0 : protocol));
    return written(words);
  }

  #protocol(): number {
    const draw = this.#draw;
    const { protocols } = this.#features;
    if (protocols.length > 0 && draw.chance(0.85)) return draw.pick(protocols);
    return draw.pick([6, 6, 6, 6, 17, 17, ICMP[this.#family], ICMP[this.#family], 132, 136, 47]);
  }

  #builtin(chain: string, protocol: number): string[] {
    const draw = this.#draw;
    const not = (probability = 0.2): string[] => (draw.chance(probability) ? ['!'] : []);
    const words: string[] = [];
    if (draw.chance(0.2)) words.push(...this.#address('-s'));
    if (draw.chance(0.2)) words.push(...this.#address('-d'));
    if (!/^(OUTPUT|POSTROUTING)$/.test(chain) && draw.chance(0.1)) words.push(...not(), '-i', draw.pick(this.#pools.interfaces));
    if (!/^(INPUT|PREROUTING)$/.test(chain) && draw.chance(0.1)) words.push(...not(), '-o', draw.pick(this.#pools.interfaces));
    if (this.#family === 4 && draw.chance(0.05)) words.push(...not(), '-f');
    if (protocol !== 0) words.push(...not(0.08), '-p', PROTOCOL_WORDS[protocol]!);
    return words;
  }

  /** `! -s x/0` never matches, and iptables-nft refuses it. */
  #address(option: string): string[] {
    const network = this.#network();
    return this.#draw.chance(0.2) && !network.endsWith('/0') ? ['!', option, network] : [option, network];
  }

  #network(): string {
    const address = this.#draw.pick(this.#pools.addresses);
    const lengths = this.#family === 4 ? [32, 32, 31, 24, 23, 16, 8, 1, 0] : [128, 128, 127, 112, 64, 63, 32, 1];
    return `${address}/${this.#draw.pick(lengths)}`;
  }

  #match(table: TableName, chain: string, protocol: number): string[] {
    const usable = this.#matches(table, chain, protocol);
    if (usable.length === 0) return [];
    const focused = usable.filter(({ name }) => this.#features.focus.includes(name));
    // What looks into the protocol at hand is only sometimes possible, so it goes first then.
    const own = usable.filter(
      ({ name, implicitFor, legality }) => name === 'multiport' || (legality?.protocols ?? implicitFor) !== undefined,
    );
    const wanted =
      focused.length > 0 && this.#draw.chance(0.6) ? focused : own.length > 0 && this.#draw.chance(0.6) ? own : usable;
    return this.#written(this.#draw.pick(wanted), chain, protocol);
  }

  #written(match: MatchExtension, chain: string, protocol: number): string[] {
    return ['-m', match.name, ...match.generate(this.#draw, this.#pools, { ...this.#about, protocol, chain })];
  }

  #matches(table: TableName, chain: string, protocol: number): MatchExtension[] {
    return extensions.filter(
      (extension): extension is MatchExtension =>
        this.#usable(extension.name) && extension.kind === 'match' && this.#fits(extension, table, chain, protocol),
    );
  }

  #usable(name: string): boolean {
    return this.#features.extensions.includes(name);
  }

  #fits(match: MatchExtension, table: TableName, chain: string, protocol: number): boolean {
    if (!match.families.includes(this.#family)) return false;
    if (match.legality?.tables?.includes(table) === false) return false;
    if (match.legality?.hooks !== undefined && !match.legality.hooks.includes(chain)) return false;
    if (match.name === 'multiport') return PORTED.includes(protocol);
    const wanted = match.legality?.protocols ?? match.implicitFor;
    return wanted === undefined || wanted.includes(protocol);
  }

  #targets(table: TableName, chain: string, protocol: number): TargetExtension[] {
    return extensions.filter(
      (extension): extension is TargetExtension =>
        extension.kind === 'target' &&
        this.#usable(extension.name) &&
        extension.families.includes(this.#family) &&
        (extension.legality?.tables?.includes(table) ?? true) &&
        (ONLY[extension.name] ?? table) === table &&
        (extension.legality?.hooks?.includes(chain) ?? true) &&
        (extension.legality?.protocols?.includes(protocol) ?? true),
    );
  }

  #aimed(target: TargetExtension, table: TableName, chain: string, protocol: number): string[] {
    return ['-j', target.name, ...target.generate(this.#draw, this.#pools, { ...this.#about, protocol, table, chain })];
  }

  #target(table: TableName, chain: string, callable: readonly string[], protocol: number): string[] {
    const draw = this.#draw;
    const usable = this.#targets(table, chain, protocol);
    const focused = usable.filter(({ name }) => this.#features.focus.includes(name));
    if (focused.length > 0 && draw.chance(0.4)) return this.#aimed(draw.pick(focused), table, chain, protocol);
    const roll = draw.integer(0, 99);
    if (roll < 22) return [];
    if (roll < 46 && callable.length > 0) return [draw.chance(0.2) ? '-g' : '-j', draw.pick(callable)];
    if (roll < 54) return ['-j', 'RETURN'];
    if (roll < 68) return ['-j', 'ACCEPT'];
    if (this.#features.gentle) return [];
    if (roll < 76 && table !== 'nat') return ['-j', 'DROP'];
    const refusing = usable.find(({ name }) => name === 'REJECT');
    if (roll < 79 && refusing !== undefined) return this.#aimed(refusing, table, chain, protocol);
    return usable.length === 0 ? ['-j', 'ACCEPT'] : this.#aimed(draw.pick(usable), table, chain, protocol);
  }
}

/** Words of a rule as a line of a file. */
const written = (words: readonly string[]): string => words.map((word) => (word === '!' ? word : quoteWord(word))).join(' ');

/** Those that rateest asks are made by rules that are loaded first. */
const estimators = (chain: string, judge: Judge): string[] =>
  GENERATED.map((name) => `-A ${chain} -j RATEEST ${estimatorWords(name, judge).join(' ')}`);

/** The rule that gives all connections of its protocol to a helper. */
const assigning = (chain: string, name: string): string =>
  `-A ${chain} -p ${PROTOCOL_WORDS[protocolOf(name)]} -j CT --helper ${name}`;

/** Where a packet's state is first seen. */
const FIRST_CHAINS: readonly string[] = ['PREROUTING', 'OUTPUT'];
const STATES: readonly CtState[] = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];
const probes = (chain: string): string[] => STATES.map((state) => `-A ${chain} -m conntrack --ctstate ${state}`);
