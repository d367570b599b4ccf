/** One walk through a table's chain: ipt_do_table and ip6t_do_table (net/ipv4/netfilter/ip_tables.c, net/ipv6/netfilter/ip6_tables.c). */
import { evaluateBuiltin } from '../extensions/builtin.ts';
import type { TargetEffects } from '../extensions/extension.ts';
import type { NatSpec } from '../model/nat.ts';
import type { EvaluateContext } from '../packet/view.ts';
import type { Packet } from './packet.ts';
import type { ReadyChain, ReadyMatch, ReadyRule, ReadyTarget } from './tables.ts';

export interface WalkContext {
  /** What matches may ask; `state` is bound to the match in hand. */
  evaluate(match: ReadyMatch): EvaluateContext;
  /** For targets. */
  plain: EvaluateContext;
  /** What a target of the nat table does with the packet's connection. */
  translate(spec: NatSpec): 'ACCEPT' | 'DROP';
  /** Rules looked at are counted here. */
  evaluations: number;
  /** TRACE words, when asked for. */
  path: string[] | null;
  listener: WalkListener | null;
}

/** `matched drop`: the rule counts and its target acts, but behind that comes the drop that one of its matches asked for. */
export type RuleResult = 'match' | 'miss' | 'hotdrop' | 'matched drop';

/** Told of every step, for `trace`. `at`: the match that decided, or the built-in options. */
export interface WalkListener {
  rule(chain: ReadyChain, rule: ReadyRule, result: RuleResult, at: ReadyMatch | 'builtin' | null): void;
  end(chain: ReadyChain, word: 'policy' | 'return', number: number): void;
}

export interface WalkResult {
  verdict: 'ACCEPT' | 'DROP' | 'REJECT';
  /** STACK_*: no rule did it. */
  stack?: number;
  /** What ended the walk, in TRACE's words; null for a hotdrop of the legacy backend, which TRACE does not show. */
  rule: string | null;
  /** REJECT answered with a TCP reset. */
  tcpReset: boolean;
}

/** `base`: the built-in chain of the hook. */
export function walk(base: ReadyChain, packet: Packet, context: WalkContext): WalkResult {
  const callers: { chain: ReadyChain; next: number }[] = [];
  let chain = base;
  let next = 0;
  for (;;) {
    const rule = chain.rules[next];
    if (rule === undefined) {
      const word = endOf(chain, packet, context);
      if (chain.policy !== null) return { verdict: chain.policy, rule: word, tcpReset: false };
      ({ chain, next } = callers.pop() ?? policyOf(base));
      continue;
    }
    context.evaluations++;
    const result = matches(chain, rule, packet, context);
    if (result === 'hotdrop') return hotdrop(chain, rule, context);
    next++;
    if (result === 'miss') continue;
    rule.counter.packets++;
    rule.counter.bytes += packet.length;
    const word = `${chain.table}:${chain.name}:${kindOf(chain, rule)}:${rule.number}`;
    context.path?.push(word);
    const { target } = rule;
    if (result === 'matched drop') return { ...dropped(target, packet, context), rule: word };
    if (target.kind === 'none') continue;
    if (target.kind === 'chain') {
      if (!target.goto) callers.push({ chain, next });
      chain = target.chain;
      next = 0;
      continue;
    }
    if (target.kind === 'verdict') {
      if (target.verdict === 'RETURN') {
        ({ chain, next } = callers.pop() ?? policyOf(base));
        continue;
      }
      // Where nobody reads the queue, what goes there is dropped.
      const queued = target.verdict === 'QUEUE' && context.plain.profile.nfqueue === 'accept';
      if (queued) packet.queued = true;
      const accepts = target.verdict === 'ACCEPT' || queued;
      return { verdict: accepts ? 'ACCEPT' : 'DROP', rule: word, tcpReset: false };
    }
    const verdict = target.extension.evaluate(target.options, packet, effectsOn(packet, context, target.template), context.plain);
    if (verdict !== 'continue') return { verdict, rule: word, tcpReset: target.tcpReset };
  }
}

