/** How deep chains may call each other in nf_tables: the 16th call from a base chain is refused (nft_chain_validate, NFT_JUMP_STACK_SIZE; EMLINK, "Too many links"). */
import type { Chain, Table } from '../model/ruleset.ts';
import type { Context } from './context.ts';
import { errorAt } from './source.ts';

const JUMP_STACK_SIZE = 16;

/** Checks a table without loops. Throws a RuleError at the rule whose call is one too many. Chains that no base chain reaches are not looked at. */
export function checkDepth(table: Table, context: Context): void {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  let level = new Set<Chain>(table.chains.filter((chain) => chain.policy !== null));
  for (let calls = 1; level.size > 0; calls++) {
    const next = new Set<Chain>();
    for (const { rules } of level) {
      for (const { target } of rules) {
        const called = target?.kind === 'chain' ? chains.get(target.chain) : undefined;
        if (target === null || called === undefined) continue;
        if (calls >= JUMP_STACK_SIZE) {
          const message = `"${called.name}" would be called ${calls} chains deep: "Too many links", says iptables-nft-restore`;
          throw errorAt(context.source, target.position, message, {
            kind: 'illegal',
            hint: `nf_tables calls ${JUMP_STACK_SIZE - 1} deep, with -g as with -j; --backend legacy has no such limit`,
          });
        }
        next.add(called);
      }
    }
    level = next;
  }
}
