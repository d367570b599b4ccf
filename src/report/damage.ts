/** What is said of captures that are damaged, or could not be read to their end. */
import type { CaptureInfo } from '../model/witness.ts';

/** One line each, those that are whole left out. */
export const damageLines = (captures: readonly CaptureInfo[]): string[] =>
  captures.flatMap((capture) => damageLine(capture) ?? []);

function damageLine({ file, damage }: CaptureInfo): string | undefined {
  if (damage === undefined) return undefined;
  const { offset, packed, reason, unread } = damage;
  if (unread === true && offset === 0) return `${file}: ${reason}; nothing of it was judged`;
  const place = packed === undefined ? `${offset}` : `${packed} (${offset} when unpacked)`;
  const what = unread === true ? 'could not be read behind' : 'damaged at';
  return `${file}: ${what} offset ${place}: ${reason}; what stands before it was judged`;
}