/** ipt_do_table looks at hotdrop when the target is through: what it did is done, what it says is not asked. REJECT has answered. */
function dropped(target: ReadyTarget, packet: Packet, context: WalkContext): Pick<WalkResult, 'verdict' | 'tcpReset'> {
  if (target.kind !== 'extension') return { verdict: 'DROP', tcpReset: false };
  const verdict = target.extension.evaluate(target.options, packet, effectsOn(packet, context, target.template), context.plain);
  return { verdict: verdict === 'REJECT' ? 'REJECT' : 'DROP', tcpReset: target.tcpReset };
}

/** The packet is dropped in the middle of a rule that does not count it: ip_tables traces nothing then, nf_tables the rule. */
function hotdrop(chain: ReadyChain, rule: ReadyRule, context: WalkContext): WalkResult {
  if (context.plain.profile.backend === 'legacy') return { verdict: 'DROP', rule: null, tcpReset: false };
  const word = `${chain.table}:${chain.name}:rule:${rule.number}`;
  context.path?.push(word);
  return { verdict: 'DROP', rule: word, tcpReset: false };
}

/** RETURN without a caller goes to the policy (the "underflow" rule). */
const policyOf = (base: ReadyChain): { chain: ReadyChain; next: number } => ({ chain: base, next: base.rules.length });

/** get_chainname_rulenum: a rule that asks nothing and gives a verdict looks like the end of a chain. */
function kindOf(chain: ReadyChain, rule: ReadyRule): string {
  if (!rule.unconditional) return 'rule';
  return chain.policy === null ? 'return' : 'policy';
}

/** The invisible last rule of a chain: the policy, counted, or the return of a user chain. */
function endOf(chain: ReadyChain, packet: Packet, context: WalkContext): string {
  const kind = chain.policy === null ? 'return' : 'policy';
  const number = chain.rules.length + 1;
  if (chain.policy !== null) {
    chain.counter.packets++;
    chain.counter.bytes += packet.length;
  }
  const word = `${chain.table}:${chain.name}:${kind}:${number}`;
  context.path?.push(word);
  context.listener?.end(chain, kind, number);
  return word;
}

/** The built-in options, then the matches from left to right; the first that fails decides. */
function matches(chain: ReadyChain, rule: ReadyRule, packet: Packet, context: WalkContext): RuleResult {
  const told = (result: RuleResult, at: ReadyMatch | 'builtin' | null): RuleResult => {
    context.listener?.rule(chain, rule, result, at);
    return result;
  };
  const builtin = evaluateBuiltin(rule.rule.builtin, packet, context.plain.profile);
  if (builtin !== true) return told(builtin === 'hotdrop' ? 'hotdrop' : 'miss', 'builtin');
  let drops = false;
  for (const one of rule.matches) {
    const { match, extension } = one;
    const result =
      extension === undefined ? match.assumed?.as === 'hit' : extension.evaluate(match.options, packet, context.evaluate(one));
    if (result === 'hotdrop-matched') drops = true;
    else if (result !== true) return told(result === 'hotdrop' || drops ? 'hotdrop' : 'miss', one);
  }
  return drops ? told('matched drop', null) : told('match', null);
}

function effectsOn(packet: Packet, { translate }: WalkContext, own: { mark: number }): TargetEffects {
  return {
    translate,
    rewrite(bytes) {
      packet.rewrite(bytes);
    },
    log(request) {
      packet.log(request);
    },
    setMark(mark) {
      packet.mark = mark >>> 0;
    },
    queue() {
      packet.queued = true;
    },
    assignSocket() {
      packet.proxied = true;
    },
    setTemplate(template) {
      if (packet.tracking.kind === 'none') packet.tracking = { kind: 'template', ...template, own };
    },
    setConnectionMark(mark) {
      if (packet.tracking.kind === 'entry') packet.tracking.connection.mark = mark >>> 0;
      else if (packet.tracking.kind === 'template') packet.tracking.own.mark = mark >>> 0;
    },
    notrack() {
      if (packet.tracking.kind === 'none') packet.tracking = { kind: 'untracked' };
    },
  };
}
