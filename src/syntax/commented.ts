/** Commands behind "#": comments for the shell, but a terminal's root has that for a prompt. */
import type { Note, Source } from './source.ts';

const COMMAND = /^\s*(?:sudo\s+)?ip6?tables(?:-legacy|-nft)?\s+-/;
const BEHIND_HASH = /^\s*#+\s*(?:sudo\s+)?ip6?tables(?:-legacy|-nft)?\s+-/;

/** A note, where as many commands stand behind "#" as stand without: some may have been meant. */
export function commentedNotes(source: Source): Note[] {
  const behind = source.lines.flatMap(({ text }, index) => (BEHIND_HASH.test(text) ? [index + 1] : []));
  const commands = source.lines.filter(({ text }) => COMMAND.test(text)).length;
  const [line] = behind;
  if (line === undefined || behind.length < commands) return [];
  const lines = behind.length === 1 ? 'a command' : `${behind.length} commands`;
  const message = `${lines} behind "#" read as comments: leave the "#" out where it is a prompt of root's`;
  return [{ position: { file: source.file, line, column: 1 }, message }];
}
