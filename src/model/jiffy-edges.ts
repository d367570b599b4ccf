/** Answers that hang on when the kernel's jiffies begin, which no capture tells. */
import { counted, type Sighted } from './vantage.ts';

/**
 * Notes of a result, of packets that met connlimit less than a jiffy behind the last look through the list. The kernel looks once a jiffy for what ended since; its jiffies may begin between the two packets, or not.
 */
export function jiffyEdgesNote(seen: Sighted, hz: number): string[] {
  if (seen.packets === 0) return [];
  const what = counted(seen, 'met', 'met');
  return [
    `${what} connlimit within a jiffy (1/${hz} s) of another, and got an answer that hangs on when the kernel's jiffies begin: what ended within one is counted until the next; here they begin with the capture's seconds, there nobody knows`,
  ];
}
