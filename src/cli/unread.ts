/** Captures of which not one was a capture, so that there is nothing to report, and those in which nothing could be judged. */
import { DAMAGE_NOT_A_CAPTURE } from '../abi/capture.ts';
import { DAMAGE_WORDS } from '../model/capture-reasons.ts';
import type { UNSEEN_WORDS } from '../model/reasons.ts';
import type { ReplayResult } from '../model/witness.ts';
import { isSupported } from '../packet/link.ts';
import { plural } from '../report/style.ts';

/** What to say in the place of a report; undefined where something was read. */
export function whyUnread({ packets, captures }: Pick<ReplayResult, 'packets' | 'captures'>): string | undefined {
  const reason = DAMAGE_WORDS[DAMAGE_NOT_A_CAPTURE]!;
  const none = captures.filter(({ damage }) => damage?.reason === reason);
  if (packets > 0 || none.length === 0 || none.length < captures.length) return undefined;
  return none.map(({ file }) => `wasmtables: ${file}: ${reason}; captures go with -r, rules with -R`).join('\n');
}

const LINK_TYPE: (typeof UNSEEN_WORDS)[number] = 'link type not supported';

/** What could not be judged at all, beside the report; undefined where something was, and every link type is one that is read. */
export function whyUnjudged({
  packets,
  captures,
  unseen,
}: Pick<ReplayResult, 'packets' | 'captures' | 'unseen'>): string | undefined {
  const strange = unseen[LINK_TYPE] ?? 0;
  if (strange > 0) {
    const types = [...new Set(captures.flatMap(({ linktypes }) => linktypes))].filter((one) => !isSupported(one));
    return `wasmtables: ${plural(strange, 'packet')} could not be judged: nobody here reads link type ${types.join(', ')} (LINKTYPE_ numbers of tcpdump.org)`;
  }
  const reasons = Object.entries(unseen).map(([why, count]) => `${count} ${why}`);
  if (Object.values(unseen).reduce((sum, count) => sum + count, 0) < packets) return undefined;
  const none =
    packets === 0 ? 'there are no packets' : `of ${plural(packets, 'packet')} none reached netfilter (${reasons.join(', ')})`;
  return `wasmtables: nothing was judged: ${none}`;
}
