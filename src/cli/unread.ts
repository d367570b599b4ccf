/** Captures of which not one was a capture: there is nothing to report then. */
import { DAMAGE_NOT_A_CAPTURE } from '../abi/capture.ts';
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { ReplayResult } from '../model/witness.ts';

/** What to say in the place of a report; undefined where something was read. */
export function whyUnread({ packets, captures }: Pick<ReplayResult, 'packets' | 'captures'>): string | undefined {
  const reason = DAMAGE_WORDS[DAMAGE_NOT_A_CAPTURE]!;
  const none = captures.filter(({ damage }) => damage?.reason === reason);
  if (packets > 0 || none.length === 0 || none.length < captures.length) return undefined;
  return none.map(({ file }) => `wasmtables: ${file}: ${reason}; captures go with -r, rules with -R`).join('\n');
}
